"""How the device is: put together from outbox, drivers and uplink, remembered beside the database, and shown."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from agent.cold_words import sensor_json, sensor_lines
from agent.drivers.health import DriverHealth
from agent.outbox import OutboxSummary
from agent.store.files import replace_file
from agent.when import rfc3339
from contract.event import Lane
from contract.local import DeviceStatus, DriverStatus, LaneStatus, SensorCold
from contract.messages import DocumentVersion

NAME: Final = "status"
"""File beside the database: what is not in it. It is written without a flush, since only people read it."""


class Remembered(Struct, frozen=True, array_like=True):
    """What an agent that no longer runs knew."""

    last_contact_at_ms: int | None = None
    actor: str = ""
    drivers: tuple[DriverStatus, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Remembered)


def remember(folder: Path, remembered: Remembered) -> None:
    """Write down what the database does not hold.

    Raises:
        OSError: the disk did not take it; the old file stands.
    """
    replace_file(folder / NAME, _encoder.encode(remembered), durable=False)


def recall(folder: Path) -> Remembered:
    """What the last agent wrote down; nothing where there is no such file, or a torn one."""
    try:
        return _decoder.decode((folder / NAME).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Remembered()


def driver_status(health: DriverHealth, now_ms: int, captured: Iterable[tuple[str, int]] = ()) -> DriverStatus:
    """A driver's health with times instead of ages, and what capture made of its frames."""
    last_ms = None if health.last_frame_age_s is None else now_ms - int(health.last_frame_age_s * 1000)
    counters = [
        ("frames", health.frames),
        ("rejected", health.rejected),
        ("noise_bytes", health.noise_bytes),
        ("opened", health.opened),
        ("writes_failed", health.writes_failed),
        *((f"rejected_{r.reason}", r.count) for r in health.rejections),
        *captured,
    ]
    evidence = "; ".join(f"{r.reason}: {r.last_evidence}" for r in health.rejections)
    return DriverStatus(
        name=health.name,
        kind=health.kind,
        port=health.port,
        state="silent" if health.silent else health.state.value,
        last_frame_at_ms=last_ms,
        counters=tuple(counters),
        why=health.problem if health.state.value == "missing" else evidence,
    )


def closed(drivers: Iterable[DriverStatus]) -> tuple[DriverStatus, ...]:
    """The same drivers where no agent runs."""
    return tuple(msgspec.structs.replace(driver, state="closed") for driver in drivers)


def device_status(
    device: str,
    version: str,
    summary: OutboxSummary,
    *,
    running: bool,
    link: str,
    remembered: Remembered,
    documents: Sequence[DocumentVersion],
    cold: tuple[SensorCold, ...],
) -> DeviceStatus:
    """Put the parts together."""
    return DeviceStatus(
        device=device,
        running=running,
        version=version,
        incarnation=summary.incarnation,
        lanes=tuple(
            LaneStatus(lane, counts.kept, counts.sent, counts.committed, counts.released)
            for lane, counts in ((lane, summary.lanes[lane]) for lane in Lane)
        ),
        unsealed=summary.unsealed,
        blobs_pending=summary.blobs_pending,
        oldest_unsent_at_ms=summary.oldest_unsent_at_ms,
        storage=summary.level,
        used_bytes=summary.used_bytes,
        room_bytes=summary.room_bytes,
        room_s=summary.room_s,
        link=link,
        last_contact_at_ms=remembered.last_contact_at_ms,
        actor=remembered.actor,
        drivers=remembered.drivers,
        documents=tuple((document.kind, document.version) for document in documents),
        cold=cold,
    )


# -- showing -----------------------------------------------------------------------------------------------------------


def driver_json(driver: DriverStatus) -> dict[str, Any]:
    """A driver for scripts."""
    return {
        "name": driver.name,
        "kind": driver.kind,
        "port": driver.port,
        "state": driver.state,
        "last_frame_at": rfc3339(driver.last_frame_at_ms),
        "counters": dict(driver.counters),
        "why": driver.why,
    }


def status_json(status: DeviceStatus, now_ms: int) -> dict[str, Any]:
    """The status for scripts: lanes and counters by name, times as RFC 3339, ages in seconds."""
    return {
        "device": status.device,
        "running": status.running,
        "version": status.version,
        "incarnation": status.incarnation.hex(),
        "lanes": {
            lane.lane.value: {
                "kept": lane.kept,
                "sent": lane.sent,
                "committed": lane.committed,
                "released": lane.released,
            }
            for lane in status.lanes
        },
        "unsealed": status.unsealed,
        "blobs_pending": status.blobs_pending,
        "oldest_unsent_at": rfc3339(status.oldest_unsent_at_ms),
        "oldest_unsent_age_s": _age_s(status.oldest_unsent_at_ms, now_ms),
        "storage": status.storage,
        "used_bytes": status.used_bytes,
        "room_bytes": status.room_bytes,
        "room_s": status.room_s,
        "link": status.link,
        "last_contact_at": rfc3339(status.last_contact_at_ms),
        "last_contact_age_s": _age_s(status.last_contact_at_ms, now_ms),
        "actor": status.actor,
        "drivers": [driver_json(driver) for driver in status.drivers],
        "documents": dict(status.documents),
        "cold": [sensor_json(sensor) for sensor in status.cold],
    }


def status_lines(status: DeviceStatus, now_ms: int) -> Iterable[str]:
    """The status for a person."""
    yield f"{status.device}: agent {'running' if status.running else 'not running'}, hub {status.link}"
    for lane in status.lanes:
        yield (
            f"  {lane.lane}: kept {lane.kept}, sent {lane.sent}, committed {lane.committed}, released {lane.released}"
        )
    if status.unsealed:
        yield f"  {status.unsealed} readings wait to be sealed into a block"
    if status.blobs_pending:
        yield f"  {status.blobs_pending} pictures wait for the hub"
    oldest = _age_s(status.oldest_unsent_at_ms, now_ms)
    yield "  nothing waits for the hub" if oldest is None else f"  oldest fact waiting for the hub: {_span(oldest)}"
    contact = _age_s(status.last_contact_at_ms, now_ms)
    yield "  last contact: never" if contact is None else f"  last contact: {_span(contact)} ago"
    left = "not filling" if status.room_s is None else f"{_span(status.room_s)} at this rate"
    yield f"  storage {status.storage}: {_mib(status.used_bytes)} used, {_mib(status.room_bytes)} left, {left}"
    if status.actor:
        yield f"  signed on: {status.actor}"
    yield from (f"  {line}" for sensor in status.cold for line in sensor_lines(sensor))
    yield from (f"  {line}" for line in driver_lines(status.drivers))


def driver_lines(drivers: Sequence[DriverStatus]) -> Iterable[str]:
    """Drivers for a person."""
    for driver in drivers:
        counters = ", ".join(f"{name} {count}" for name, count in driver.counters if count)
        parts = (f"{driver.name} ({driver.kind}, {driver.port}): {driver.state}", counters, driver.why)
        yield "; ".join(part for part in parts if part)


def _age_s(at_ms: int | None, now_ms: int) -> int | None:
    return None if at_ms is None else max(0, now_ms - at_ms) // 1000


LONG_S: Final = 3 * 365 * 86_400
"""Beyond it a figure says nothing more."""


def _span(seconds: int) -> str:
    """A span in the unit that a person would choose."""
    if seconds > LONG_S:
        return "years"
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} s"


def _mib(size: int) -> str:
    return f"{size / 1_048_576:.1f} MiB"
