import random
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, select, update

from contract.delivery.device_states import Connected
from contract.messages import Blob, Gap
from hub import tables as t
from hub.verify import verify_ledger
from tests.contract.delivery.memory import Device
from tests.hub.desk import Desk, connected, open_desk


def _filled(desk: Desk) -> Device:
    device = connected(desk)
    for n in range(20):
        device.scan(b"%d" % n)
    desk.settle(device)
    return device


def _wrong(desk: Desk) -> tuple[str, ...]:
    with desk.centre.db.read() as tx:
        return verify_ledger(tx, desk.centre.blobs).wrong


def test_a_sound_ledger_is_counted_and_nothing_is_wrong(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        _filled(desk)
        with desk.centre.db.read() as tx:
            found = verify_ledger(tx, desk.centre.blobs)

        assert (found.facts, found.positions, found.streams, found.blobs, found.wrong) == (20, 20, 2, 0, ())


def test_forks_and_stated_gaps_are_no_damage(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = _filled(desk)
        incarnation, lane = device.store.incarnation, next(iter(device.store.lanes))
        desk.say("van-1", Gap(incarnation, lane, 21, 30, b"e" * 32, "released"))
        desk.say("van-1", Gap(incarnation, lane, 5, 8, b"f" * 32, "released"))
        assert len(desk.rows(t.branch)) == 2
        assert _wrong(desk) == ()


def _flip(blob: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(blob))
    return blob[:at] + bytes([blob[at] ^ (1 << rng.randrange(8))]) + blob[at + 1 :]


@pytest.mark.parametrize("seed", range(40))
def test_f120_any_changed_byte_of_a_record_is_found_and_its_row_is_named(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with open_desk(tmp_path) as desk:
        _filled(desk)
        n = rng.randrange(1, 21)
        with desk.centre.db.write() as tx:
            named = _spoil(tx, n, rng)
        wrong = _wrong(desk)

        assert wrong
        assert any(named in line for line in wrong), wrong


def _spoil(tx: Connection, n: int, rng: random.Random) -> str:
    tx.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    where = t.position.c.n == n
    match rng.choice(("core", "fact_id", "hash", "placed", "cut", "removed")):
        case "core":
            core = tx.execute(select(t.fact.c.core).where(t.fact.c.seq == n)).scalar_one()
            tx.execute(update(t.fact).where(t.fact.c.seq == n).values(core=_flip(core, rng)))
            return f"fact {n} "
        case "fact_id":
            identity = tx.execute(select(t.fact.c.fact_id).where(t.fact.c.seq == n)).scalar_one()
            tx.execute(update(t.fact).where(t.fact.c.seq == n).values(fact_id=_flip(identity, rng)))
            return f"position {n} "
        case "hash":
            whole = tx.execute(select(t.position.c.hash).where(where)).scalar_one()
            tx.execute(update(t.position).where(where).values(hash=_flip(whole, rng)))
            return f"position {n} "
        case "placed":
            tx.execute(update(t.position).where(where).values(fact_id=None))
            return f"position {n} "
        case "cut":
            tx.execute(delete(t.position).where(where))
            return f"position {n + 1} " if n < 20 else "branch 0 "
        case _:
            tx.execute(delete(t.fact).where(t.fact.c.seq == n))
            return f"position {n} "


def test_a_changed_or_missing_attachment_is_found(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        digest = sha256(b"a report").digest()
        desk.say("van-1", Blob(digest, 8, 0, b"a report", digest))
        assert _wrong(desk) == ()
        desk.centre.blobs.path(digest).write_bytes(b"a repost")
        assert _wrong(desk) == (f"attachment {digest.hex()}: its file was changed",)
        desk.centre.blobs.path(digest).unlink()
        assert _wrong(desk) == (f"attachment {digest.hex()}: its file is gone",)


def test_a_cloned_device_leaves_a_forked_ledger_that_is_sound(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        clone = Device("van-1", 5)
        clone.store.incarnation = device.store.incarnation
        clone.store.lanes = {lane: type(s)(s.base_n, s.base_hash) for lane, s in device.store.lanes.items()}
        clone.store.boot = b"c" * 16
        clone.feed(Connected())
        desk.settle(clone)
        device.scan(b"one")
        clone.scan(b"two")
        desk.settle(device)
        desk.settle(clone)

        assert len(desk.rows(t.branch)) >= 2
        assert _wrong(desk) == ()
