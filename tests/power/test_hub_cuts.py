"""The power goes at any moment under a hub: what it acknowledged is in its ledger, and the ledger verifies."""

import errno
import random
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

import apsw
import pytest

from contract.delivery.device_states import Connected, Disconnected
from hub import db
from hub.backup import make_backup, restore_backup
from hub.errors import CommitFailed
from tests.contract.delivery.memory import Device
from tests.hub.desk import NOW_MS, Desk, open_desk
from tests.power.device import scratch
from tests.power.disk import Disk, Image
from tests.power.hub import BACKUPS, DEEDS, FOLDER, HubCut, HubLife, HubPlan, HubTally, Told, check, live, started
from tests.power.promises import Wrong
from tests.power.shim import Failure, Operation, Power, installed

CUTS = 200
QUICK = HubPlan(deeds=12)
"""Short lives: a ledger that stays small is soon verified, and more of them begin."""


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_p2_p3_f035_every_acknowledged_fact_is_in_the_ledger_once_after_each_power_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally, seed = HubTally(), 0
    while tally.cuts < CUTS:
        live(seed, tally, QUICK)
        seed += 1

    with capsys.disabled():
        sys.stdout.write(f"\nhub: {tally}, none of them lost\n")
    assert {"ingest", "backup", "closing"} <= tally.during.keys()


