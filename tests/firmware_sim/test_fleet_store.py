"""The outbox in memory under the shipped protocol core, against the ledger in memory of the delivery tests."""

import random

import pytest

from contract.delivery.device import DeviceProtocol
from contract.delivery.device_actions import FixClock, Release, Send, SetAcked
from contract.delivery.device_states import Appended, Connected, Disconnected, Event, Now, Received
from contract.event import Lane, Scan, Step
from contract.messages import decode_down, encode_message
from contract.statement import Direction, seal, unseal
from firmware_sim.fleet.device import SeededEntropy
from firmware_sim.fleet.store import MemoryOutbox
from tests.contract.delivery.memory import KEY, MemoryLedger

BOOT_MS = 1_780_000_000_000


def scan(number: int) -> Scan:
    code = f"code-{number}"
    return Scan(code.encode(), "", "plain", code, Step.LOADED, "dock", "line")


class Pair:
    """A device and a hub over a perfect wire."""

    def __init__(self) -> None:
        rng = random.Random(7)
        self.store = MemoryOutbox("sim-1", rng, boot_at_ms=BOOT_MS)
        self.core = DeviceProtocol(self.store, SeededEntropy(rng))
        self.ledger = MemoryLedger()
        self.mono_ms = 0

    def tell(self, event: Event) -> None:
        self.mono_ms += 10
        actions = self.core.handle(event, Now(self.mono_ms, BOOT_MS + self.mono_ms))
        for action in actions:
            if not isinstance(action, Send):
                self.store.carry_out(action, self.mono_ms)
        for action in actions:
            if isinstance(action, Send):
                payload = seal(KEY, Direction.UP, "sim-1", encode_message(action.message))
                for reply in self.ledger.take("sim-1", payload, BOOT_MS + self.mono_ms):
                    self.tell(Received(decode_down(unseal(KEY, Direction.DOWN, "sim-1", reply))))

    def meet(self) -> None:
        self.tell(Connected())
        self.tell(Appended())


def test_everything_arrives_and_its_latency_is_known_where_it_was_captured_live() -> None:
    pair = Pair()
    for number in range(600):
        pair.store.keep(scan(number), BOOT_MS + 1, live_ms=None if number < 590 else 1.0)
    pair.meet()

    assert pair.store.committed == pair.store.captured == 602
    assert set(pair.store.identities()) == set(pair.ledger.facts)
    # Ten scans, and the clock fix of the welcome.
    assert len(pair.store.latencies_ms) == 11
    assert min(pair.store.latencies_ms) > 0


def test_a_hub_that_was_set_back_gets_all_again_and_latencies_count_once() -> None:
    pair = Pair()
    pair.store.keep(scan(1), BOOT_MS, live_ms=0.0)
    pair.meet()
    measured = list(pair.store.latencies_ms)
    pair.ledger = MemoryLedger()
    pair.tell(Disconnected())
    pair.meet()

    assert set(pair.ledger.facts) == set(pair.store.identities())
    assert pair.store.latencies_ms == measured


def test_a_new_incarnation_keeps_every_identity() -> None:
    pair = Pair()
    before = [pair.store.keep(scan(number), BOOT_MS) for number in range(5)]
    incarnation = pair.store.incarnation
    pair.store.reincarnate("forked", BOOT_MS + 5)
    pair.meet()

    assert pair.store.incarnation != incarnation
    assert set(before) < set(pair.store.identities()) == set(pair.ledger.facts)
    assert pair.store.committed == pair.store.captured


def test_the_audit_comes_round_to_every_fact() -> None:
    store = Pair().store
    for number in range(50):
        store.keep(scan(number), BOOT_MS)
    seen: list[bytes] = []
    while found := store.identities_after(seen[-1] if seen else b"", 16):
        seen += found
        store.keep(scan(len(seen) + 1000), BOOT_MS)

    assert seen == sorted(seen)
    assert set(store.identities()) - set(seen) <= set(store.identities()[51:])


def test_a_batch_takes_what_fits_and_at_least_one() -> None:
    store = Pair().store
    for number in range(5):
        store.keep(scan(number), BOOT_MS)
    one = len(store.read(Lane.CUSTODY, 1, 1, 10**6)[0].core or b"")

    assert [p.n for p in store.read(Lane.CUSTODY, 1, 99, 2 * one + 5)] == [2, 3]
    assert [p.n for p in store.read(Lane.CUSTODY, 1, 99, 1)] == [2]
    assert [p.n for p in store.read(Lane.CUSTODY, 1, 3, 10**6)] == [2, 3, 4]


def test_a_clock_is_stated_again_only_when_it_is_clearly_better() -> None:
    store = Pair().store
    for uncertainty_ms in (100, 90, 51, 50, 40):
        store.carry_out(FixClock(1, BOOT_MS, uncertainty_ms), 1.0)

    assert store.captured == 3


def test_a_release_that_was_never_asked_for_is_a_fault() -> None:
    store = Pair().store

    with pytest.raises(AssertionError, match="answers nothing that this store ever asks"):
        store.carry_out(Release((b"x" * 32,)), 0.0)
    store.carry_out(SetAcked(Lane.CUSTODY, 1), 0.0)
    assert store.committed == 1
