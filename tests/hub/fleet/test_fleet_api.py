"""Devices, the raw ledger and incidents for programs."""

import pytest
from sqlalchemy import Connection, insert

from contract.columns import Reading, pack_readings
from contract.event import Quantity, Readings, Scan, Step
from contract.fact import CORE_VERSION, Clock, Fact, encode_core, fact_id
from hub.fleet.freshness import SILENT_AFTER_MS
from hub.live import CONTACT
from hub.projector import Change
from hub.tables import branch, claim, fact, gap, position, quarantine, stream
from tests.hub.web.seeded import NOW_MS, SeededHub, add_device, add_incident

INCARNATION = b"i" * 16


def core_of(code: bytes, ord_: int = 1) -> bytes:
    event = Scan(code, "]C1", "plain", "P1", Step.LOADED, "dock-4", "usb0")
    made = Fact(CORE_VERSION, "van-1", INCARNATION, b"b" * 16, ord_, bytes(8), NOW_MS, 5, Clock.SYNCED, "w.chen", event)
    return encode_core(made)


def add_stream(tx: Connection, number: int = 1, *, device: str = "van-1", lane: str = "custody", head: int = 0) -> None:
    tx.execute(insert(stream).values(id=number, device=device, incarnation=INCARNATION, lane=lane))
    tx.execute(insert(branch).values(stream_id=number, branch=0, n=head, hash=bytes([head]) * 32))


def add_fact(tx: Connection, seq: int, core: bytes | None, **values: object) -> None:
    row = {"stream_id": 1, "n": seq, "branch": 0, "device": "van-1", "received_ms": NOW_MS, **values}
    identity = fact_id(core) if core is not None else bytes([seq]) * 32
    tx.execute(insert(fact).values(seq=seq, fact_id=identity, core=core, **row))
    if row["stream_id"] is not None:
        place = {"stream_id": row["stream_id"], "n": row["n"], "branch": 0}
        tx.execute(insert(position).values(hash=bytes([seq]) * 32, fact_id=identity, **place))


def test_f073_a_scanned_code_is_given_byte_for_byte_and_as_text(hub: SeededHub) -> None:
    code = b"\x1d<b>\x1b\xff\n"
    core = core_of(code)
    with hub.database.write() as tx:
        add_stream(tx, head=1)
        add_fact(tx, 1, core)
    item = hub.signed_in().get("/api/v1/facts").json()["items"][0]
    assert item["id"] == fact_id(core).hex()
    assert bytes.fromhex(item["core"]) == core
    assert (item["seq"], item["device"], item["lane"], item["position"]) == (1, "van-1", "custody", 1)
    assert item["incarnation"] == INCARNATION.hex()
    assert item["chain_hash"] == "01" * 32
    event = item["fact"]["event"]
    assert event["kind"] == "scan"
    assert bytes.fromhex(event["code"]) == code
    assert event["code_text"] == "\x1d<b>\x1b\\xff\n"
    assert (event["step"], event["code_kind"], event["parcel"]) == ("loaded", "plain", "P1")


