"""Sensors that are judged: assignments as people decide them, and readings that break them."""

import msgspec
from sqlalchemy import Connection

from contract.event import Decision
from hub.coldchain.decisions import ASSIGN_PROFILE, DESCRIBE_SENSOR, Assigned, Described
from tests.hub.web.seeded import EVERY_MS, HOUR_MS, NOW_MS, SeededHub, Story, add_device

PHARMA = "pharma-2-8"
"""2 to 8 °C, half an hour beyond is allowed."""
REAR = "van-1.rear.temperature_c"
PER_HOUR = 360


def judged(story: Story, sensor: str, profile: str = PHARMA, *, since_ms: int = NOW_MS - 30 * HOUR_MS) -> None:
    detail = msgspec.json.encode(Assigned(profile, since_ms)).decode()
    story.decide(ASSIGN_PROFILE, sensor, detail, at_ms=since_ms)


def described(story: Story, sensor: str, what: Described) -> None:
    story.decide(DESCRIBE_SENSOR, sensor, msgspec.json.encode(what).decode(), at_ms=NOW_MS - HOUR_MS)


def folded(hub: SeededHub, decision: Decision) -> None:
    """As a served hub does with a decision before it answers."""
    story = Story()
    with hub.database.write() as tx:
        story.decide(
            decision.action, decision.subject, decision.detail, at_ms=NOW_MS, why=decision.why, who=decision.who
        )
        story.tell(tx)


def warm_now(tx: Connection, minutes: int, *, sensor: str = REAR) -> None:
    """A van that was at 5 °C for two hours, and then at 9.1 °C until now."""
    add_device(tx, sensor.partition(".")[0], place="Route 7")
    values = [500] * (2 * PER_HOUR) + [910] * (minutes * 6)
    story = Story()
    judged(story, sensor, since_ms=NOW_MS - (len(values) - 1) * EVERY_MS)
    story.readings(sensor, values)
    story.tell(tx)


def was_warm(tx: Connection, minutes: int, *, sensor: str = REAR, late_ms: int = 0) -> None:
    """A van that was at 9.1 °C so long, and cold again since; the hub learnt of it so much later."""
    add_device(tx, sensor.partition(".")[0], place="Route 7")
    values = [500] * PER_HOUR + [910] * (minutes * 6) + [500] * PER_HOUR
    since = [500] * (late_ms // EVERY_MS)
    told_ms = NOW_MS - len(since) * EVERY_MS
    story = Story()
    judged(story, sensor, since_ms=told_ms - (len(values) - 1) * EVERY_MS)
    if since:
        story.readings(sensor, since)
    story.readings(sensor, values, at_ms=told_ms, known_ms=NOW_MS)
    story.tell(tx)
