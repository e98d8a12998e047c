"""Damaged storage: every start succeeds, says so, and loses nothing that is still readable. One kind of damage per test."""

import itertools
import os
import shutil
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.outbox import Outbox
from agent.store.errors import NotKept, StoreDamaged
from contract.delivery.device_actions import MarkCorrupt, SetAcked
from contract.event import ClockStep, Damage, Lane, Readings, Status
from contract.fact import decode_core, fact_id
from tests.agent.store.kit import Bench, everything, keep, parcels, release_of, scan

SECOND_MS = 1_000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "device")
    yield bench
    bench.close()


def database(bench: Bench) -> Path:
    return bench.folder / "device.db"


def wal(bench: Bench) -> Path:
    return bench.folder / "device.db-wal"


def damage_of(outbox: Outbox) -> list[str]:
    facts = [decode_core(p.core) for p in everything(outbox) if p.core is not None]
    return [f.event.detail.kind for f in facts if isinstance(f.event, Status) and isinstance(f.event.detail, Damage)]


def contents(outbox: Outbox) -> set[bytes]:
    return {p.fact_id for p in everything(outbox) if p.core is not None and fact_id(p.core) == p.fact_id}


def crash(bench: Bench, outbox: Outbox, into: Path) -> Bench:
    """The folder as a crash would leave it now: copied while the agent runs."""
    shutil.copytree(outbox.folder, into, ignore=shutil.ignore_patterns("*-shm"))
    crashed = Bench(into)
    crashed.time.elapsed_ms = bench.time.elapsed_ms
    return crashed


@pytest.fixture
def crashed(bench: Bench, tmp_path: Path) -> Iterator[Bench]:
    """Thirty facts, the last ten of them only in the WAL, and a witness that knows all of them."""
    outbox = bench.open()
    keep(outbox, *range(20))
    outbox.database.checkpoint()
    keep(outbox, *range(20, 29))
    bench.time.elapsed_ms += SECOND_MS
    keep(outbox, 29)
    crashed = crash(bench, outbox, tmp_path / "crashed")
    yield crashed
    crashed.close()


def test_crash_alone_damages_nothing(crashed: Bench) -> None:
    outbox = crashed.open()

    assert parcels(outbox) == [f"parcel {i}" for i in range(30)]
    assert damage_of(outbox) == []


