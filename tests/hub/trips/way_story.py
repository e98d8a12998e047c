"""A day of two vans and a dock, for pages about ways and trips."""

from sqlalchemy import Connection, insert

from contract.event import Decision, Outcome, Step
from hub.coldchain.tables import sensor_assignment, sensor_record
from hub.tracking.custody import Deed
from hub.tracking.stated import CORRECT, correction_subject
from tests.hub.web.seeded import HOUR_MS, MINUTE_MS, NOW_MS, Story, add_device

SSCC = "00340123450000000017"
GTIN = "(01)09521234543213(21)ABC-7"
BOX = "van-1.box.temperature_c"
REAR = "van-1.rear.temperature_c"
ROOM = "dock.room.temperature_c"


def tell_ways(tx: Connection, *, more: int = 0) -> Story:
    """One parcel went too warm in van 1, one waits at a place without a sensor, one is on the way; `more` others are stored."""
    for name, place in (("dock", "Dock 4"), ("van-1", "Van 1"), ("van-2", "Van 2"), ("hand", "")):
        add_device(tx, name, place=place)
    for sensor in (BOX, REAR, ROOM):
        tx.execute(insert(sensor_assignment).values(sensor=sensor, from_ms=0, profile="pharma-2-8"))
        tx.execute(
            insert(sensor_record).values(
                sensor=sensor, device=sensor.partition(".")[0], profile="pharma-2-8", profile_from_ms=0
            )
        )
    story = Story()
    start = NOW_MS - 4 * HOUR_MS
    story.readings(ROOM, [490 + i % 30 for i in range(4 * 360)], at_ms=NOW_MS)
    story.readings(BOX, [_box(i) for i in range(4 * 360)], at_ms=NOW_MS, known_ms=NOW_MS)
    story.readings(REAR, [480 + i % 40 for i in range(4 * 360)], at_ms=NOW_MS)
    for nr, parcel in enumerate((SSCC, GTIN, "JD0042", "马车-长长长长长长长长长长长长长长长长的包裹")):
        code = b"]C1" + parcel.encode()
        story.scan(parcel, Step.RECEIVED, at_ms=start + nr * 5_000, device="dock", place="Dock 4", code=code)
        story.scan(parcel, Step.LOADED, at_ms=start + 50 * MINUTE_MS + nr * 4_000, place="Van 1")
    story.proof(SSCC, at_ms=start + 160 * MINUTE_MS, recipient="Wang Xiaoming")
    story.scan("JD0042", Step.DELIVERED, at_ms=start + 170 * MINUTE_MS, place="Van 1", known_ms=NOW_MS - MINUTE_MS)
    wrong = story.ledger.facts[-1]
    story.scan("JD0042", Step.ARRIVED, at_ms=start + 180 * MINUTE_MS, device="hand", place="Depot 7")
    story.ledger.add(
        Decision(
            CORRECT,
            (wrong.fact_id,),
            "a.jansen",
            "scanned at the wrong door",
            correction_subject(Deed.ATTEMPTED, "JD0042"),
        ),
        at_ms=NOW_MS - 5 * MINUTE_MS,
        device="hub",
        received_ms=NOW_MS - 5 * MINUTE_MS,
        actor="a.jansen",
    )
    story.proof(GTIN, Outcome.ATTEMPTED, at_ms=start + 200 * MINUTE_MS)
    for nr in range(more):
        story.scan(f"M{nr:06}", Step.RECEIVED, at_ms=start + nr * 100, device="dock", place="Dock 4")
    story.tell(tx)
    return story


def _box(nr: int) -> int:
    """Too warm for 50 minutes from minute 80 on."""
    return 520 + nr % 35 + (560 if 80 * 6 <= nr < 130 * 6 else 0)
