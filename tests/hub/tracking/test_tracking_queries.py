"""What is told of parcels: found by any form of their code, with how fresh it is, hostile codes included."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, event, insert

from contract.escape import escape_id
from contract.event import Correction, Decision, Fix, Outcome, Scan, Step
from contract.fact import Clock
from contract.identity import identify
from hub.tables import device_contact
from hub.timeline import TimeSource
from hub.tracking.api import router
from hub.tracking.custody import Deed, ParcelStatus
from hub.tracking.queries import BadCursor, ParcelFilters, When, parcel, parcel_counts, parcel_events, parcels_page
from hub.tracking.stated import CORRECT, correction_subject
from tests.hub.asking import app_of, ask
from tests.hub.folding import T0, Ledger, engine, fix, fold, proof, scan

SSCC = "340123450000000017"


@pytest.fixture
def database() -> Iterator[Engine]:
    made = engine()
    yield made
    made.dispose()


@pytest.fixture
def tx(database: Engine) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def scanned(code: bytes, aim: str = "", step: Step = Step.LOADED) -> Scan:
    identity = identify(code, aim)
    return Scan(code, aim, identity.kind, identity.key, step, "dock-4", "usb")


def keys(tx: Connection, **filters: Any) -> list[str]:
    return [view.key for view in parcels_page(tx, ParcelFilters(**filters)).items]


def test_a_parcel_tells_where_it_is_since_when_and_when_that_was_known(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(scan(step=Step.LOADED, place="van-12", fix=Fix(1, 2)), received_ms=T0 + 90_000)
    ledger.add(scan(step=Step.COUNTED, place="aisle-7"), at_ms=T0 + 1_000, received_ms=T0 + 2_000)
    fold(tx, ledger.facts)
    tx.execute(insert(device_contact).values(_contact("van-1", T0 + 95_000)))
    view = parcel(tx, "P1")

    assert view is not None
    assert (view.status, view.step, view.step_place) == (ParcelStatus.IN_TRANSIT, "loaded", "van-12")
    assert view.stepped == When(T0, T0 + 90_000, TimeSource.DEVICE, None)
    assert view.seen == When(T0 + 1_000, T0 + 2_000, TimeSource.DEVICE, None)
    assert (view.seen_place, view.lat_e7, view.known_ms, view.contact_ms) == ("aisle-7", 1, T0 + 90_000, T0 + 95_000)


def _contact(device: str, at_ms: int) -> dict[str, Any]:
    zero = dict.fromkeys(["clock_offset_ms", "backlog_facts", "backlog_blobs", "room_bytes"], 0)
    return {"device": device, "contact_ms": at_ms, "incarnation": b"", "boot": b"", "version": "1", **zero}


def test_a_proof_moves_each_parcel_that_it_names(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(proof(Outcome.DELIVERED, ["A", "B"], ["C", "B"], recipient="A. Bauer"))
    ledger.add(proof(Outcome.ATTEMPTED, [], ["D"]))
    ledger.add(proof(Outcome.PICKED_UP, ["E"]))
    fold(tx, ledger.facts)

    assert {view.key: view.step for view in parcels_page(tx, ParcelFilters()).items} == {
        "A": "delivered",
        "B": "refused",
        "C": "refused",
        "D": "attempted",
        "E": "picked_up",
    }


def test_p8_a_later_clock_fix_dates_a_boot_anew_and_keeps_what_the_device_said(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(scan(), at_ms=5, mono_ms=60_000, clock=Clock.FREE, received_ms=T0 + 10**6)
    fold(tx, ledger.facts)
    before = parcel_events(tx, "P1")[0]
    ledger.add(fix(T0, 0), clock=Clock.FREE)
    fold(tx, ledger.facts[1:])
    after = parcel_events(tx, "P1")[0]

    assert before.happened == When(T0 + 10**6, T0 + 10**6, TimeSource.RECEIVED, None)
    assert after.happened == When(T0 + 60_000, T0 + 10**6, TimeSource.HUB_FIX, 23)
    assert (after.raw_at_ms, after.mono_ms) == (5, 60_000)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_f094_scans_of_a_boot_without_time_keep_their_distance_whichever_came_first(
    tx: Connection, order: tuple[int, int]
) -> None:
    ledger = Ledger()
    for mono_ms, step in ((5_000, Step.RECEIVED), (65_000, Step.LOADED)):
        ledger.add(scan(step=step), at_ms=5, mono_ms=mono_ms, clock=Clock.FREE, received_ms=T0 + 90_000)
    for n in order:
        fold(tx, [ledger.facts[n]])

    assert [(e.step, e.happened.at_ms) for e in parcel_events(tx, "P1")] == [
        ("received", T0 + 30_000),
        ("loaded", T0 + 90_000),
    ]


def test_f121_a_correction_stands_in_the_chain_and_what_it_took_back_stays_there(tx: Connection) -> None:
    ledger = Ledger()
    wrong = ledger.add(proof(Outcome.DELIVERED, ["A", "B"]))
    subject = correction_subject(Deed.LOADED, "A")
    ledger.add(Decision(CORRECT, (wrong.fact_id,), "m.ito", "wrong door", subject), device="hub", at_ms=T0 + 5_000)
    fold(tx, ledger.facts)

    assert [(e.kind, e.step, e.actor, e.reason, e.corrected_by) for e in parcel_events(tx, "A")] == [
        ("proof", "delivered", "w.chen", "", ledger.facts[1].fact_id),
        ("correction", "loaded", "m.ito", "wrong door", None),
    ]
    assert {view.key: view.step for view in parcels_page(tx, ParcelFilters()).items} == {
        "A": "loaded",
        "B": "delivered",
    }


def test_f121_a_device_takes_back_its_own_wrong_scan_and_no_other(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(scan("A", Step.RECEIVED))
    wrong = ledger.add(scan("A", Step.LOADED), at_ms=T0 + 1_000)
    ledger.add(Correction(wrong.fact_id, "the wrong box"), device="van-9", at_ms=T0 + 2_000)
    fold(tx, ledger.facts)
    assert [(e.step, e.corrected_by) for e in parcel_events(tx, "A")] == [("received", None), ("loaded", None)]

    right = ledger.add(Correction(wrong.fact_id, "the wrong box"), at_ms=T0 + 3_000)
    fold(tx, ledger.facts[-1:])

    assert [(e.kind, e.step, e.actor, e.reason, e.corrected_by) for e in parcel_events(tx, "A")] == [
        ("scan", "received", "w.chen", "", None),
        ("scan", "loaded", "w.chen", "", right.fact_id),
        ("correction", "", "w.chen", "the wrong box", None),
    ]


@pytest.mark.parametrize(
    "typed",
    [
        SSCC,
        "00" + SSCC,
        f"(00){SSCC}",
        f"]C100{SSCC}",
        SSCC[:9],
        "00" + SSCC[:4],
        "3401 2345 0000 0000 17",
        SSCC[-6:],
        f" {SSCC} ",
    ],
)
def test_a_parcel_is_found_by_any_form_of_its_code(tx: Connection, typed: str) -> None:
    ledger = Ledger()
    ledger.add(scanned(b"00" + SSCC.encode(), "]C1"))
    ledger.add(scanned(b"ORDER-17"))
    fold(tx, ledger.facts)

    assert keys(tx, q=typed) == ["00" + SSCC]


def test_a_parcel_is_found_by_its_serial_number_in_any_case(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(scanned(b"https://id.gs1.org/01/09506000134352/21/Ab12"))
    fold(tx, ledger.facts)

    assert keys(tx, q="aB1") == ["(01)09506000134352(21)Ab12"]


@pytest.mark.parametrize("typed", ["%", "_", "A%", "'; DROP TABLE parcel; --", "\\", "\0", "\ud800", "A" * 9_000])
def test_f078_wildcards_and_statements_in_a_search_are_only_text(tx: Connection, typed: str) -> None:
    fold(tx, [Ledger().add(scan("ABC"))])

    assert keys(tx, q=typed) == []
    assert keys(tx, q="abc") == ["ABC"]


def test_f078_a_parcel_with_wildcards_in_its_key_is_found_by_them(tx: Connection) -> None:
    ledger = Ledger()
    for key in ("50%_OFF", "50XXOFF"):
        ledger.add(scan(key))
    fold(tx, ledger.facts)

    assert (keys(tx, q="50%_"), keys(tx, q="%_off")) == (["50%_OFF"], ["50%_OFF"])


def test_f080_look_alike_and_invisible_characters_are_searched_as_what_they_look_like(tx: Connection) -> None:
    fold(tx, [Ledger().add(scanned("AB\u200b\uff11\uff12".encode()))])

    assert (keys(tx, q="ab12"), keys(tx, q="A\u202eB\uff11")) == (["AB12"], ["AB12"])
    assert parcel_events(tx, "AB12")[0].code == "AB\u200b\uff11\uff12".encode()


def test_a_prefix_is_looked_up_in_the_index_and_not_in_every_row(tx: Connection) -> None:
    fold(tx, [Ledger().add(scan("000123"))])
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(tx.engine, "before_cursor_execute", note)
    assert keys(tx, q="0001") == ["000123"]
    event.remove(tx.engine, "before_cursor_execute", note)
    plans = [row[-1] for sql, given in asked for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)]

    assert [line for line in plans if "parcel_term" in line]
    assert not [line for line in plans if line.startswith("SCAN parcel_term")]


def test_pages_follow_each_other_without_a_hole_or_a_double(tx: Connection) -> None:
    ledger = Ledger()
    for n in range(25):
        ledger.add(scan(f"P{n:02}"), at_ms=T0 + n // 5)
    fold(tx, ledger.facts)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = parcels_page(tx, ParcelFilters(), cursor, 4)
        found += [view.key for view in page.items]
        cursor = page.next_cursor

    assert found == [f"P{n:02}" for n in sorted(range(25), key=lambda n: (-(n // 5), n))]


@pytest.mark.parametrize("cursor", ["x", "!!!", "AAAA", "é"])
def test_a_foreign_cursor_is_refused(tx: Connection, cursor: str) -> None:
    with pytest.raises(BadCursor, match="expected the next_cursor"):
        parcels_page(tx, ParcelFilters(), cursor)


def test_filters_and_counts(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(scan("A", Step.LOADED, "van-1"), received_ms=T0 + 1_000)
    ledger.add(scan("B", Step.DELIVERED, "door"), received_ms=T0 + 2_000)
    fold(tx, ledger.facts)

    assert keys(tx, status=ParcelStatus.DELIVERED) == ["B"]
    assert keys(tx, step="loaded") == ["A"]
    assert keys(tx, place="van-1") == ["A"]
    assert keys(tx, route="r-9") == []
    assert keys(tx, since_ms=T0 + 2_000) == ["B"]
    counts = parcel_counts(tx)
    assert (counts[ParcelStatus.IN_TRANSIT], counts[ParcelStatus.DELIVERED], sum(counts.values())) == (1, 1, 2)


# -- the interface ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(database: Engine) -> FastAPI:
    return app_of(router, database, T0 + 3_600_000)


def put(database: Engine, *scans: Scan) -> None:
    ledger = Ledger()
    for one in scans:
        ledger.add(one)
    with database.begin() as tx:
        fold(tx, ledger.facts)


def test_the_list_tells_time_in_utc_and_the_hubs_now(client: FastAPI, database: Engine) -> None:
    put(database, scan())
    answer = ask(client, "/api/v1/parcels").json()

    assert (answer["now"], answer["next_cursor"]) == ("2026-05-28T21:26:40Z", None)
    item = answer["items"][0]
    assert (item["id"], item["status"], item["step"]["happened_at"]) == ("P1", "in_transit", "2026-05-28T20:26:40Z")
    assert item["seen"]["known_at"] == "2026-05-28T20:27:40Z"


@pytest.mark.parametrize(
    "key", ["a/b", "a/events", ".", "..", "~.", "(01)09506000134352(21)A/1", "50%", "a b", "包裹-1", "a?b#c", "x+y"]
)
def test_any_parcel_id_can_stand_in_a_url(client: FastAPI, database: Engine, key: str) -> None:
    put(database, scan(key))

    assert ask(client, f"/api/v1/parcels/{escape_id(key)}").json()["id"] == key
    events = ask(client, f"/api/v1/parcels/{escape_id(key)}/events").json()
    assert [event["step"] for event in events["items"]] == ["loaded"]


def test_f073_a_code_with_control_characters_is_shown_escaped_and_kept_byte_for_byte(
    client: FastAPI, database: Engine
) -> None:
    raw = b"A\x1b[31m\r\n\x00B"
    put(database, scanned(raw))
    key = identify(raw).key
    told = ask(client, f"/api/v1/parcels/{escape_id(key)}/events").json()["items"][0]

    assert told["code"] == r"A\x1b[31m\x0d\x0a\x00B"
    assert bytes.fromhex(told["code_hex"]) == raw


def test_f075_the_longest_code_is_stored_whole_and_shown_clipped(client: FastAPI, database: Engine) -> None:
    raw = b"7" * 7_089
    put(database, scanned(raw))
    told = ask(client, f"/api/v1/parcels/{escape_id(identify(raw).key)}/events").json()["items"][0]

    assert len(told["code"]) <= 80
    assert bytes.fromhex(told["code_hex"]) == raw


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/parcels/nobody", 404),
        ("/api/v1/parcels/nobody/events", 404),
        ("/api/v1/parcels/%00", 404),
        ("/api/v1/parcels/%FF", 400),
        ("/api/v1/parcels?cursor=x", 400),
        ("/api/v1/parcels?limit=501", 422),
    ],
)
def test_what_cannot_be_answered_is_refused_as_a_problem(client: FastAPI, path: str, status: int) -> None:
    assert ask(client, path).status_code == status


def test_events_come_in_pages(client: FastAPI, database: Engine) -> None:
    put(database, *[scan(step=Step.COUNTED)] * 5)
    first = ask(client, "/api/v1/parcels/P1/events?limit=3").json()
    rest = ask(client, f"/api/v1/parcels/P1/events?limit=3&cursor={first['next_cursor']}").json()

    assert [event["ord"] for event in first["items"] + rest["items"]] == [1, 2, 3, 4, 5]
    assert rest["next_cursor"] is None
