from itertools import pairwise

from contract.limits import MAX_BATCH_ITEMS
from hub.credit import FULL_QUEUE, Load, credit_for


def test_a_calm_hub_takes_whole_batches() -> None:
    assert credit_for(Load(0)).facts == MAX_BATCH_ITEMS


def test_f045_credit_shrinks_with_slow_commits_and_never_stalls() -> None:
    given = [credit_for(Load(0, commit_s=s)).facts for s in (0.1, 0.5, 1.0, 2.0, 60.0)]

    assert given[:2] == [MAX_BATCH_ITEMS] * 2
    assert all(a > b for a, b in pairwise(given[1:]))
    assert given[-1] >= 1


def test_credit_shrinks_with_the_queue_and_is_nothing_when_it_is_full() -> None:
    given = [credit_for(Load(n)) for n in range(0, FULL_QUEUE + 1, 500)]

    assert all(a.facts >= b.facts for a, b in pairwise(given))
    assert (given[-1].facts, given[-1].retry_after_ms > 0) == (0, True)
    assert all(c.retry_after_ms == 0 for c in given if c.facts)


def test_without_storage_nothing_is_taken() -> None:
    assert credit_for(Load(0, storage_ok=False)).facts == 0


def test_a_database_that_another_program_holds_is_tried_again_sooner_than_a_full_disk() -> None:
    held, full = (credit_for(Load(0, storage_ok=False, held=held)) for held in (True, False))

    assert held.facts == full.facts == 0
    assert 0 < held.retry_after_ms < full.retry_after_ms