def test_f014_deleted_wal_is_noticed_and_what_the_main_file_holds_is_sent_again(crashed: Bench) -> None:
    wal(crashed).unlink()

    outbox = crashed.open()

    assert parcels(outbox) == [f"parcel {i}" for i in range(20)]
    assert damage_of(outbox) == ["database_behind_witness"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_f014_truncated_wal_keeps_what_stands_before_the_cut(crashed: Bench, share: float) -> None:
    size = wal(crashed).stat().st_size
    with wal(crashed).open("rb+") as file:
        file.truncate(int(size * share))

    outbox = crashed.open()

    kept = parcels(outbox)
    assert kept == [f"parcel {i}" for i in range(len(kept))]
    assert 20 <= len(kept) < 30
    assert damage_of(outbox) == ["database_behind_witness"]


def test_f014_main_file_gone_but_wal_there_keeps_what_the_wal_holds(crashed: Bench) -> None:
    database(crashed).unlink()

    outbox = crashed.open()

    assert {f"parcel {i}" for i in range(20, 30)} <= set(parcels(outbox))
    assert damage_of(outbox) == ["database_damaged"]


def test_f014_main_file_emptied_but_wal_there_keeps_what_the_wal_holds(crashed: Bench) -> None:
    database(crashed).write_bytes(b"")

    outbox = crashed.open()

    assert {f"parcel {i}" for i in range(20, 30)} <= set(parcels(outbox))
    assert damage_of(outbox) == ["database_damaged"]


def test_f015_lost_database_begins_a_new_incarnation_and_says_so(bench: Bench) -> None:
    keep(bench.open(), 1)
    bench.close()
    database(bench).unlink()

    outbox = bench.open()

    assert damage_of(outbox) == ["database_lost"]
    assert parcels(outbox) == []


def test_f015_emptied_database_begins_a_new_incarnation_and_says_so(bench: Bench) -> None:
    keep(bench.open(), 1)
    bench.close()
    database(bench).write_bytes(b"")

    assert damage_of(bench.open()) == ["database_lost"]


def test_f015_database_of_garbage_is_set_aside(bench: Bench) -> None:
    keep(bench.open(), 1)
    bench.close()
    database(bench).write_bytes(b"garbage" * 4096)

    outbox = bench.open()

    assert damage_of(outbox) == ["database_damaged"]
    assert [p.read_bytes()[:7] for p in bench.folder.glob("device.db.damaged-*Z")] == [b"garbage"]
    keep(outbox, 2)
    assert parcels(outbox) == ["parcel 2"]


def test_header_of_garbage_loses_no_fact(bench: Bench) -> None:
    identities = keep(bench.open(), *range(30))
    bench.close()
    with database(bench).open("rb+") as file:
        file.write(b"\xff" * 100)

    outbox = bench.open()

    assert contents(outbox) >= set(identities)
    assert damage_of(outbox) == ["database_damaged"]


def test_page_of_garbage_loses_only_what_stood_on_it(bench: Bench) -> None:
    identities = keep(bench.open(), *range(200))
    bench.close()
    pages = database(bench).stat().st_size // 4096
    lost = []
    for page in range(1, pages):
        folder = bench.folder.with_name(f"page {page}")
        shutil.copytree(bench.folder, folder)
        copy = Bench(folder)
        with database(copy).open("rb+") as file:
            file.seek(page * 4096)
            file.write(b"\xee" * 4096)
        outbox = copy.open()
        try:
            everything(outbox)
        except StoreDamaged:
            outbox.repair()
        lost.append(len(set(identities) - contents(outbox)))
        copy.close()

    # As many cores of this size as a page holds.
    assert max(lost) <= 20
    assert sum(lost) <= len(identities)


def flip(path: Path, offset: int, bit: int) -> None:
    with path.open("rb+") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def drain(outbox: Outbox) -> set[bytes]:
    """What a whole conversation with the hub would send: D2 marks what is not whole, a repair begins anew."""
    for _attempt in range(3):
        try:
            for position in everything(outbox):
                if position.cause is None and (position.core is None or fact_id(position.core) != position.fact_id):
                    outbox.apply([MarkCorrupt(Lane.CUSTODY, position.n, position.fact_id)])
            return contents(outbox)
        except (StoreDamaged, NotKept):
            outbox.repair()
    raise AssertionError("two repairs did not make it readable")


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder that costs no flushes, for tests of many copies that do not ask what a flush is worth."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="hf-", dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_p5_f013_bit_flips_anywhere_cost_at_most_the_fact_they_hit(bench: Bench, memory_folder: Path) -> None:
    """A thousand single bits over the whole file, each in a copy of its own."""
    identities = set(keep(bench.open(), *range(60)))
    bench.close()
    original = database(bench).read_bytes()
    work = memory_folder / "flipped"
    step = len(original) // 1000
    unclean = "4711"
    for number, offset in enumerate(range(0, len(original), step)):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(bench.folder, work)
        copy = Bench(work)
        flip(database(copy), offset, number % 8)
        # Every other start looks for damage first, as after a crash.
        if number % 2:
            (work / "writer.lock").write_text(unclean)
        outbox = copy.open()
        left = drain(outbox)
        try:
            keep(outbox, "afterwards")
        except NotKept:
            outbox.maintain()
            keep(outbox, "afterwards")
        left |= drain(outbox)
        copy.close()
        assert len(identities - left) <= 1, f"bit {number % 8} of byte {offset}"


def test_f013_flipped_content_becomes_a_tombstone_and_the_others_flow(bench: Bench) -> None:
    outbox = bench.open()
    identities = keep(outbox, *range(9))
    outbox.database.write(lambda c: c.execute("UPDATE fact SET core = zeroblob(200) WHERE seq = 4"))

    left = drain(outbox)

    assert left >= set(identities) - {identities[3]}
    assert [p.cause for p in everything(outbox) if p.fact_id == identities[3]] == ["corrupt"]
    assert damage_of(outbox) == ["content_corrupt"]


@pytest.mark.parametrize("column", ["hash", "fact_id"])
def test_broken_chain_is_found_when_read_and_repaired_without_loss(bench: Bench, column: str) -> None:
    outbox = bench.open()
    identities = keep(outbox, *range(9))
    outbox.database.write(lambda c: c.execute(f"UPDATE fact SET {column} = zeroblob(32) WHERE seq = 4"))

    with pytest.raises(StoreDamaged, match="broken at position 4"):
        outbox.read(Lane.CUSTODY, 0, 256, 1 << 20)
    outbox.repair()

    assert contents(outbox) >= set(identities)
    assert damage_of(outbox) == ["database_damaged"]


def test_capture_that_meets_damage_is_refused_and_upkeep_repairs(bench: Bench) -> None:
    outbox = bench.open()
    keep(outbox, 1)
    outbox.database.write(lambda c: c.execute("ALTER TABLE fact RENAME TO mislaid"))

    with pytest.raises(NotKept, match="is damaged and is being repaired"):
        keep(outbox, 2)
    outbox.maintain()
    keep(outbox, 3)

    assert parcels(outbox) == ["parcel 1", "parcel 3"]


def test_repair_keeps_everything_beside_the_facts(bench: Bench) -> None:
    outbox = bench.open()
    keep(outbox, 1)
    outbox.shelf.put("draft", "d1", b"draft")
    outbox.add_readings([bench.reading(), bench.reading()])
    photo = outbox.files.incoming / "photo"
    photo.write_bytes(b"picture")
    digest = outbox.adopt_blob(photo)
    (kept,) = outbox.append([Status(ClockStep(1))], actor="", stamp=bench.stamp(), request_id=b"r" * 16, blobs=[digest])
    outbox.add_readings([bench.reading()])

    outbox.repair()

    (repeat,) = outbox.append([Status(ClockStep(1))], actor="", stamp=bench.stamp(), request_id=b"r" * 16)
    assert (repeat.fact_id, repeat.repeated) == (kept.fact_id, True)
    assert outbox.shelf.get("draft", "d1") == b"draft"
    assert outbox.summary().unsealed == 1
    pending = outbox.pending_blob()
    assert pending is not None
    assert pending.sha256 == digest
    (block,) = [decode_core(p.core).event for p in everything(outbox, Lane.TELEMETRY) if p.core]
    assert isinstance(block, Readings)
    assert block.count == 2


def test_p4_repair_keeps_tombstones_that_the_hub_does_not_know(bench: Bench) -> None:
    outbox = bench.open()
    identities = keep(outbox, 1, 2, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 1), MarkCorrupt(Lane.CUSTODY, 2, identities[1])])

    outbox.repair()

    causes = {p.fact_id: p.cause for p in everything(outbox)}
    assert [causes[i] for i in identities] == [None, "corrupt", None]


