import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Connection, Table, update
from sqlalchemy.exc import OperationalError

from contract.event import Decision, Scan
from contract.fact import decode_core
from hub import tables as t
from hub.db import Database
from hub.errors import ProjectionError
from hub.projector import Change, LedgerFact, Projector
from hub.quarantine import drop, list_quarantine, replay
from hub.verify import verify_ledger
from tests.hub.desk import NOW_MS, Desk, Seen, connected, open_desk, seen

SCRIPT = Path(__file__).with_name("die_folding.py")


class Picky(Seen):
    """Refuses scans whose code is in `bad`, by the error it is given."""

    def __init__(self, bad: set[bytes], *, plainly: bool) -> None:
        self.bad = bad
        self.plainly = plainly

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        for known in facts:
            if isinstance(known.fact.event, Scan) and known.fact.event.code in self.bad:
                if self.plainly:
                    raise ProjectionError(known.fact_id, "it is spoilt")
                raise RecursionError("somewhere deep inside")
        return super().fold(tx, facts)


class Other(Seen):
    """A second projection with nothing to write, to see that it is not held up."""

    name = "other"
    tables: Sequence[Table] = ()

    def __init__(self) -> None:
        self.folded: list[bytes] = []

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        self.folded += [known.fact_id for known in facts]
        return []


@pytest.mark.parametrize("plainly", [True, False])
def test_p5_facts_that_cannot_be_folded_are_set_aside_and_the_rest_is_folded(tmp_path: Path, plainly: bool) -> None:
    picky, other = Picky({b"13", b"57", b"58", b"99"}, plainly=plainly), Other()
    with open_desk(tmp_path, projections=[picky, other]) as desk:
        device = connected(desk)
        made = {b"%d" % n: device.scan(b"%d" % n) for n in range(100)}
        desk.settle(device)

        spoilt = {made[code] for code in picky.bad}
        assert set(desk.seen()) == set(made.values()) - spoilt
        assert set(desk.seen().values()) == {1}
        assert other.folded == list(made.values())
        held = desk.rows(t.quarantine)
        assert {r["fact_id"] for r in held} == spoilt
        assert {r["projection"] for r in held} == {"seen"}
        assert desk.incidents() == {"quarantine"}

        picky.bad = {b"99"}
        before = desk.seen()
        for entry in held:
            _replay(desk, int(str(entry["id"])))
        assert set(desk.seen()) - set(before) == spoilt - {made[b"99"]}
        with desk.centre.db.read() as tx:
            (left,) = list_quarantine(tx)
        assert left.fact_id == made[b"99"]
        with desk.centre.db.write() as tx:
            drop(tx, left.id)
            assert list_quarantine(tx) == []
        assert made[b"99"] in desk.facts()


def _replay(desk: Desk, entry: int) -> bool:
    with desk.centre.write_ledger() as tx:
        return replay(
            tx, entry, projector=desk.centre.projector, heads=desk.centre.heads, say_again=lambda _incoming: None
        )


def test_rebuild_gives_the_same_rows(tmp_path: Path) -> None:
    with open_desk(tmp_path, projections=[Picky({b"13"}, plainly=True)]) as desk:
        device = connected(desk)
        for n in range(50):
            device.scan(b"%d" % n)
            desk.settle(device)
        before = [{**row, "at": 0} for row in desk.rows(seen)], [r["fact_id"] for r in desk.rows(t.quarantine)]
        desk.centre.projector.rebuild()

        assert (
            [{**row, "at": 0} for row in desk.rows(seen)],
            [r["fact_id"] for r in desk.rows(t.quarantine)],
        ) == before


