"""Reports of trips and parcels rest on the facts that the ledger holds, and verify without it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import json, structs

from contract.coldchain.engine import judge
from contract.columns import Reading, pack_readings
from contract.delivery.device_states import Appended, Connected
from contract.event import Decision, Event, Quantity, Readings, Scan, Step
from contract.fact import CORE_VERSION, Clock, Fact, encode_core, fact_id
from hub.projections import all_projections
from hub.reports.check import check_report
from hub.reports.content import FindingKind, MissingPart, ReportInput
from hub.reports.layout import Line, lay_out
from hub.reports.printing import print_report
from hub.reports.seal import seal_json
from hub.trips.history import Cause
from hub.trips.judging import MAX_STAY_MS
from hub.trips.queries import TripFilters, list_trips
from hub.trips.report_input import parcel_report, trip_report
from hub.web.i18n import Words
from tests.contract.delivery.memory import Device, MemoryStore
from tests.hub.desk import NOW_MS, Desk, open_desk

MINUTE_MS = 60_000
BEGUN_MS = NOW_MS - 180 * MINUTE_MS
BOX = "van-1.box.temperature_c"


class TimedStore(MemoryStore):
    """A device whose clock is set by the test."""

    def state(self, event: Event, at_ms: int) -> None:
        self.ord += 1
        salt = self.random.randbytes(8)
        mono_ms = at_ms - BEGUN_MS + 1_000_000
        fact = Fact(
            CORE_VERSION,
            self.device,
            self.incarnation,
            self.boot,
            self.ord,
            salt,
            at_ms,
            mono_ms,
            Clock.SYNCED,
            "",
            event,
        )
        core = encode_core(fact)
        self._chain(fact.lane, fact_id(core))
        self.cores[fact_id(core)] = core


@dataclass
class Morning:
    """A van that was too warm for 40 minutes, and a hub that knows."""

    desk: Desk

    def report(self, parcel: str = "P1") -> ReportInput:
        with self.desk.centre.db.read() as reader:
            told = parcel_report(reader, parcel, NOW_MS, "auditor")
        assert told is not None
        return told

    def trip(self) -> ReportInput:
        with self.desk.centre.db.read() as reader:
            (view,) = list_trips(reader, TripFilters()).items
            told = trip_report(reader, view.id, NOW_MS, "auditor")
        assert told is not None
        return told


@pytest.fixture
def morning(tmp_path: Path) -> Iterator[Morning]:
    with open_desk(tmp_path, projections=all_projections()) as desk:
        way = (("P0", Step.LOADED, 0.0), ("P1", Step.LOADED, 10.0), ("P1", Step.DELIVERED, 170.0))
        yield drive(desk, way, "pharma-2-8")


def drive(desk: Desk, way: Iterable[tuple[str, Step, float]], profile: str, silent: str = "") -> Morning:
    """What was scanned, and in which minute. `silent`: another sensor, which measured only in the first half hour."""
    desk.enrol("van-1")
    store = TimedStore("van-1", 1)
    device = Device("van-1", 1, store)
    for parcel, step, minute in way:
        store.state(_scan(parcel, step), BEGUN_MS + int(minute * MINUTE_MS))
    for start in range(0, 180, 30):
        store.state(_block(start), BEGUN_MS + (start + 29) * MINUTE_MS)
    if silent:
        store.state(structs.replace(_block(0), sensor=silent), BEGUN_MS + 29 * MINUTE_MS)
    device.feed(Connected())
    device.feed(Appended())
    desk.settle(device)
    # Afterwards, for this device takes no documents.
    assign = {"profile": profile, "from_ms": BEGUN_MS - MINUTE_MS}
    for sensor in (BOX, silent) if silent else (BOX,):
        desk.centre.decide(Decision("sensor.assign", (), "w.chen", "", sensor, json.encode(assign).decode()))
    return Morning(desk)


def _scan(parcel: str, step: Step) -> Scan:
    return Scan(parcel.encode(), "]C0", "plain", parcel, step, "Van 1", "usb")


def _block(start: int) -> Readings:
    told = [Reading(i * MINUTE_MS, 1_100 if 60 <= start + i < 100 else 500, 0) for i in range(30)]
    base_ms = BEGUN_MS + start * MINUTE_MS
    packed = pack_readings(told, MINUTE_MS)
    mono_ms = base_ms - BEGUN_MS + 1_000_000
    return Readings(BOX, Quantity.TEMPERATURE_C, base_ms, mono_ms, MINUTE_MS, len(told), packed)


def test_report_of_a_parcel_is_proved_by_the_facts_inside(morning: Morning) -> None:
    told = morning.report()
    checked = check_report(seal_json(told)[1])

    assert (checked.wrong, checked.unproven) == ((), ())
    # Two scans of it, and every block that touches its way.
    assert checked.facts == 2 + 6
    assert [(head.device, head.lane) for head in checked.heads] == [("van-1", "custody"), ("van-1", "telemetry")]
    assert (told.alarms, told.complete, told.parcels[0].alarmed) == (1, True, True)
    (way,) = told.ways
    assert way.judgement.alarmed[0].started_ms == BEGUN_MS + 60 * MINUTE_MS


def test_alarm_by_a_value_that_held_over_a_short_stay_is_reported_and_proved(tmp_path: Path) -> None:
    # Between the last reading of one block and the first of the next.
    way = (("P2", Step.LOADED, 119.2), ("P2", Step.DELIVERED, 119.8))
    with open_desk(tmp_path, projections=all_projections()) as desk:
        morning = drive(desk, way, "frozen-18")
        told, trip = morning.report("P2"), morning.trip()

    for report in (told, trip):
        checked = check_report(seal_json(report)[1])
        assert (checked.wrong, checked.unproven) == ((), ())
        assert (report.parcels[0].alarmed, report.alarms) == (True, 1)
        assert report.sensors[0].readings == ((BEGUN_MS + 119 * MINUTE_MS, 500),)
        assert print_report(report, "en")[0] == checked.seal
    assert told.ways[0].readings == ((BEGUN_MS + int(119.2 * MINUTE_MS), 500),)


def test_stay_that_begins_after_now_by_a_wrong_clock_is_reported_without_length(tmp_path: Path) -> None:
    way = (("P2", Step.LOADED, 60.0),)
    with open_desk(tmp_path, projections=all_projections()) as desk:
        morning = drive(desk, way, "pharma-2-8")
        with morning.desk.centre.db.read() as reader:
            told = parcel_report(reader, "P2", BEGUN_MS + 30 * MINUTE_MS, "auditor")

    assert told is not None
    assert check_report(seal_json(told)[1]).wrong == ()
    assert print_report(told, "en")[0]
    assert (told.sensors[0].from_ms, told.sensors[0].to_ms) == (told.from_ms, told.from_ms)


def test_parcel_that_nobody_scanned_off_is_reported_for_as_long_as_it_is_judged(tmp_path: Path) -> None:
    with open_desk(tmp_path, projections=all_projections()) as desk:
        morning = drive(desk, (("P2", Step.LOADED, 60.0),), "pharma-2-8")
        with morning.desk.centre.db.read() as reader:
            told = parcel_report(reader, "P2", NOW_MS + 400 * 86_400_000, "auditor")

    assert told is not None
    assert check_report(seal_json(told)[1]).wrong == ()
    assert [part.to_ms - part.from_ms for part in (*told.sensors, *told.ways)] == [MAX_STAY_MS, MAX_STAY_MS]


def test_value_that_nobody_measured_does_not_hold_at_the_begin_of_a_stay(tmp_path: Path) -> None:
    way = (("P2", Step.LOADED, 119.2), ("P2", Step.DELIVERED, 119.8))
    with open_desk(tmp_path, projections=all_projections()) as desk:
        told = drive(desk, way, "frozen-18").report("P2")
    (part,) = told.ways
    colder = tuple((at_ms, -2_000) for at_ms, _ in part.readings)
    forged = judge(part.profile, colder, part.from_ms, part.to_ms)
    ways = (structs.replace(part, readings=colder, judgement=forged, mkt=()),)

    assert [wrong.part for wrong in check_report(seal_json(structs.replace(told, ways=ways))[1]).wrong] == [
        "readings",
        "judgement",
    ]


def test_verdict_of_a_parcel_is_what_its_way_says(morning: Morning) -> None:
    told = morning.report()
    kept = (structs.replace(told.parcels[0], alarmed=False),)
    whole = structs.replace(told, incomplete=(MissingPart(Cause.NO_DATA, "van-1", BEGUN_MS, NOW_MS, BOX),))

    for forged in (structs.replace(told, parcels=kept), whole):
        assert [wrong.part for wrong in check_report(seal_json(forged)[1]).wrong] == ["judgement"]


def test_report_of_a_trip_has_its_parcels_sensors_and_findings(morning: Morning) -> None:
    told = morning.trip()

    assert check_report(seal_json(told)[1]).wrong == ()
    assert [part.id for part in told.parcels] == ["P0", "P1"]
    (sensor,) = told.sensors
    assert (sensor.id, len(sensor.readings)) == (BOX, 180)
    assert [f.kind for f in sensor.findings] == [FindingKind.EXCURSION]
    assert [mean.window for mean in sensor.mkt] == ["24h", "30d"]


def test_trip_and_parcel_are_complete_while_another_probe_of_the_profile_covers_a_silent_one(tmp_path: Path) -> None:
    way = (("P1", Step.LOADED, 0.0), ("P1", Step.DELIVERED, 170.0))
    with open_desk(tmp_path, projections=all_projections()) as desk:
        morning = drive(desk, way, "pharma-2-8", silent="van-1.rear.temperature_c")
        told = (morning.trip(), morning.report())

    for report in told:
        assert [part.judgement.complete for part in report.sensors] == [True, False]
        assert (report.complete, [parcel.complete for parcel in report.parcels]) == (True, [True])
        assert check_report(seal_json(report)[1]).wrong == ()
        assert Line("The data is complete.") in lay_out(report, "0" * 64, Words("en")).blocks


def test_report_says_who_acknowledged_and_proves_it(morning: Morning) -> None:
    (finding,) = morning.trip().sensors[0].findings
    seen = {
        "from_ms": finding.started_ms,
        "to_ms": finding.ended_ms,
        "extreme": finding.extreme,
        "limit": finding.limit,
        "sensor": BOX,
    }
    morning.desk.centre.decide(
        Decision("excursion.acknowledge", (), "a.jansen", "door was open", finding.id, json.encode(seen).decode())
    )
    told = morning.trip()
    (after,) = told.sensors[0].findings
    checked = check_report(seal_json(told)[1])

    assert after.acknowledgement is not None
    assert (after.acknowledgement.who, after.acknowledgement.covers) == ("a.jansen", True)
    assert (checked.wrong, checked.unproven) == ((), ())
    assert ("hub", "custody") in [(head.device, head.lane) for head in checked.heads]


def test_nothing_is_reported_of_what_is_not_known(morning: Morning) -> None:
    with morning.desk.centre.db.read() as reader:
        assert parcel_report(reader, "nobody", NOW_MS, "auditor") is None
        assert trip_report(reader, "00" * 16, NOW_MS, "auditor") is None


def test_report_says_why_it_is_not_complete(morning: Morning) -> None:
    with morning.desk.centre.db.read() as reader:
        told = parcel_report(reader, "P0", NOW_MS + 60 * MINUTE_MS, "auditor")

    assert told is not None
    assert not told.complete
    assert (told.incomplete[0].cause, told.incomplete[0].sensor) == (Cause.NOT_SENT, BOX)
