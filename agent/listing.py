"""Kept facts as JSON for scripts and as lines for people."""

from typing import Any

from msgspec import Struct

from agent.when import rfc3339
from contract.event import Alarm, Correction, Positions, Proof, Readings, Scan, Status
from contract.fact import Fact
from contract.identity import display
from contract.local import OutboxItem


def item_json(item: OutboxItem) -> dict[str, Any]:
    """A kept fact with its place in the chain; `kind` and `event` are null where its bytes are no longer whole."""
    fact = item.fact
    return {
        "fact_id": item.fact_id.hex(),
        "lane": item.lane.value,
        "n": item.n,
        "committed": item.committed,
        "ord": fact.ord if fact else None,
        "at": rfc3339(fact.at_ms) if fact else None,
        "mono_ms": fact.mono_ms if fact else None,
        "clock": fact.clock.value if fact else None,
        "actor": fact.actor if fact else None,
        "incarnation": fact.incarnation.hex() if fact else None,
        "kind": _kind(fact.event) if fact else None,
        "event": _named(fact.event) if fact else None,
        "blobs": [blob.hex() for blob in fact.blobs] if fact else [],
    }


def _kind(event: Struct) -> str:
    return str(event.__struct_config__.tag)


def _named(value: object) -> Any:
    """A struct as an object with its kind, bytes as hexadecimal digits; the code of a scan also as text."""
    if isinstance(value, Struct):
        fields = {name: _named(getattr(value, name)) for name in value.__struct_fields__}
        kind = value.__struct_config__.tag
        named = fields if kind is None else {"kind": kind, **fields}
        if isinstance(value, Scan):
            named |= {"code": display(value.code), "code_hex": value.code.hex()}
        return named
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_named(one) for one in value]
    return value


def item_line(item: OutboxItem) -> str:
    """A kept fact in a line."""
    state = "at the hub" if item.committed else "waits"
    if item.fact is None:
        return f"{item.lane} {item.n}  {state}  content is no longer whole"
    who = f"  by {item.fact.actor}" if item.fact.actor else ""
    return f"{rfc3339(item.fact.at_ms)}  {item.lane} {item.n}  {state}  {_summary(item.fact)}{who}"


def _summary(fact: Fact) -> str:
    event = fact.event
    match event:
        case Scan():
            return f"scan {display(event.parcel.encode())} {event.step} at {event.place or 'no place'}"
        case Proof():
            return f"proof {event.stop} {event.outcome}: {len(event.delivered)} delivered, {len(event.refused)} refused"
        case Alarm():
            return f"alarm {event.alarm} {event.phase}: {event.sensor} {event.limit}"
        case Readings():
            return f"{event.count} readings of {event.sensor}"
        case Positions():
            return f"{event.count} positions of {event.receiver}"
        case Status():
            return f"status {_kind(event.detail)}"
        case Correction():
            return f"correction of {event.target.hex()[:16]}: {display(event.why.encode())}"
        case _:
            return _kind(event)
