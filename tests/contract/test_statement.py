import hashlib
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ContractError, Malformed, NotAuthentic, TooLarge
from contract.limits import MAX_DECODED_BYTES, MAX_WIRE_BYTES
from contract.statement import DEFLATED, PLAIN, Direction, _mac, password_of, seal, unseal

KEY = b"k" * 32


def forged(form: int, body: bytes) -> bytes:
    """A statement of a device that holds its key and breaks the rules."""
    return bytes([form]) + _mac(KEY, Direction.UP, "van-1", form, body) + body


def deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


@given(st.binary(max_size=5000))
def test_a_statement_opens_to_its_body(body: bytes) -> None:
    assert unseal(KEY, Direction.UP, "van-1", seal(KEY, Direction.UP, "van-1", body)) == body


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_listed_error(payload: bytes) -> None:
    with pytest.raises(ContractError):
        unseal(KEY, Direction.UP, "van-1", payload)


def test_a_statement_counts_for_one_device_one_direction_and_one_key() -> None:
    payload = seal(KEY, Direction.UP, "van-1", b"body")
    for key, direction, device in [
        (b"x" * 32, Direction.UP, "van-1"),
        (KEY, Direction.DOWN, "van-1"),
        (KEY, Direction.UP, "van-2"),
    ]:
        with pytest.raises(NotAuthentic):
            unseal(key, direction, device, payload)


def test_every_flipped_bit_is_noticed() -> None:
    payload = seal(KEY, Direction.UP, "van-1", b"scan " * 40)
    for at in range(len(payload) * 8):
        changed = bytearray(payload)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises((NotAuthentic, Malformed)):
            unseal(KEY, Direction.UP, "van-1", bytes(changed))


def test_f064_a_deflate_bomb_is_refused_at_the_limit_and_costs_no_more_memory() -> None:
    bomb = forged(DEFLATED, deflate(bytes(200 * 1024 * 1024)))
    assert len(bomb) < MAX_WIRE_BYTES
    tracemalloc.start()
    with pytest.raises(TooLarge, match="inflates beyond"):
        unseal(KEY, Direction.UP, "van-1", bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4 * MAX_DECODED_BYTES


def test_a_statement_beyond_the_wire_limit_is_neither_made_nor_read() -> None:
    with pytest.raises(TooLarge):
        unseal(KEY, Direction.UP, "van-1", forged(PLAIN, bytes(MAX_WIRE_BYTES)))
    noise = b"".join(n.to_bytes(4, "big") for n in range(2**17))
    random = b"".join(hashlib.sha256(noise[i : i + 4]).digest() for i in range(0, 4 * 9000, 4))
    with pytest.raises(TooLarge):
        seal(KEY, Direction.UP, "van-1", random)


@pytest.mark.parametrize("data", [deflate(b"abc")[:-1], deflate(b"abc") + b"x", b"\xff\xff"])
def test_f065_cut_or_continued_deflate_data_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        unseal(KEY, Direction.UP, "van-1", forged(DEFLATED, data))


def test_the_password_does_not_reveal_the_key() -> None:
    assert KEY.hex() not in password_of(KEY)
    assert password_of(KEY) != password_of(b"x" * 32)
