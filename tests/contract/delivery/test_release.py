"""What frees storage on the device, and what does not."""

import copy

from contract.delivery.device_states import (
    Received,
)
from contract.event import Lane
from contract.messages import Credit, Hello, Welcome
from tests.contract.delivery.memory import connected, said, settle


def test_p7_release_needs_the_hubs_word_about_the_very_content() -> None:
    device, ledger = connected()
    made = [device.scan(b"%d" % n) for n in range(5)]
    settle(device, ledger)
    device.store.releasable = True
    device.tick(80_000)
    settle(device, ledger)
    assert set(device.store.cores) == set(made), "acknowledged is not yet safe"

    ledger.safe = {made[0], made[1]}
    device.tick(80_000)
    settle(device, ledger)
    assert set(device.store.cores) == set(made[2:])


def test_p7_an_answer_that_says_have_or_names_no_whole_identity_frees_nothing() -> None:
    device, ledger = connected()
    made = device.scan(b"1")
    settle(device, ledger)
    device.store.releasable = True
    for answer, safe in ((b"h", (made,)), (b"s", ()), (b"s", (b"x" * 32,)), (b"m", (made,))):
        device.tick(80_000)
        hello = said(device.outgoing.pop())
        assert isinstance(hello, Hello)
        assert hello.audit == (made[:8],)
        device.outgoing.clear()
        device.feed(Received(_welcome(hello.nonce, audit=answer, safe=safe)))
        assert made in device.store.cores, answer


def test_d6_a_welcome_to_an_earlier_hello_changes_nothing() -> None:
    device, ledger = connected()
    made = device.scan(b"1")
    settle(device, ledger)
    device.store.releasable = True
    device.tick(80_000)
    device.feed(Received(_welcome(b"o" * 16, audit=b"s", safe=(made,))))

    assert made in device.store.cores
    assert device.store.lane(Lane.CUSTODY).acked_n == 1


def _welcome(nonce: bytes, *, audit: bytes, safe: tuple[bytes, ...]) -> Welcome:
    return Welcome(nonce, (), False, audit, b"", safe, (), (), 10**12, Credit())


def test_f030_a_stale_ack_after_a_hub_restore_lets_nothing_go() -> None:
    device, ledger = connected()
    backup = copy.deepcopy(ledger)
    made = device.scan(b"1")
    stale = ledger.take("van-1", device.outgoing.pop(), 10**12)
    for reply in stale:
        device.hear(reply)
    assert made in device.store.cores

    device.tick(80_000)
    settle(device, backup)
    assert backup.arrived == [made]
