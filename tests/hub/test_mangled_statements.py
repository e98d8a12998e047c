"""Genuine statements of a device that has gone mad: the hub keeps or refuses each, and serves the others as ever."""

from pathlib import Path

from contract.delivery.device_states import Connected
from contract.event import Lane
from contract.statement import Direction, seal, unseal
from contract.topics import up_topic
from hub import tables as t
from hub.intake import Incoming
from hub.verify import verify_ledger
from tests.contract.delivery.memory import KEY, Device
from tests.contract.mangled import mangled
from tests.hub.desk import connected, open_desk

STATEMENTS = 1_500
AT_ONCE = 20


def bodies() -> list[bytes]:
    """What a device says at first, and with facts in its outbox."""
    device = Device("mad-1", 7)
    device.feed(Connected())
    said = list(device.outgoing)
    device.outgoing.clear()
    return [unseal(KEY, Direction.UP, "mad-1", payload) for payload in said]


def test_p5_f061_f063_f066_f068_thousands_of_mangled_statements_stop_nobody(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        mad, honest = connected(desk, "mad-1", 7), connected(desk, "van-1", 1)
        for n in range(5):
            mad.scan(b"%d" % n)
        seeds = [*bodies(), *(unseal(KEY, Direction.UP, "mad-1", payload) for payload in mad.outgoing)]
        spoilt = [seal(KEY, Direction.UP, "mad-1", body) for body in mangled(seeds, STATEMENTS, seed=63)]
        made = []
        for n in range(0, STATEMENTS, AT_ONCE):
            group = [Incoming(up_topic("mad-1"), payload) for payload in spoilt[n : n + AT_ONCE]]
            made.append(honest.scan(b"honest %d" % n))
            group.insert(len(group) // 2, Incoming(up_topic("van-1"), honest.outgoing.pop()))
            desk.ingest.process(group)
            answers = [payload for device, payload in desk.sent if device == "van-1"]
            desk.sent.clear()
            for payload in answers:
                honest.hear(payload)
            # One exchange, and the honest fact is acknowledged: it waits for nobody's repair.
            assert honest.store.lane(Lane.CUSTODY).acked_n == len(made)
        assert [bytes(r["fact_id"]) for r in desk.rows(t.fact) if r["device"] == "van-1"] == made  # type: ignore[call-overload]  # rows are untyped
        assert {identity: desk.seen()[identity] for identity in made} == dict.fromkeys(made, 1)
        with desk.centre.db.read() as tx:
            assert verify_ledger(tx).wrong == ()
