"""Every single operation on the disk fails once, in every way it can: what was confirmed is there, what was refused is not."""

import errno
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw
import pytest

from agent.store.errors import Cause, NotKept, StoreError
from tests.power.device import Cut, Life, Tally, check, scratch
from tests.power.disk import Disk
from tests.power.promises import Doing, Promises
from tests.power.shim import Failure, Operation, Power, installed

FAILURES: Final = {
    "write": (Failure(apsw.SQLITE_IOERR_WRITE), Failure(apsw.SQLITE_FULL)),
    "truncate": (Failure(apsw.SQLITE_IOERR_TRUNCATE),),
    "sync": (Failure(apsw.SQLITE_IOERR_FSYNC), Failure(apsw.SQLITE_IOERR_FSYNC, done=True)),
    "delete": (Failure(apsw.SQLITE_IOERR_DELETE),),
    "flush": (Failure(errno.EIO), Failure(errno.ENOSPC)),
    "rename": (Failure(errno.EIO), Failure(errno.ENOSPC, done=True)),
    "unlink": (Failure(errno.EIO),),
}
"""How an operation may fail; `done` when it says so only after it was done."""
DAY: Final[tuple[Callable[[Life], None], ...]] = (
    Life.scan,
    Life.readings,
    Life.draft,
    Life.proof,
    Life.alarm,
    Life.request,
    Life.fix,
    Life.seal,
    Life.scans_at_once,
    Life.release,
    Life.vacuum,
    Life.checkpoint,
    Life.scan,
    Life.reincarnate,
    Life.restart,
    Life.maintain,
    Life.request,
    Life.repeat,
    Life.readings,
)
"""A little of everything, in an order in which each thing has something to do."""


@dataclass(slots=True)
class Day:
    """What became of one day with one fault."""

    refused: Counter[Cause] = field(default_factory=Counter)
    broken: bool = False
    operations: int = 0


class Trouble:
    """Fails the operations from `first` on, `most` of them, each in the given way of its kind."""

    def __init__(self, first: int, way: int, most: int = 1, kinds: frozenset[str] = frozenset(FAILURES)) -> None:
        self._first = first
        self._way = way
        self._left = most
        self._kinds = kinds
        self.operation: Operation | None = None

    def __call__(self, operation: Operation) -> Failure | None:
        if operation.number < self._first or self._left == 0 or operation.kind not in self._kinds:
            return None
        ways = FAILURES[operation.kind]
        self._left -= 1
        self.operation = self.operation or operation
        return ways[self._way % len(ways)]


def live_through(
    trouble: Callable[[Operation], Failure | None],
    tally: Tally,
    deeds: Sequence[Callable[[Life], None]] = DAY,
    afterwards: Sequence[Callable[[Life], None]] = (),
) -> Day:
    """A day on a disk in trouble, what is to work `afterwards`, and a start after each end that the day can have."""
    day = Day()
    with scratch() as base:
        power = Power(Disk(base), trouble)
        life = Life(base, random.Random(7), Promises(), 0, tally)
        life.contents_left = 2
        with installed(power):
            _work(life, day, deeds)
            for deed in afterwards:
                power.gate = lambda _operation: None
                deed(life)
                life.doing = Doing()
            day.operations = power.operations
            left = [0.0, 1.0] if day.broken or day.refused else [1.0]
            cuts = [
                Cut(
                    f"{trouble_name(trouble)}, {share:.0%} of what was not flushed is there",
                    power.disk.cut(random.Random(1), unflushed=share),
                    life.promises.copy(),
                    life.doing,
                    life.now_ms(),
                )
                for share in left
            ]
            power.gate = lambda _operation: None
            life.bench.close()
    for cut in cuts:
        check(cut, tally)
    return day


def trouble_name(trouble: object) -> str:
    operation = getattr(trouble, "operation", None)
    return "no trouble" if operation is None else f"{operation.kind} {operation.number} of {Path(operation.path).name}"


def _work(life: Life, day: Day, deeds: Sequence[Callable[[Life], None]]) -> None:
    try:
        life.open()
    except (StoreError, OSError):
        return
    for deed in deeds:
        life.bench.time.elapsed_ms += 400
        try:
            deed(life)
        except NotKept as error:
            day.refused[error.cause] += 1
        except (StoreError, OSError):
            day.refused[Cause.NO_MEANS] += 1
        if life.doing.name == "opening":
            # Whoever starts the agent tries again.
            life.open()
        if life.outbox.broken:
            # The process ends here; whether the last thing is on the disk is not known, but all of it or nothing.
            day.broken = True
            if life.outbox.database.broken:
                with pytest.raises(NotKept, match="must restart"):
                    life.outbox.append([], actor="", stamp=life.bench.stamp())
            return
        life.doing = Doing("upkeep")


@pytest.fixture(scope="module")
def operations() -> int:
    """How many operations a day without trouble has."""
    return live_through(lambda _operation: None, Tally()).operations


@pytest.mark.slow
@pytest.mark.parametrize("way", [0, 1])
def test_p1_f008_f016_each_operation_that_fails_once_refuses_truly_or_ends_the_process(
    operations: int, way: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tally, ended = Tally(), Counter[str]()
    # Most are writes, whose two ways are one to the store.
    for first in range(1, operations + 1, 1 + way):
        trouble = Trouble(first, way)
        day = live_through(trouble, tally)
        if trouble.operation is not None and day.broken:
            ended[trouble.operation.kind] += 1

    with capsys.disabled():
        sys.stdout.write(f"\n{operations // (1 + way)} single failures of the disk: {tally}, ends {dict(ended)}\n")
    assert set(ended) <= {"sync", "flush", "rename"}
    assert ended["sync"] > 10


def test_p1_f008_f009_f010_disk_that_is_full_for_a_while_refuses_drops_nothing_and_recovers_by_itself(
    operations: int,
) -> None:
    at_work = [deed for deed in DAY if deed is not Life.restart]
    tally, refused = Tally(), Counter[Cause]()
    for first in range(operations // 3, operations, 9):
        full = Trouble(first, way=1, most=25, kinds=frozenset({"write"}))
        day = live_through(full, tally, at_work, afterwards=[Life.maintain, Life.scan])
        assert not day.broken
        refused += day.refused

    assert set(refused) == {Cause.FULL}


def test_f016_flush_of_the_main_file_that_fails_while_the_log_is_moved_ends_the_process_and_loses_nothing() -> None:
    def main_file_fails(operation: Operation) -> Failure | None:
        fails = operation.kind == "sync" and operation.path.endswith("device.db")
        return Failure(apsw.SQLITE_IOERR_FSYNC) if fails else None

    with scratch() as base:
        power = Power(Disk(base))
        life = Life(base, random.Random(7), Promises(), 0, Tally())
        with installed(power):
            life.open()
            life.scan()
            power.gate = main_file_fails
            life.checkpoint()
            assert life.outbox.broken
            cut = Cut(
                "after the failed flush", power.disk.cut(random.Random(1), unflushed=0.0), life.promises, Doing(), 0
            )
            power.gate = lambda _operation: None
            life.bench.close()
    check(cut, Tally())