def test_p2_first_start_of_a_hub_survives_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEEDS, HubLife.attachment, 10)
    tally = HubTally()
    for seed in range(2):
        live(seed, tally, HubPlan(deeds=12, share=1 / 200, generations=1), first_start=True)

    assert tally.cuts > 10


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_with_less_than_full_synchronisation_the_same_cuts_lose_acknowledged_facts(
    monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    opened = db.Database.__init__

    def weakly(self: db.Database, folder: Path) -> None:
        opened(self, folder)
        with self._writer.begin():
            pass
        self._writer.connection.driver_connection.execute(f"PRAGMA synchronous = {level}")  # type: ignore[union-attr]  # it is open

    monkeypatch.setattr(db.Database, "__init__", weakly)

    broken = ""
    for seed in range(6):
        try:
            live(seed, HubTally())
        except Wrong as error:
            broken = str(error)
            break

    assert broken


@pytest.mark.slow
def test_p2_f047_restore_that_the_power_ends_leaves_the_old_hub_or_the_backup() -> None:
    """Cuts before every operation of a restore; the old hub has a log beside its database."""
    cuts: dict[int, HubCut] = {}
    with scratch() as base:
        started().write(base)
        backup = base / BACKUPS / "one.tar"
        power = Power(Disk(base))
        device = Device("van-1", 1)
        with installed(power):
            with open_desk(base / FOLDER) as desk:
                desk.enrol("van-1")
                device.feed(Connected())
                early = [device.scan(b"early %d" % n) for n in range(20)]
                desk.settle(device)
                make_backup(desk.centre.db, desk.centre.blobs, backup, NOW_MS)
                late = [device.scan(b"later %d" % n) for n in range(60)]
                desk.settle(device)
            # A log that fits neither the backup nor what the database was when the backup was made.
            with open_desk(base / FOLDER) as desk:
                late += [device.scan(b"late %d" % n) for n in range(60)]
                desk.settle(device)
                crashed = power.disk.cut(random.Random(0), unflushed=1.0)
        told = Told({i: device.store.cores[i] for i in early}, enrolled={"van-1"})
    with scratch() as base:
        crashed.write(base)
        power = Power(Disk(base))

        def cut(operation: Operation) -> None:
            # Where names change much depends on which of them survive.
            for seed in range(200 if operation.path.endswith(FOLDER) else 2):
                image = power.disk.cut(random.Random(operation.number * 1_000 + seed))
                what = hash(tuple(sorted((n, c) for n, c in image.entries.items() if c is not None)))
                cuts.setdefault(what, HubCut(f"before {operation.kind} {operation.number}", image, told, "restore", []))

        power.gate = cut
        with installed(power):
            restore_backup(base / BACKUPS / "one.tar", base / FOLDER, NOW_MS)
            cut(Operation("end", "", power.operations + 1))
    found: Counter[int] = Counter()
    for one in cuts.values():
        check(one, HubTally(), lambda folder: counting(folder, found))

    assert set(found) == {len(early), len(early) + len(late)}


class counting:  # noqa: N801 a context manager that is called like a function
    """A desk that notes how many facts it opened with."""

    def __init__(self, folder: Path, found: Counter[int]) -> None:
        self._desk = open_desk(folder)
        self._found = found

    def __enter__(self) -> Desk:
        desk = self._desk.__enter__()
        self._found[len(desk.facts())] += 1
        return desk

    def __exit__(self, *failed: object) -> None:
        self._desk.__exit__(None, None, None)


class OneFailure:
    """Fails the nth operation of a kind on the ledger."""

    def __init__(self, kind: str, nth: int, failure: Failure) -> None:
        self._kind = kind
        self._left = nth
        self._failure = failure
        self.happened = False

    def __call__(self, operation: Operation) -> Failure | None:
        if operation.kind != self._kind or not operation.path.endswith("-wal"):
            return None
        self._left -= 1
        self.happened = self.happened or self._left == 0
        return self._failure if self._left == 0 else None


WAYS = {
    "flush fails": ("sync", Failure(apsw.SQLITE_IOERR_FSYNC)),
    "commit is done and said to have failed": ("sync", Failure(apsw.SQLITE_IOERR_FSYNC, done=True)),
    "disk is full": ("write", Failure(apsw.SQLITE_FULL)),
    "write fails": ("write", Failure(apsw.SQLITE_IOERR_WRITE)),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_p2_p3_f038_f042_commit_of_unknown_result_ends_the_hub_and_sending_again_settles_it(way: str) -> None:
    """At one operation after another: nothing is acknowledged that is not there, and each fact is one row in the end."""
    kind, failure = WAYS[way]
    nth, ended, went_on = 1, 0, 0
    while True:
        trouble = OneFailure(kind, nth, failure)
        image, device, failed = after_trouble(trouble)
        if not trouble.happened:
            break
        ended, went_on = ended + failed, went_on + (not failed)
        with scratch() as base:
            image.write(base)
            with open_desk(base / FOLDER) as desk:
                acked = device.store.lanes
                there = set(desk.facts())
                for lane in acked.values():
                    assert {p.fact_id for p in lane.positions[: lane.acked_n]} <= there
                device.feed(Disconnected())
                device.outgoing.clear()
                device.feed(Connected())
                desk.settle(device)
                assert sorted(desk.facts()) == sorted(device.store.cores)
                assert set(desk.seen().values()) == {1}
        nth += 7 if kind == "write" else 1

    assert ended + went_on > 5
    if kind == "sync":
        assert went_on == 0


def after_trouble(trouble: OneFailure) -> tuple[Image, Device, bool]:
    """A device's facts, sent in five groups to a hub whose disk fails once; what is on the disk when it ended or was done."""
    device = Device("van-1", 1)
    failed = False
    with scratch() as base:
        started().write(base)
        power = Power(Disk(base))
        with installed(power), open_desk(base / FOLDER) as desk:
            desk.enrol("van-1")
            device.feed(Connected())
            desk.settle(device)
            power.gate = trouble
            try:
                for group in range(5):
                    for n in range(8):
                        device.scan(b"%d %d" % (group, n))
                    desk.settle(device)
            except CommitFailed:
                failed = True
            image = power.disk.cut(random.Random(1), unflushed=1.0 if trouble.happened else 0.0)
            power.gate = lambda _operation: None
    return image, device, failed


@pytest.mark.parametrize("place", ["incoming", "blobs"])
def test_p2_f016_attachment_whose_flush_fails_is_not_answered_and_ends_the_hub(place: str) -> None:
    """Asked a second time the disk would say yes: neither the file nor its folder may be flushed again and believed."""
    picture = b"picture" * 100
    device = Device("van-1", 1)

    def fails(operation: Operation) -> Failure | None:
        return Failure(errno.EIO) if operation.kind == "flush" and place in Path(operation.path).parts else None

    with scratch() as base:
        started().write(base)
        power = Power(Disk(base))
        with installed(power), open_desk(base / FOLDER) as desk:
            desk.enrol("van-1")
            device.store.blobs[sha256(picture).digest()] = picture
            device.feed(Connected())
            power.gate = fails
            with pytest.raises(CommitFailed, match="did not take an attachment"):
                desk.settle(device)
            power.gate = lambda _operation: None

    assert not device.store.blobs_stored