def test_a_tombstone_has_its_cause_and_an_unreadable_fact_its_bytes_and_problem(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_stream(tx, head=2)
        add_fact(tx, 1, None, cause="corrupt")
        add_fact(tx, 2, b"\xc1 not a fact", problem="not a core")
        add_fact(tx, 3, core_of(b"outside any stream"), stream_id=None, n=None, branch=None)
    gone, unreadable, loose = hub.signed_in().get("/api/v1/facts").json()["items"]
    assert (gone["cause"], gone["fact"], gone["core"]) == ("corrupt", None, None)
    assert (unreadable["problem"], unreadable["fact"]) == ("not a core", None)
    assert unreadable["core"] == b"\xc1 not a fact".hex()
    assert (loose["lane"], loose["position"], loose["fact"]["event"]["code_text"]) == (None, None, "outside any stream")


def test_the_ledger_is_read_to_its_end_in_the_hub_s_order(hub: SeededHub) -> None:
    block = Readings("van-1.p", Quantity.TEMPERATURE_C, NOW_MS, 5, 1000, 1, pack_readings([Reading(0, 5, 0)], 1000))
    telemetry = encode_core(
        Fact(CORE_VERSION, "van-1", INCARNATION, b"b" * 16, 9, bytes(8), NOW_MS, 5, Clock.FREE, "", block)
    )
    with hub.database.write() as tx:
        add_stream(tx, head=6)
        add_stream(tx, 2, lane="telemetry", head=1)
        for seq in range(1, 7):
            add_fact(tx, seq, core_of(b"x", seq))
        add_fact(tx, 7, telemetry, stream_id=2)
    client = hub.signed_in()
    seen: list[int] = []
    after: str | None = "0"
    while after is not None:
        page = client.get(f"/api/v1/facts?limit=3&after={after}").json()
        seen += [item["seq"] for item in page["items"]]
        after = page["next_cursor"]
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert [i["seq"] for i in client.get("/api/v1/facts?lane=telemetry").json()["items"]] == [7]
    assert client.get("/api/v1/facts?device=other").json() == {"items": [], "next_cursor": None}


def test_a_device_tells_what_has_come_what_is_on_its_way_and_what_is_gone_for_ever(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7", backlog=3, offset_ms=-250)
        add_incident(tx, "gap", "van-1")
        add_stream(tx, head=40)
        tx.execute(insert(claim).values(stream_id=1, head_n=43, head_hash=b"h" * 16, at_ms=NOW_MS))
        tx.execute(insert(gap).values(stream_id=1, first_n=5, last_n=9, cause="db_lost", stated_ms=NOW_MS))
    device = hub.signed_in().get("/api/v1/devices/van-1").json()
    assert device["lanes"] == [
        {
            "lane": "custody",
            "incarnation": INCARNATION.hex(),
            "committed": 40,
            "announced": 43,
            "branches": 1,
            "missing": [
                {"first": 5, "last": 9, "cause": "db_lost"},
                {"first": 41, "last": 43, "cause": None},
            ],
        }
    ]
    assert (device["place"], device["clock_offset_ms"], device["open_incidents"]) == ("Route 7", -250, 1)
    assert device["backlog"]["facts"] == 3
    assert device["silent"] is False


@pytest.mark.parametrize(("age_ms", "silent"), [(0, False), (SILENT_AFTER_MS, False), (SILENT_AFTER_MS + 1, True)])
def test_a_device_is_silent_when_its_hello_and_two_repetitions_are_missing(
    hub: SeededHub, age_ms: int, silent: bool
) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=NOW_MS - age_ms)
        add_device(tx, "van-2", contact_ms=None)
    first, never = hub.signed_in().get("/api/v1/devices").json()["items"]
    assert first["silent"] is silent
    assert (never["silent"], never["last_contact"], never["backlog"]) == (True, None, None)


def test_any_authentic_message_is_contact(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=NOW_MS - 2 * SILENT_AFTER_MS)
    hub.live.publish([Change(CONTACT, "van-1")])
    client = hub.signed_in()
    told = client.get("/api/v1/devices/van-1").json()
    assert (told["silent"], told["last_contact"]) == (False, "2026-05-28T20:26:40Z")
    assert "holdfast_devices_silent 0.0" in client.get("/metrics").text


def test_f078_a_search_takes_wildcards_and_quotes_as_letters(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        for name, place in (("a", "100 %"), ("b", "under_score"), ("c", "x'; DROP TABLE device; --")):
            add_device(tx, name, place=place)
    client = hub.signed_in()
    for q, found in (("%", ["a"]), ("_", ["b"]), ("'; DROP", ["c"]), ("zzz", [])):
        assert [d["id"] for d in client.get("/api/v1/devices", params={"q": q}).json()["items"]] == found


def test_incidents_come_latest_first_in_pages_that_fit_together(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        for n in range(5):
            add_incident(tx, "gap", f"van-{n}", last_ms=NOW_MS - n // 2)
        add_incident(tx, "fork", "van-9", last_ms=NOW_MS - 100)
    client = hub.signed_in()
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/api/v1/incidents", params={"limit": 2, "cursor": cursor}).json()
        seen += [item["device"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["van-1", "van-0", "van-3", "van-2", "van-4", "van-9"]
    assert [i["device"] for i in client.get("/api/v1/incidents?kind=fork").json()["items"]] == ["van-9"]
    for odd in ("nonsense", f"{'9' * 30}.key"):
        assert client.get(f"/api/v1/incidents?cursor={odd}").status_code == 400
    assert client.get("/api/v1/incidents?kind=nonsense").status_code == 422


def test_what_waits_in_quarantine_is_listed_with_its_reason(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        for state in ("held", "dropped"):
            tx.execute(
                insert(quarantine).values(
                    kind="fact",
                    device="van-1",
                    fact_id=b"f" * 32,
                    projection=state,
                    why="bad",
                    at_ms=NOW_MS,
                    state=state,
                )
            )
    [item] = hub.signed_in().get("/api/v1/quarantine").json()["items"]
    assert (item["device"], item["why"], item["fact_id"]) == ("van-1", "bad", (b"f" * 32).hex())
