"""What the outbox lets go, thins and refuses when room runs short."""

import sqlite3

import pytest

from agent.outbox import Outbox
from agent.store.ballast import BALLAST_BYTES
from agent.store.errors import Cause, NotKept
from contract.delivery.device_actions import (
    Release,
    SetAcked,
)
from contract.event import (
    Lane,
    Readings,
    StoragePressure,
)
from tests.agent.store.kit import (
    DAY_MS,
    Bench,
    details,
    events,
    everything,
    facts,
    keep,
    parcels,
    scan,
)

BUDGET_BYTES = 400_000


def fill_with_custody(bench: Bench, outbox: Outbox, share: float) -> None:
    while outbox.used_bytes() < share * outbox.budget_bytes:
        outbox.append([scan("big", size=7_000)], actor="", stamp=bench.stamp())


def fill_with_telemetry(bench: Bench, outbox: Outbox, share: float) -> None:
    while outbox.used_bytes() < share * outbox.budget_bytes:
        batch = []
        for i in range(512):
            batch.append(bench.reading(500 + (i * 7919) % 97))
            bench.time.elapsed_ms += 10_000
        outbox.add_readings(batch)
        outbox.seal_due(in_contact=False)


def test_what_is_safe_may_go_early_under_pressure(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    (one,) = keep(outbox, 1)
    outbox.apply([SetAcked(Lane.CUSTODY, 1)])
    assert outbox.release_candidates(9) == []

    fill_with_custody(bench, outbox, 0.72)
    outbox.maintain()

    assert outbox.release_candidates(9) == [one]
    assert details(outbox)[-1] == StoragePressure("releasing", outbox.room_bytes())


def test_what_a_clock_that_ran_ahead_has_dated_may_go_under_pressure(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    bench.time.epoch_ms += 10_000 * DAY_MS
    (one,) = keep(outbox, 1)
    bench.time.epoch_ms -= 10_000 * DAY_MS
    outbox.apply([SetAcked(Lane.CUSTODY, 1)])

    fill_with_custody(bench, outbox, 0.72)
    outbox.maintain()

    assert one in outbox.release_candidates(9)


def test_f011_thinned_block_replaces_the_old_one_in_one_step(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    fill_with_custody(bench, outbox, 0.8)
    fill_with_telemetry(bench, outbox, 0.86)
    before = everything(outbox, Lane.TELEMETRY)

    outbox.maintain()

    after = everything(outbox, Lane.TELEMETRY)
    gone = [p for p in after if p.cause is not None]
    replacing = [e.replaces for e in events(outbox, Lane.TELEMETRY) if isinstance(e, Readings) and e.replaces]
    assert gone
    assert {p.cause for p in gone} == {"thinned"}
    assert replacing == [p.fact_id for p in gone]
    assert [p.fact_id for p in after[: len(before)]] == [p.fact_id for p in before]


def test_f011_telemetry_without_room_leaves_tombstones_and_custody_goes_on(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    fill_with_custody(bench, outbox, 0.955)
    outbox.maintain()
    head_n = outbox.lane(Lane.TELEMETRY).head_n

    outbox.add_readings([bench.reading()] * 513)
    keep(outbox, "last")

    (position,) = outbox.read(Lane.TELEMETRY, head_n, 9, 1 << 20)
    assert (position.core, position.cause) == (None, "storage_full")
    assert parcels(outbox)[-1] == "parcel last"


def keep_until_refused(bench: Bench, outbox: Outbox) -> tuple[int, NotKept]:
    for kept in range(1_000):
        try:
            outbox.append([scan(kept, size=3_000)], actor="", stamp=bench.stamp())
        except NotKept as error:
            return kept, error
        outbox.maintain()
    raise AssertionError("nothing was refused")


def test_f010_custody_without_room_is_refused_and_none_is_dropped(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)

    kept, error = keep_until_refused(bench, outbox)

    assert error.cause is Cause.FULL
    assert str(error).startswith("Not kept: the device's storage is full.")
    assert len(parcels(outbox)) == kept
    assert outbox.summary().level == "refusing"


def test_request_that_was_kept_is_answered_also_without_room(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    (kept,) = outbox.append([scan(1)], actor="", stamp=bench.stamp(), request_id=b"r" * 16)
    keep_until_refused(bench, outbox)

    (repeat,) = outbox.append([scan(1)], actor="", stamp=bench.stamp(), request_id=b"r" * 16)

    assert repeat.fact_id == kept.fact_id


def test_capture_goes_on_once_released_facts_made_room(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    keep_until_refused(bench, outbox)
    outbox.apply([SetAcked(Lane.CUSTODY, outbox.lane(Lane.CUSTODY).head_n)])

    outbox.apply([Release(tuple(outbox.release_candidates(60)))])
    outbox.maintain()
    keep(outbox, "again")

    assert parcels(outbox)[-1] == "parcel again"


def fill_disk(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the database's disk has no room but that of the ballast."""

    def limit(connection: sqlite3.Connection, more: int) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + more}")

    def give_up_ballast() -> None:
        assert outbox.database._writer is not None
        limit(outbox.database._writer, BALLAST_BYTES // 4096)

    outbox.database.write(lambda c: limit(c, 0))
    monkeypatch.setattr(outbox._ballast, "drop", give_up_ballast)
    monkeypatch.setattr(outbox._ballast, "restore", lambda: False)


def test_f053_a_new_incarnation_begins_also_on_a_full_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = bench.open()
    identities = [outbox.append([scan(i, size=1_500)], actor="", stamp=bench.stamp())[0].fact_id for i in range(600)]
    fill_disk(outbox, monkeypatch)

    outbox.reincarnate("forked")

    damage, *carried = everything(outbox)
    assert [p.fact_id for p in carried if p.core is not None] == identities
    assert damage.n == facts(outbox)[0].ord == 1
