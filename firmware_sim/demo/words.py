"""What the demo says: to people in a few calm lines, to programs in one JSON object."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from firmware_sim.checker import Comparison
from firmware_sim.demo.depot import Login
from firmware_sim.demo.office import Sights
from firmware_sim.demo.pace import Act, Cue, Minima

# Where people look first; others are taken only where these are not free.
HTTP_PORT, MQTT_PORT = 8080, 1883
HAPPENINGS = {
    Act.CUT: "{device} loses its network",
    Act.BLACK_HOLE: "{device} loses its network without noticing",
    Act.RESUME: "{device} has its network back",
    Act.OPEN_DOOR: "somebody leaves the door of {device}'s {box} box open",
    Act.CLOSE_DOOR: "somebody closes the door of {device}'s {box} box",
    Act.BREAK_PROBE: "the probe in {device}'s {box} box breaks: it answers, but not with a value",
    Act.SILENCE_PROBE: "the probe in {device}'s {box} box says nothing any more",
    Act.REPLACE_PROBE: "the probe in {device}'s {box} box is replaced",
}


@dataclass(frozen=True, slots=True)
class State:
    """How things stand."""

    since_s: float
    scans: int
    """Beeped so far."""
    readings: int
    """Put on the wire so far."""
    proofs: int
    """Kept so far."""
    scans_at_hub: int
    readings_at_hub: int
    proofs_at_hub: int
    offline: Mapping[str, float]
    """Devices without network, and for how many seconds."""
    down: Sequence[str]
    """Programs that are being started again."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a timed run showed."""

    comparison: Comparison
    outages: int
    agent_kills: int
    hub_kills: int
    seconds: float
    drain_s: float
    data: Path
    pictures: int = 0
    """That proofs at the hub name."""
    pictures_missing: int = 0
    """Of these, not whole at the hub."""


def greeting(url: str, mqtt_port: int, login: Login, data: Path) -> Iterator[str]:
    """Yield addresses and logins."""
    yield ""
    yield f"  {url}/routes        which van is where, and what came of every stop"
    yield f"  {url}/tracking      where every parcel is"
    yield f"  {url}/temperature   how cold it is"
    yield f"  {url}/              what is wrong now"
    yield ""
    yield f"  sign in as {login.user} with {login.password}"
    yield f"  everything is kept in {data}"
    if not url.endswith(f":{HTTP_PORT}"):
        yield f"  port {HTTP_PORT} is taken, so the pages are on {url.rpartition(':')[2]}"
    if mqtt_port != MQTT_PORT:
        yield f"  port {MQTT_PORT} is taken, so the broker is on {mqtt_port}"
    yield "  Ctrl-C ends everything"
    yield ""


def happening(cue: Cue) -> str | None:
    """Return a sentence about what happens now; None where the supervisor will find it out by itself."""
    words = HAPPENINGS.get(cue.act)
    return None if words is None else f"      | {words.format(device=cue.device, box=cue.box)}"


def worth_a_look(url: str, sights: Sights) -> Iterator[str]:
    """Yield addresses where the story can be seen once it has been told."""
    yield ""
    yield "  What happened so far:"
    yield f"  {url}/excursions   what was out of its limits, and since when that is known"
    if sights.excursion:
        yield f"  {url}/excursions/{sights.excursion}   the van that was out of contact: happened and known"
    if sights.parcel:
        yield f"  {url}/tracking/{sights.parcel}   a parcel with its whole way"
    if sights.late:
        yield f"  {url}/routes/{sights.late}   a van that will be late"
    if sights.proof:
        yield f"  {url}/deliveries/{sights.proof}   a proof of delivery with its pictures"
    if sights.trip:
        yield f"  {url}/trips/{sights.trip}   its trip"
        yield f"  {url}/api/v1/trips/{sights.trip}/report.pdf   the trip's report"
    yield ""


def status_line(state: State) -> str:
    """Return the line that is shown every few seconds."""
    minutes, seconds = divmod(int(state.since_s), 60)
    made, arrived = (
        (state.scans, state.readings, state.proofs),
        (state.scans_at_hub, state.readings_at_hub, state.proofs_at_hub),
    )
    kept = tuple(max(0, here - there) for here, there in zip(made, arrived, strict=True))
    parts = [
        f"{minutes:02}:{seconds:02}",
        "{:,} scans, {:,} readings, {:,} proofs".format(*made),
        "still on devices {:,}, {:,} and {:,}".format(*kept),
        "at the hub {:,}, {:,} and {:,}".format(*arrived),
        *(f"{device} without network for {offline_s:.0f} s" for device, offline_s in state.offline.items()),
        *(f"{name} is starting again" for name in state.down),
    ]
    return " | ".join(parts)


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the summary as one JSON object."""
    comparison = summary.comparison
    return {
        **asdict(comparison.total),
        "scans": asdict(comparison.scans),
        "readings": asdict(comparison.readings),
        "proofs": asdict(comparison.proofs),
        "pictures": {"named": summary.pictures, "missing": summary.pictures_missing},
        "outages": summary.outages,
        "kills": {"agent": summary.agent_kills, "hub": summary.hub_kills},
        "seconds": summary.seconds,
        "drain_s": round(summary.drain_s, 1),
        "complaints": list(comparison.complaints),
        "data": str(summary.data),
    }


def as_lines(summary: Summary) -> Iterator[str]:
    """Yield the summary for people."""
    yield ""
    told = summary.comparison
    for name, tally in (("scans", told.scans), ("readings", told.readings), ("proofs", told.proofs)):
        yield (
            f"  {tally.captured:>7,} {name} captured, {tally.committed:,} at the hub "
            f"({tally.doubtful:,} in doubt), {tally.lost:,} lost, {tally.doubled:,} doubled"
        )
    yield f"  {summary.pictures:>7,} pictures of proofs, {summary.pictures_missing:,} missing at the hub"
    yield (
        f"  {summary.outages} outages, {summary.agent_kills} device and {summary.hub_kills} hub killed; "
        f"everything was there {summary.drain_s:.0f} s after the last scan"
    )
    yield from (f"  {complaint}" for complaint in summary.comparison.complaints)


def shortcoming(summary: Summary, minima: Minima) -> str | None:
    """Return one sentence about what a run failed to show; None when it showed everything."""
    total = summary.comparison.total
    if not summary.comparison.is_right:
        return f"{total.lost} lost and {total.doubled} doubled, of {total.captured} captured; expected none"
    if summary.pictures_missing:
        return f"{summary.pictures_missing} of {summary.pictures} pictures are not at the hub"
    counts = (
        ("scans", summary.comparison.scans.captured, minima.scans),
        ("readings", summary.comparison.readings.captured, minima.readings),
        ("proofs", summary.comparison.proofs.captured, minima.proofs),
        ("outages", summary.outages, minima.outages),
        ("kills of an agent", summary.agent_kills, minima.agent_kills),
        ("kills of the hub", summary.hub_kills, minima.hub_kills),
    )
    for name, count, least in counts:
        if count < least:
            return f"only {count} {name}; at least {least} are needed for the run to prove anything"
    return None
