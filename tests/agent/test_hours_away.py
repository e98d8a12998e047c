"""Hours without a hub, in given time."""

from agent.backoff import CAP_MS
from agent.mqtt import Closed
from contract.delivery.device_states import Link
from contract.event import Lane
from tests.agent.memory_wire import bench

MINUTE_MS = 60_000
AWAY_MS = 120 * MINUTE_MS
STOPS = 24


def test_what_was_kept_in_two_hours_without_a_hub_arrives_by_itself_and_in_order_soon_after_its_return() -> None:
    b = bench()
    b.settle()
    b.wire.answers = [Closed("no route")] * 10_000
    b.wire.cut()
    kept = []
    for n in range(STOPS):
        kept.append(b.scan(b"stop %d" % n))
        b.run_for(AWAY_MS // STOPS)
    assert b.uplink.link is Link.OFFLINE
    assert b.ledger.arrived == []
    assert AWAY_MS // CAP_MS <= len(b.wire.opens) <= 3 * AWAY_MS // CAP_MS
    assert b.uplink.counters.outages == 1

    b.wire.answers = []
    b.run_for(CAP_MS)
    assert b.ledger.arrived == kept
    assert b.store.memory.lane(Lane.CUSTODY).acked_n == STOPS