def test_f053_older_image_of_the_database_begins_a_new_incarnation(bench: Bench) -> None:
    keep(bench.open(), 1, 2)
    bench.close()
    image = database(bench).read_bytes()
    keep(bench.open(), 3)
    bench.close()
    database(bench).write_bytes(image)

    outbox = bench.open()

    assert parcels(outbox) == ["parcel 1", "parcel 2"]
    assert damage_of(outbox) == ["database_behind_witness"]


def test_f053_image_from_before_the_last_incarnation_begins_another(bench: Bench) -> None:
    keep(bench.open(), 1)
    bench.close()
    image = database(bench).read_bytes()
    outbox = bench.open()
    outbox.reincarnate("forked")
    bench.close()
    database(bench).write_bytes(image)

    assert damage_of(bench.open()) == ["database_behind_witness"]


def test_torn_witness_is_no_witness(bench: Bench) -> None:
    keep(bench.open(), 1)
    bench.close()
    (bench.folder / "witness").write_bytes(b"torn")

    assert damage_of(bench.open()) == []


def test_folder_of_another_device_goes_on_under_the_new_name(bench: Bench) -> None:
    identities = keep(bench.open(), 1)
    bench.close()

    outbox = Outbox.open(bench.folder, "van-2", clock=bench.clock)

    assert [p.fact_id for p in everything(outbox)][:1] == identities
    outbox.close()


def test_interrupted_salvage_is_completed_by_the_next_start(bench: Bench) -> None:
    identities = keep(bench.open(), 1, 2)
    bench.close()
    # As after the old file was moved away and before the new one took its place.
    database(bench).replace(bench.folder / "device.db.salvaged")

    assert contents(bench.open()) >= set(identities)


def test_unfinished_salvage_is_begun_again(bench: Bench) -> None:
    identities = keep(bench.open(), 1, 2)
    bench.close()
    (bench.folder / "device.db.salvaged").write_bytes(b"half")

    outbox = bench.open()

    assert contents(outbox) >= set(identities)
    assert not (bench.folder / "device.db.salvaged").exists()


def test_p2_crash_while_the_new_database_is_built_loses_nothing_where_only_the_wal_is_left(
    crashed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    database(crashed).unlink()

    def crash(*_: object, **__: object) -> None:
        os._exit(0)

    child = os.fork()
    if not child:
        monkeypatch.setattr("agent.store.salvage._chain_anew", crash)
        crashed.open()
    os.waitpid(child, 0)

    assert {f"parcel {i}" for i in range(20, 30)} <= set(parcels(crashed.open()))


def test_salvage_resends_only_what_was_not_released(bench: Bench) -> None:
    outbox = bench.open()
    identities = keep(outbox, 1, 2, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 3), release_of(outbox, identities[0])])

    outbox.repair()

    assert contents(outbox) >= set(identities[1:])


def test_f003_torn_end_of_the_wal_costs_no_confirmed_fact(bench: Bench, tmp_path: Path) -> None:
    """Power fails at any moment after a confirmation: what was flushed by then is there, what came later may be torn."""
    outbox = bench.open()
    flushed = []
    for i in range(40):
        keep(outbox, i)
        flushed.append(wal(bench).stat().st_size)
    whole = wal(bench).read_bytes()
    main = database(bench).read_bytes()
    torn = itertools.cycle((0, 24, 1_000, 4_000, 4_120))
    cuts = [(kept, size + next(torn)) for kept, size in enumerate(flushed, start=1)]
    for kept, cut in cuts:
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        after = Bench(folder)
        database(after).write_bytes(main)
        wal(after).write_bytes(whole[: cut - 7] + b"\xa5" * 7 if cut > flushed[kept - 1] else whole[:cut])
        found = parcels(after.open())
        after.close()
        assert found[:kept] == [f"parcel {i}" for i in range(kept)]


def test_salvage_holds_little_of_a_large_database_in_memory(bench: Bench) -> None:
    outbox = bench.open()
    for _ in range(15):
        outbox.append([scan(i, size=8_000) for i in range(100)], actor="", stamp=bench.stamp())
    held = outbox.used_bytes()

    tracemalloc.start()
    outbox.repair()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < held / 2
    assert len(parcels(outbox)) == 1_500
