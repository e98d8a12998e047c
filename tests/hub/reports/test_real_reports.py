"""A report of what devices really stated to a hub: proved by their facts, before these are archived and after."""

from collections.abc import Iterator

import msgspec
import pytest
from msgspec.structs import replace

from contract.coldchain.presets import PRESETS
from contract.columns import Reading, pack_readings
from contract.delivery.device_states import Appended, Connected
from contract.event import Decision, Event, Quantity, Readings, Scan, Step
from contract.fact import Clock, Fact, encode_core, fact_id
from hub.archive.moving import archive_facts
from hub.coldchain.acknowledging import AsSeen
from hub.coldchain.excursions import ExcursionFilters, list_excursions
from hub.projections import all_projections
from hub.reports.check import check_report
from hub.reports.content import ReportInput
from hub.reports.printing import print_report
from hub.reports.record import unknown_heads
from hub.reports.seal import seal_json
from hub.trips.queries import TripFilters, list_trips
from hub.trips.report_input import parcel_report, trip_report
from tests.contract.delivery.memory import Device, MemoryStore
from tests.hub.desk import NOW_MS, Desk, open_desk

MINUTE_MS = 60_000
BEGAN_MS = NOW_MS - 240 * MINUTE_MS
BOX = "van-1.box.temperature_c"


class TimedStore(MemoryStore):
    """An outbox of a device whose clock is right."""

    at_ms = BEGAN_MS

    def keep(self, event: Event) -> bytes:
        self.ord += 1
        salt, mono_ms = self.random.randbytes(8), self.at_ms - BEGAN_MS + 1_000
        fact = Fact(
            1, self.device, self.incarnation, self.boot, self.ord, salt, self.at_ms, mono_ms, Clock.SYNCED, "", event
        )
        core = encode_core(fact)
        self._chain(fact.lane, fact_id(core))
        self.cores[fact_id(core)] = core
        return fact_id(core)


def tell_day(desk: Desk) -> None:
    """Three hours in a van: half an hour and ten minutes too warm, and one parcel on board."""
    desk.enrol("van-1")
    store = TimedStore("van-1", 1)
    device = Device("van-1", 1, store)
    device.feed(Connected())
    for minute in range(180):
        store.at_ms = BEGAN_MS + minute * MINUTE_MS
        if minute in {10, 170}:
            store.keep(Scan(b"P1", "", "plain", "P1", Step.LOADED if minute == 10 else Step.DELIVERED, "Van 1", "usb"))
        value = 950 if 60 <= minute < 100 else 500 + minute % 9
        columns = pack_readings([Reading(0, value, 0)], MINUTE_MS)
        mono_ms = store.at_ms - BEGAN_MS + 1_000
        store.keep(Readings(BOX, Quantity.TEMPERATURE_C, store.at_ms, mono_ms, MINUTE_MS, 1, columns))
    device.feed(Appended())
    desk.settle(device)
    for action, subject, detail in (
        ("profile.define", "pharma-2-8", msgspec.json.encode(PRESETS["pharma-2-8"]).decode()),
        ("sensor.assign", BOX, f'{{"profile":"pharma-2-8","from_ms":{BEGAN_MS}}}'),
    ):
        desk.centre.decide(Decision(action, (), "q.person", "", subject, detail))
    with desk.centre.db.read() as tx:
        found = next(view for view in list_excursions(tx, ExcursionFilters(sensor=BOX), None, 9).items if view.limit)
    seen = AsSeen(BOX, found.limit, found.found.started_ms, found.found.ended_ms, found.found.extreme)
    detail = msgspec.json.encode(seen).decode()
    desk.centre.decide(Decision("excursion.acknowledge", (), "q.person", "door was open", found.id, detail))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("hub"), projections=all_projections()) as opened:
        tell_day(opened)
        yield opened


def reports(desk: Desk) -> list[ReportInput]:
    with desk.centre.db.read() as tx:
        (trip,) = list_trips(tx, TripFilters()).items
        made = [trip_report(tx, trip.id, NOW_MS, "auditor"), parcel_report(tx, "P1", NOW_MS, "auditor")]
    return [report for report in made if report is not None]


def test_f122_reports_of_a_trip_and_a_parcel_are_proved_by_the_devices_facts(desk: Desk) -> None:
    trip, parcel = reports(desk)
    for report in (trip, parcel):
        checked = check_report(print_report(report, "en")[1])
        assert (checked.wrong, checked.unproven) == ((), ())
        assert checked.facts > 150
        assert report.alarms == 1
        with desk.centre.db.read() as tx:
            assert list(unknown_heads(tx, checked.heads)) == []
    assert len(trip.sensors[0].readings) >= 160
    (ack,) = [finding.acknowledgement for finding in trip.sensors[0].findings if finding.acknowledgement]
    assert (ack.who, ack.why, ack.covers) == ("q.person", "door was open", True)
    assert [way.profile.name for way in parcel.ways] == ["pharma-2-8"]


def test_a_way_that_somebody_made_look_colder_is_found(desk: Desk) -> None:
    _, parcel = reports(desk)
    (way,) = parcel.ways
    colder = replace(way, readings=tuple((at_ms, 500) for at_ms, _ in way.readings))
    checked = check_report(seal_json(replace(parcel, ways=(colder,)))[1])
    assert {wrong.part for wrong in checked.wrong} == {"readings", "judgement"}


def test_reports_are_the_same_when_their_facts_are_archived(desk: Desk) -> None:
    before = reports(desk)
    assert sum(made.facts for made in archive_facts(desk.centre.db, NOW_MS + 1, NOW_MS)) > 180
    assert reports(desk) == before


def test_a_rebuild_from_archives_gives_the_same_reports(desk: Desk) -> None:
    before = reports(desk)
    list(archive_facts(desk.centre.db, NOW_MS + 1, NOW_MS))
    desk.centre.projector.rebuild()
    assert reports(desk) == before
