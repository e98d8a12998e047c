"""What is asked all the time costs no more where much is kept. Counted in steps of SQLite's machine, which no load changes."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import pytest

from agent.outbox import Outbox
from contract.delivery.device_actions import SetAcked
from contract.event import Lane
from contract.limits import AUDIT_FACTS, MAX_AUDIT
from tests.agent.store.kit import Bench, keep, release_of, scan

FEW: Final = 600
"""More than the newest facts that the present rate is told from."""
MANY: Final = 20 * FEW
MORE_LEVELS: Final = 1.2
"""A larger table has deeper trees."""


def backlog(bench: Bench, facts: int) -> Outbox:
    """Half of it acknowledged, of which the oldest are released."""
    outbox = bench.open()
    identities = [
        kept.fact_id
        for start in range(0, facts, FEW)
        for kept in outbox.append([scan(start + i) for i in range(FEW)], actor="", stamp=bench.stamp())
    ]
    outbox.apply([SetAcked(Lane.CUSTODY, facts // 2)])
    outbox.apply([release_of(outbox, *identities[:50])])
    return outbox


def steps(outbox: Outbox, ask: Callable[[Outbox], object]) -> int:
    """How many instructions SQLite carries out for a question."""
    counter = count()
    database = outbox.database
    connections = [c for c in (database._reader, database._writer) if c is not None]
    for connection in connections:
        connection.set_progress_handler(lambda: next(counter) < 0, 1)
    ask(outbox)
    for connection in connections:
        connection.set_progress_handler(None, 0)
    return next(counter)


QUESTIONS: dict[str, Callable[[Outbox], object]] = {
    "hello": lambda outbox: outbox.report(0),
    "status": lambda outbox: outbox.summary(),
    "listing": lambda outbox: outbox.listing(50),
    "release candidates": lambda outbox: outbox.release_candidates(MAX_AUDIT // 4),
    "audit": lambda outbox: outbox.identities_after(b"", AUDIT_FACTS),
    "batch": lambda outbox: outbox.read(Lane.CUSTODY, outbox.lane(Lane.CUSTODY).acked_n, 256, 1 << 18),
    "capture": lambda outbox: keep(outbox, "one more"),
    "acknowledgement": lambda outbox: outbox.apply([SetAcked(Lane.CUSTODY, outbox.lane(Lane.CUSTODY).acked_n + 1)]),
    "upkeep": lambda outbox: outbox.maintain(),
}


@pytest.fixture(scope="module")
def outboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outbox, Outbox]]:
    few, many = (Bench(tmp_path_factory.mktemp("backlog") / "device") for _ in range(2))
    yield backlog(few, FEW), backlog(many, MANY)
    few.close()
    many.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_asked_all_the_time_costs_the_same_at_any_backlog(
    outboxes: tuple[Outbox, Outbox], question: str
) -> None:
    few, many = (steps(outbox, QUESTIONS[question]) for outbox in outboxes)

    assert 0 < many <= MORE_LEVELS * few
