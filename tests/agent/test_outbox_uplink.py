"""The outbox on a real disk behind the real protocol and uplink, against the hub's core."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.inbox import Inbox
from agent.outbox import Outbox
from agent.uplink import Store, Uplink
from contract.event import Damage, Lane, Outcome, Proof, Status
from contract.fact import decode_core
from contract.limits import HELLO_INTERVAL_MS
from tests.agent.memory_wire import MemoryShelf, MemoryWire
from tests.agent.store.kit import DAY_MS, DEVICE, OTHER_BOOT, Bench, everything, keep
from tests.contract.delivery.memory import KEY, MemoryLedger, SeededEntropy


@dataclass
class Van:
    """One device with its uplink."""

    bench: Bench
    outbox: Outbox
    uplink: Uplink

    def settle(self, rounds: int = 5) -> None:
        """Turn over several hellos."""
        end_ms = self.bench.time.elapsed_ms + rounds * HELLO_INTERVAL_MS * 2
        self.uplink.appended()
        while self.bench.time.elapsed_ms < end_ms:
            self.uplink.turn()


def van(folder: Path, ledger: MemoryLedger, seed: int = 1, boot: bytes | None = None) -> Van:
    bench = Bench(folder) if boot is None else Bench(folder, boot)
    outbox = bench.open(hold_ms=DAY_MS)
    store: Store = outbox
    shelf = MemoryShelf()

    def hub(payload: bytes) -> Sequence[bytes]:
        return ledger.take(DEVICE, payload, now_ms=bench.time.wall_ms() + 5_000)

    uplink = Uplink(
        device=DEVICE,
        key=KEY,
        store=store,
        inbox=Inbox(lambda: shelf),
        clock=bench.clock,
        wire=MemoryWire(bench.time, hub),
        entropy=SeededEntropy(seed),
        latest=lambda: (),
        live_ms=5_000,
    )
    return Van(bench, outbox, uplink)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def one(tmp_path: Path, ledger: MemoryLedger) -> Iterator[Van]:
    one = van(tmp_path / "one", ledger)
    yield one
    one.bench.close()


def committed(ledger: MemoryLedger) -> set[bytes]:
    return {identity for identity, row in ledger.facts.items() if row.core is not None}


def test_p2_everything_that_was_kept_is_committed_once(one: Van, ledger: MemoryLedger) -> None:
    identities = keep(one.outbox, *range(600))
    one.outbox.add_readings([one.bench.reading(i) for i in range(600)])
    one.outbox.seal_due(in_contact=True, seal_ms=0)

    one.settle()

    assert committed(ledger) >= set(identities)
    assert len(ledger.arrived) == len(set(ledger.arrived))
    for lane in Lane:
        ends = one.outbox.lane(lane)
        assert ends.acked_n == ends.head_n > 0


def test_p7_only_what_the_hub_calls_safe_is_released(one: Van, ledger: MemoryLedger) -> None:
    identities = keep(one.outbox, *range(20))
    one.settle()
    one.bench.time.elapsed_ms += 2 * DAY_MS
    ledger.safe = set(identities[:5])

    one.settle()

    ends = one.outbox.lane(Lane.CUSTODY)
    left = {p.fact_id for p in everything(one.outbox)}
    assert ends.base_n == 5
    assert set(identities) - left == set(identities[:5])


def test_attachment_arrives_whole(one: Van, ledger: MemoryLedger) -> None:
    photo = one.outbox.files.incoming / "photo"
    photo.write_bytes(bytes(range(256)) * 400)
    digest = one.outbox.adopt_blob(photo)
    proof = Proof("stop", Outcome.DELIVERED, photos=(digest,))
    one.outbox.append([proof], actor="", stamp=one.bench.stamp())

    one.settle()

    assert bytes(ledger.blobs[digest]) == bytes(range(256)) * 400
    assert one.outbox.pending_blob() is None


def test_p5_f013_flipped_fact_does_not_stop_those_behind_it(one: Van, ledger: MemoryLedger) -> None:
    identities = keep(one.outbox, *range(20))
    one.outbox.database.write(lambda c: c.execute("UPDATE fact SET core = zeroblob(99) WHERE seq = 7"))

    one.settle()

    assert committed(ledger) >= set(identities) - {identities[6]}
    assert ledger.facts[identities[6]].cause == "corrupt"


def test_p5_broken_chain_is_repaired_on_the_way_and_nothing_is_lost(one: Van, ledger: MemoryLedger) -> None:
    identities = keep(one.outbox, *range(20))
    one.outbox.database.write(lambda c: c.execute("UPDATE fact SET hash = zeroblob(32) WHERE seq = 7"))

    one.settle()

    assert committed(ledger) >= set(identities)
    assert len(ledger.arrived) == len(set(ledger.arrived))


def test_p6_f054_clone_and_original_both_arrive_and_show(one: Van, ledger: MemoryLedger, tmp_path: Path) -> None:
    before = keep(one.outbox, *range(5))
    one.settle()
    one.outbox.database.checkpoint()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    two = van(tmp_path / "two", ledger, seed=2, boot=OTHER_BOOT)

    mine = keep(one.outbox, "mine")
    one.settle()
    theirs = keep(two.outbox, "theirs")
    two.settle()

    assert committed(ledger) >= {*before, *mine, *theirs}
    assert one.outbox.incarnation != two.outbox.incarnation
    two.bench.close()


def test_p6_f053_device_restored_from_an_image_loses_and_doubles_nothing(
    one: Van, ledger: MemoryLedger, tmp_path: Path
) -> None:
    """The image brings its witness along, so only the hub can tell."""
    first = keep(one.outbox, *range(5))
    one.settle()
    one.outbox.close()
    shutil.copytree(tmp_path / "one", tmp_path / "image")
    later = van(tmp_path / "one", ledger, seed=2, boot=OTHER_BOOT)
    second = keep(later.outbox, *range(5, 9))
    later.settle()
    later.bench.close()

    restored = van(tmp_path / "image", ledger, seed=3, boot=bytes(range(2, 18)))
    third = keep(restored.outbox, "after")
    restored.settle()

    assert committed(ledger) >= {*first, *second, *third}
    assert len(ledger.arrived) == len(set(ledger.arrived))
    details = [decode_core(p.core).event for p in everything(restored.outbox) if p.core is not None]
    assert any(isinstance(e, Status) and isinstance(e.detail, Damage) for e in details)
    restored.bench.close()