def test_a_new_projection_is_folded_from_the_beginning_and_the_old_one_goes_on(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        made = [device.scan(b"%d" % n) for n in range(20)]
        desk.settle(device)
    other = Other()
    with open_desk(tmp_path, projections=[Seen(), other]) as desk:
        desk.centre.projector.catch_up()
        assert other.folded == made
        assert desk.seen() == dict.fromkeys(made, 1)
        assert {r["name"]: r["seq"] for r in desk.rows(t.projection_marker)} == {"seen": 20, "other": 20}


def test_a_fact_at_hand_is_folded_as_it_is_unless_the_ledger_has_another_under_its_number(tmp_path: Path) -> None:
    class Times(Other):
        def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
            self.received = [known.received_ms for known in facts]
            return super().fold(tx, facts)

    with open_desk(tmp_path, projections=[]) as desk:
        device = connected(desk)
        made = [device.scan(b"%d" % n) for n in range(4)]
        desk.settle(device)
        cores = [decode_core(bytes(row["core"])) for row in desk.rows(t.fact)]  # type: ignore[call-overload]  # rows are untyped
        times = Times()
        projector = Projector(desk.centre.db, [times], lambda: NOW_MS)
        at_hand = [LedgerFact(seq, made[seq - 1], cores[seq - 1], seq) for seq in (1, 2, 3)]
        at_hand[1] = LedgerFact(2, made[3], cores[3], 2)
        projector.run([*at_hand, LedgerFact(99, made[0], cores[0], 99)])

        assert times.folded == made
        assert times.received == [1, NOW_MS, 3, NOW_MS]


def test_repeated_facts_and_those_of_a_group_that_failed_are_folded_once(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        first = list(device.outgoing)
        desk.hear("van-1", *first)
        device.scan(b"2")
        # The ledger's numbers are given again after a rollback, to other facts than before.
        desk.hear("van-1", *first, *first)
        desk.centre.heads.forget()
        desk.settle(device)

        assert desk.seen() == dict.fromkeys(desk.facts(), 1)
        assert len(desk.facts()) == 2
        desk.centre.projector.rebuild()
        assert desk.seen() == dict.fromkeys(desk.facts(), 1)


def test_a_decision_is_a_fact_of_the_hub_in_a_chain_of_its_own(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        made = [desk.centre.decide(Decision("acknowledge", (), "w.chen", f"reason {n}"))[0] for n in range(3)]

        assert desk.facts() == made
        assert desk.seen() == dict.fromkeys(made, 1)
        assert [(r["device"], r["lane"]) for r in desk.rows(t.stream)] == [("hub", "custody")]
        assert [r["n"] for r in desk.rows(t.position)] == [1, 2, 3]
        with desk.centre.db.read() as tx:
            assert verify_ledger(tx).wrong == ()
    with open_desk(tmp_path) as desk:
        desk.centre.decide(Decision("acknowledge", (), "w.chen", "after a restart"))
        assert len(desk.rows(t.stream)) == 2


def _unfolded(desk: Desk, count: int) -> list[bytes]:
    """Facts that a hub kept and did not live to fold."""
    device = connected(desk)
    made = [device.scan(b"%d" % n) for n in range(count)]
    desk.centre.projector.hold()
    desk.settle(device)
    return made


def test_facts_are_kept_and_acknowledged_while_those_of_before_are_folded_with_care(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        made = _unfolded(desk, 300)
        assert desk.facts() == made
        assert desk.seen() == {}
    with open_desk(tmp_path) as desk:
        projector, told = desk.centre.projector, list[Change]()
        projector.hold()
        later = desk.centre.decide(Decision("acknowledge", (), "w.chen", "meanwhile"))[0]
        assert desk.seen() == {}
        projector.catch_up(tell=told.extend)
        assert desk.seen() == dict.fromkeys([*made, later], 1)
        assert {change.key for change in told} == {identity.hex() for identity in [*made, later]}
        again = desk.centre.decide(Decision("acknowledge", (), "w.chen", "in service again"))[0]
        assert desk.seen()[again] == 1


def test_an_end_that_is_asked_for_while_catching_up_is_held_against_no_fact(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        made = _unfolded(desk, 600)
    for _ in range(5):
        with open_desk(tmp_path) as desk:
            desk.centre.projector.catch_up(iter([False, True]).__next__)
            assert desk.rows(t.projection_attempt) == []
            assert len(desk.seen()) in {200, 400, 600}
    with open_desk(tmp_path) as desk:
        desk.centre.projector.catch_up()
        assert desk.seen() == dict.fromkeys(made, 1)
        assert desk.rows(t.quarantine) == []


class Full(Seen):
    """On a disk that has room for little: what is to be folded can be noted, and cannot be folded."""

    full = True

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        if self.full:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        return super().fold(tx, facts)


def test_a_full_disk_while_catching_up_is_held_against_no_fact(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        made = _unfolded(desk, 3)
    full = Full()
    with open_desk(tmp_path, projections=[full]) as desk:
        for _ in range(4):
            with pytest.raises(OperationalError):
                desk.centre.projector.catch_up()
        full.full = False
        desk.centre.projector.catch_up()
        assert desk.seen() == dict.fromkeys(made, 1)
        assert desk.rows(t.quarantine) == []


class Overtaken:
    """A database whose writer somebody else has just before this thread gets it for the first time."""

    def __init__(self, db: Database, meanwhile: Callable[[], object]) -> None:
        self.read = db.read
        self._db = db
        self._meanwhile = [meanwhile]

    @contextmanager
    def write(self) -> Iterator[Connection]:
        while self._meanwhile:
            self._meanwhile.pop()()
        with self._db.write() as tx:
            yield tx


def test_who_finds_nothing_to_fold_sets_nobody_back_who_folded_further_meanwhile(tmp_path: Path) -> None:
    with open_desk(tmp_path, projections=[]) as desk:
        device = connected(desk)
        device.scan(b"unreadable")
        desk.settle(device)
        with desk.centre.db.write() as tx:
            tx.execute(update(t.fact).values(problem="cannot be read"))
        fast = Projector(desk.centre.db, [Seen()], lambda: NOW_MS)
        later = []

        def meanwhile() -> None:
            later.append(desk.centre.decide(Decision("acknowledge", (), "w.chen", "meanwhile"))[0])
            fast.run()

        slow = Projector(cast("Database", Overtaken(desk.centre.db, meanwhile)), [Seen()], lambda: NOW_MS)
        slow.run()
        fast.run()
        assert desk.seen() == dict.fromkeys(later, 1)


@pytest.mark.slow
def test_f062_a_fact_that_kills_the_hub_three_times_is_set_aside_and_the_others_flow(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        for n in range(30):
            device.scan(b"%d" % n)
        killer = device.scan(b"killer")
        device.scan(b"last")
        # Kept, and not folded: the hub dies in service, where it takes no care.
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql("ALTER TABLE test_seen RENAME TO gone")
        desk.settle(device)
        made = desk.facts()
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql("ALTER TABLE gone RENAME TO test_seen")

    command = [sys.executable, str(SCRIPT), str(tmp_path), str(NOW_MS)]
    ends = [subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode for _ in range(4)]

    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0, 0]
    with open_desk(tmp_path) as desk:
        assert desk.seen() == dict.fromkeys([i for i in made if i != killer], 1)
        assert [(r["kind"], r["fact_id"]) for r in desk.rows(t.quarantine)] == [("fact", killer)]
        assert killer in desk.facts()
        entry = int(str(desk.rows(t.quarantine)[0]["id"]))
        assert _replay(desk, entry)
        desk.centre.projector.run()
        assert set(desk.seen()) == set(made)
