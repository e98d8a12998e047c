"""Reports made by hand, from facts as devices state them."""

from contract.coldchain.engine import judge
from contract.coldchain.mkt import mkt
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.columns import Reading, pack_readings
from contract.delivery.hub_view import StreamName
from contract.event import Decision, Event, Lane, Quantity, Readings
from contract.fact import Clock, Fact, encode_core, root_hash
from hub.reports.content import (
    Acknowledgement,
    Finding,
    FindingKind,
    Late,
    LedgerGap,
    MeanKinetic,
    MissingPart,
    ParcelPart,
    ReportInput,
    SensorPart,
    StayPart,
    SubjectKind,
)
from hub.reports.evidence import Beside, Link, Rests, pack_run
from hub.trips.history import Cause

NOON_MS = 1_790_000_000_000
MINUTE_MS = 60_000
INCARNATION = bytes(range(16))
PROFILE = Profile(
    "pharma-2-8",
    (
        Limit("above 8", Side.ABOVE, 800, Rule.CUMULATIVE, 600),
        Limit("below 2", Side.BELOW, 200),
    ),
)


def core(device: str, nr: int, event: Event, at_ms: int = NOON_MS) -> bytes:
    """The exact bytes of the nr-th fact of a device."""
    salt = nr.to_bytes(8, "big")
    return encode_core(Fact(1, device, INCARNATION, INCARNATION, nr, salt, at_ms, nr, Clock.SYNCED, "", event))


def block(sensor: str, nr: int, readings: list[tuple[int, int | None]]) -> bytes:
    """A fact with readings."""
    base_ms = readings[0][0]
    told = [Reading(at_ms - base_ms, value, 0) for at_ms, value in readings]
    columns = pack_readings(told, MINUTE_MS)
    event = Readings(sensor, Quantity.TEMPERATURE_C, base_ms, 0, MINUTE_MS, len(told), columns)
    return core(sensor.partition(".")[0], nr, event)


def sensor_part(sensor: str, readings: list[tuple[int, int | None]], to_ms: int, **more: object) -> SensorPart:
    """Judged readings from NOON_MS on."""
    whole = {
        "id": sensor,
        "device": sensor.partition(".")[0],
        "name": "Cold box",
        "place": "Van 12",
        "quantity": Quantity.TEMPERATURE_C,
        "profile": PROFILE,
        "from_ms": NOON_MS,
        "to_ms": to_ms,
        "readings": tuple(readings),
        "judgement": judge(PROFILE, readings, NOON_MS, to_ms),
    }
    return SensorPart(**{**whole, **more})  # type: ignore[arg-type]  # fields by name, as a test wants them


def small_report(title: str = "Van 12, morning run", reason: str = "door open at the dock") -> ReportInput:
    """Two hours in a van: 30 minutes too warm, and 40 minutes of silence."""
    warm = range(30, 60)
    minutes = [*range(80), *range(120, 150)]
    readings: list[tuple[int, int | None]] = [
        (NOON_MS + m * MINUTE_MS, 1040 if m in warm else 520 - m % 7) for m in minutes
    ]
    readings[70] = (readings[70][0], None)
    sensor = "van-12.probe.box"
    links: list[Link] = [Beside(bytes(32))]
    for nr in range(0, len(readings), 10):
        links.append(Rests(block(sensor, nr + 1, readings[nr : nr + 10]), NOON_MS + 3 * 3_600_000))
    decision = Decision("excursion.acknowledge", (), "w.chen", reason, "exc-1")
    acknowledged: list[Link] = [Rests(core("hub", 1, decision), NOON_MS + 9 * MINUTE_MS)]
    to_ms = NOON_MS + 150 * MINUTE_MS
    part = sensor_part(
        sensor,
        readings,
        to_ms,
        late=(Late(NOON_MS + 20 * MINUTE_MS, NOON_MS + 70 * MINUTE_MS, NOON_MS + 130 * MINUTE_MS),),
        mkt=(MeanKinetic("24h", mkt(readings, NOON_MS, to_ms)),),
        findings=(
            Finding(
                "exc-1",
                FindingKind.EXCURSION,
                NOON_MS + 30 * MINUTE_MS,
                NOON_MS + 90 * MINUTE_MS,
                "above 8",
                1040,
                30 * MINUTE_MS,
                NOON_MS + 40 * MINUTE_MS,
                NOON_MS + 90 * MINUTE_MS,
                NOON_MS + 60 * MINUTE_MS,
                NOON_MS + 90 * MINUTE_MS,
                acknowledgement=Acknowledgement("w.chen", NOON_MS + 95 * MINUTE_MS, reason, covers=True),
            ),
            Finding("nd-1", FindingKind.NO_DATA, NOON_MS + 79 * MINUTE_MS, NOON_MS + 96 * MINUTE_MS),
        ),
        calibration_due_ms=NOON_MS - 1,
        clock_offset_ms=-94_000,
    )
    telemetry = StreamName("van-12", INCARNATION, Lane.TELEMETRY)
    hub = StreamName("hub", INCARNATION, Lane.CUSTODY)
    return ReportInput(
        hub="holdfast",
        kind=SubjectKind.TRIP,
        subject="trip-1",
        title=title,
        from_ms=NOON_MS,
        to_ms=to_ms,
        made_ms=to_ms + 3_600_000,
        made_by="auditor",
        parcels=(ParcelPart("340123450000000017", (StayPart("van-12", NOON_MS, None, (sensor,)),), True, False),),
        sensors=(part,),
        gaps=(LedgerGap("van-12", Lane.TELEMETRY, 4, 9, "storage_full", NOON_MS),),
        incomplete=(MissingPart(Cause.NO_DATA, "van-12", NOON_MS + 79 * MINUTE_MS, NOON_MS + 120 * MINUTE_MS, sensor),),
        runs=(
            pack_run(telemetry, 1, root_hash("van-12", INCARNATION, Lane.TELEMETRY), links),
            pack_run(hub, 1, root_hash("hub", INCARNATION, Lane.CUSTODY), acknowledged),
        ),
    )


def ten_days(sensors: int = 3) -> ReportInput:
    """Sensors read each minute for ten days, one fact for each reading, and all of them known late."""
    minutes = 10 * 24 * 60
    to_ms = NOON_MS + minutes * MINUTE_MS
    parts, links, nr = [], list[Link](), 0
    for number in range(sensors):
        name = f"van-12.probe.box-{number}"
        readings: list[tuple[int, int | None]] = [(NOON_MS + m * MINUTE_MS, 500 + m * 37 % 90) for m in range(minutes)]
        late = tuple(Late(at_ms, at_ms, to_ms) for at_ms, _ in readings)
        parts.append(sensor_part(name, readings, to_ms, late=late))
        for one in readings:
            nr += 1
            links.append(Rests(block(name, nr, [one]), one[0] + 1_000))
    run = pack_run(
        StreamName("van-12", INCARNATION, Lane.TELEMETRY), 1, root_hash("van-12", INCARNATION, Lane.TELEMETRY), links
    )
    return ReportInput(
        "holdfast",
        SubjectKind.TRIP,
        "trip-2",
        "Ten days",
        NOON_MS,
        to_ms,
        to_ms,
        "auditor",
        (),
        tuple(parts),
        runs=(run,),
    )
