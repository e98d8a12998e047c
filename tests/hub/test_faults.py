"""The hub's own machine misbehaves: storage that refuses for a while, a clock that jumps, everything lost."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from contract.delivery.device_states import Connected, Disconnected
from contract.limits import SAFE_AGE_MS
from contract.messages import Credit, Nack, Welcome
from hub import tables as t
from hub.backup import make_backup, scheduled_name
from hub.backup_schedule import FAILED_KEY, scheduled_backups
from hub.centre import open_centre
from hub.clock import STEP_MS, ClockWatch
from hub.clock_watch import behind_ledger_ms, report_step
from hub.credit import HELD_RETRY_MS
from tests.contract.delivery.memory import Device
from tests.hub.broken import held, read_only
from tests.hub.desk import NOW_MS, Desk, Seen, connected, open_desk, seen

YEAR_MS = 366 * 24 * 3_600_000


def again(desk: Desk, device: Device) -> Welcome:
    """The device comes back and says hello."""
    device.mono_ms += 60_000
    device.outgoing.clear()
    device.feed(Disconnected())
    device.feed(Connected())
    (welcome,) = desk.hear("van-1", device.outgoing.pop())
    assert isinstance(welcome, Welcome)
    device.hear(desk.sent.pop()[1])
    desk.settle(device)
    return welcome


def test_f039_while_the_database_is_read_only_nothing_is_acknowledged_and_everything_arrives_afterwards(
    tmp_path: Path,
) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        read_only(desk.centre.db, on=True)
        made = [device.scan(b"%d" % n) for n in range(20)]
        (refused,) = desk.hear("van-1", device.outgoing.pop(0))
        assert isinstance(refused, Nack)
        assert (refused.reason, refused.credit.facts) == ("busy", 0)
        assert desk.ingest.counts.storage_ok is False
        assert desk.facts() == []
        read_only(desk.centre.db, on=False)
        again(desk, device)
        # The hub had told it to wait.
        for _ in range(3):
            device.tick(31_000)
            desk.settle(device)
        assert desk.facts() == made
        assert desk.ingest.counts.storage_ok is True


def test_f039_while_another_program_holds_the_database_devices_are_told_to_ask_again_soon(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        made = [device.scan(b"%d" % n) for n in range(20)]
        with held(desk.centre.db):
            (refused,) = desk.hear("van-1", device.outgoing.pop(0))
            device.hear(desk.sent.pop()[1])
        assert isinstance(refused, Nack)
        assert refused.credit == Credit(0, HELD_RETRY_MS)
        assert desk.facts() == []
        for _ in range(2):
            device.tick(HELD_RETRY_MS + 1_000)
            desk.settle(device)
        assert desk.facts() == made


@contextmanager
def clocked_desk(folder: Path, now_ms: list[int]) -> Iterator[Desk]:
    with open_centre(folder, now_ms=lambda: now_ms[0], projections=[Seen()]) as centre:
        with centre.db.write() as tx:
            seen.create(tx, checkfirst=True)
        yield Desk(centre)


def test_p2_f044_a_hub_clock_that_jumps_loses_nothing_and_makes_nothing_old(tmp_path: Path) -> None:
    now_ms = [NOW_MS]
    with clocked_desk(tmp_path, now_ms) as desk:
        device = connected(desk)
        device.store.releasable = True
        made = []
        for jump_ms in (0, 10 * YEAR_MS, -20 * YEAR_MS, SAFE_AGE_MS + 1, 10 * YEAR_MS):
            now_ms[0] += jump_ms
            made.append(device.scan(b"%d" % len(made)))
            desk.settle(device)
            assert again(desk, device).safe == ()
        assert desk.facts() == made
        assert desk.seen() == dict.fromkeys(made, 1)


def test_f044_a_step_of_the_hubs_clock_is_told(tmp_path: Path) -> None:
    now_ms, running_ms = [NOW_MS], [5_000]
    watch = ClockWatch(lambda: now_ms[0], lambda: running_ms[0])
    steps = []
    for jump_ms in (0, STEP_MS - 1, -90_000, 0, YEAR_MS):
        running_ms[0] += 60_000
        now_ms[0] += 60_000 + jump_ms
        steps.append(watch.step_ms())
    assert steps == [0, 0, STEP_MS - 1 - 90_000, 0, YEAR_MS]

    now_ms[0] = NOW_MS
    with clocked_desk(tmp_path, now_ms) as desk:
        connected(desk)
        assert behind_ledger_ms(desk.centre) == 0
        now_ms[0] -= YEAR_MS
        assert behind_ledger_ms(desk.centre) == YEAR_MS
        report_step(desk.centre, -YEAR_MS)
        assert desk.incidents() == {"hub_clock"}
        assert "set back by 31622400 s" in str(desk.rows(t.incident)[0]["detail"])


def test_p4_f051_with_hub_and_backups_lost_devices_bring_what_they_have_and_state_the_rest_as_gaps(
    tmp_path: Path,
) -> None:
    with open_desk(tmp_path / "lost", with_backups=True) as desk:
        device = connected(desk)
        device.store.releasable = True
        gone = [device.scan(b"gone-%d" % n) for n in range(5)]
        desk.settle(device)
        for number in range(2):
            path = tmp_path / scheduled_name(NOW_MS + number)
            make_backup(desk.centre.db, desk.centre.blobs, path, NOW_MS)
        assert set(again(desk, device).safe) == set(gone)
        device.store.releasable = False
        kept = [device.scan(b"kept-%d" % n) for n in range(5)]
        desk.settle(device)
        assert not set(gone) & set(device.store.cores)

    with open_desk(tmp_path / "new", with_backups=True) as desk:
        desk.enrol("van-1")
        again(desk, device)
        again(desk, device)
        assert desk.facts() == kept
        with desk.centre.db.read() as tx:
            stated = tx.execute(select(t.gap.c.first_n, t.gap.c.last_n, t.gap.c.cause)).all()
            tombs = tx.execute(select(t.fact.c.fact_id, t.fact.c.cause).where(t.fact.c.core.is_(None))).all()
        missing = {n for gap in stated for n in range(gap.first_n, gap.last_n + 1)}
        assert len(missing | {row.fact_id for row in tombs}) == len(gone)
        assert {gap.cause for gap in stated} | {row.cause for row in tombs} == {"released"}
        assert "hub_regressed" in desk.incidents()
        assert device.scan(b"later") not in kept
        desk.settle(device)
        assert len(desk.facts()) == len(kept) + 1


def test_p7_a_hub_that_starts_calls_nothing_safe_before_it_looked_which_backups_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    with open_desk(tmp_path / "hub", with_backups=True) as desk:
        device = connected(desk)
        device.store.releasable = True
        made = device.scan(b"1")
        desk.settle(device)
        for number in range(2):
            make_backup(desk.centre.db, desk.centre.blobs, folder / scheduled_name(NOW_MS + number), NOW_MS)
    away = folder.rename(tmp_path / "away")

    def safe_after_looking() -> tuple[bytes, ...]:
        with open_desk(tmp_path / "hub", with_backups=True) as desk:
            desk.centre.backups_seen.clear()
            assert again(desk, device).safe == ()
            # In place of the folder, so that none can be made.
            with scheduled_backups(desk.centre, tmp_path / "hub" / "hub.db", 3600, lambda _: None):
                assert desk.centre.backups_seen.wait(20)
            return again(desk, device).safe

    shutil.copytree(away, folder)
    assert safe_after_looking() == (made,)
    shutil.rmtree(folder)
    assert safe_after_looking() == ()


def test_a_scheduled_backup_that_fails_is_an_incident_until_one_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "no" / "folder"
    folder.parent.write_bytes(b"a file stands where the folder should be")
    told = threading.Event()
    with open_desk(tmp_path / "hub", with_backups=True) as desk:

        def open_incidents() -> list[str]:
            return [str(row["key"]) for row in desk.rows(t.incident) if row["closed_ms"] is None]

        with scheduled_backups(desk.centre, folder, 0.02, lambda _: told.set()):
            assert told.wait(20)
            assert open_incidents() == [FAILED_KEY]
            told.clear()
            folder.parent.unlink()
            while open_incidents():
                assert told.wait(20)
                told.clear()
        assert len(list(folder.glob("*.tar"))) >= 1
