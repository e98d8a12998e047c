from itertools import islice
from typing import Any

import pytest
from biip.gs1_messages import GS1Message
from biip.sscc import Sscc
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.physics import codes
from firmware_sim.physics.codes import GS, MAX_NUMBER, MAX_SEED, Code, code_stream

seeds = st.integers(0, MAX_SEED)
numbers = st.integers(1, MAX_NUMBER)
KINDS = (codes.sscc, codes.serialised_item, codes.postal_item, codes.carrier_parcel)


def take(count: int, seed: int, **options: Any) -> list[Code]:
    return [code for _, code in islice(code_stream(seed, **options), count)]


def test_the_same_seed_gives_the_same_codes() -> None:
    assert take(200, seed=7) == take(200, seed=7)


def test_a_stream_started_later_carries_on_where_it_would_have_been() -> None:
    assert list(islice(code_stream(7), 50))[20:] == list(islice(code_stream(7, start=21), 30))


def test_codes_of_one_seed_are_all_different() -> None:
    assert len({code.data for code in take(5_000, seed=3)}) == 5_000


@given(seeds, numbers, seeds, numbers)
def test_no_two_seeds_or_numbers_share_a_code(seed: int, number: int, other_seed: int, other_number: int) -> None:
    if (seed, number) != (other_seed, other_number):
        here = {kind(seed, number).data for kind in KINDS}
        there = {kind(other_seed, other_number).data for kind in KINDS}

        assert not here & there


@given(seeds, numbers)
def test_an_sscc_is_valid_for_biip(seed: int, number: int) -> None:
    message = GS1Message.parse(codes.sscc(seed, number).data.decode())

    assert isinstance(message.element_strings[0].sscc, Sscc)


@given(seeds, numbers)
def test_a_serialised_item_is_valid_for_biip(seed: int, number: int) -> None:
    code = codes.serialised_item(seed, number)
    message = GS1Message.parse(code.data.decode())

    assert code.aim == "]d2"
    assert [element.ai.ai for element in message.element_strings] == ["01", "17", "10", "21"]
    assert code.data.count(GS) == 1


def test_a_postal_item_has_the_check_digit_of_the_standard() -> None:
    # UPU S10's own example: 47312482 has check digit 9.
    weights = (8, 6, 4, 2, 3, 5, 9, 7)

    code = codes.postal_item(12, 34).data.decode()

    assert code[:2].isalpha()
    assert code[-2:].isalpha()
    remainder = 11 - sum(int(d) * w for d, w in zip(code[2:10], weights, strict=True)) % 11
    assert int(code[10]) == {10: 0, 11: 5}.get(remainder, remainder)


def test_a_carrier_number_has_a_right_check_digit() -> None:
    code = codes.carrier_parcel(12, 34).data.decode()
    values = [int(c) if c.isdigit() else (ord(c) - 63) % 10 for c in code[2:17]]

    assert code.startswith("1Z")
    assert len(code) == 18
    assert (sum(values[0::2]) + 2 * sum(values[1::2]) + int(code[17])) % 10 == 0


def test_gs1_check_digit_is_that_of_a_published_example() -> None:
    assert codes.gs1_check_digit("37610425002123456") == "9"


def test_cards_come_only_when_asked_for_and_leave_the_other_codes_alone() -> None:
    plain, mixed = take(400, seed=5), take(400, seed=5, card_share=0.1)

    assert not any(code.is_card for code in plain)
    assert 10 < sum(code.is_card for code in mixed) < 90
    assert all(a == b for a, b in zip(plain, mixed, strict=True) if not b.is_card)


def test_a_seed_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="seed 1000000: expected 0 to 999999"):
        next(code_stream(1_000_000))
