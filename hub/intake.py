"""From bytes on a topic to an authentic, typed message, or to the reason why it is none."""

from dataclasses import dataclass

from contract.delivery.hub_actions import IncidentKind, Report
from contract.errors import BadName, Malformed, NotAuthentic
from contract.limits import MAX_WIRE_BYTES
from contract.messages import Up, decode_up
from contract.statement import Direction, unseal
from contract.topics import device_of_up_topic
from hub.registry import Registry


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as the broker delivered it."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """An authentic message of a device."""

    device: str
    message: Up
    payload: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An authentic statement that says nothing known, or that its device may no longer make; its bytes are kept."""

    device: str
    payload: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing to keep: who sent it is not proven. Told to the operator, coalesced by key."""

    report: Report


def take_in(incoming: Incoming, registry: Registry) -> Heard | Unreadable | Rejected | None:
    """Judge one message; None for what is silently ignored (a retain flag: nobody of ours sets it)."""
    if incoming.retain:
        return None
    try:
        name = device_of_up_topic(incoming.topic)
    except BadName as error:
        return Rejected(Report(IncidentKind.NOT_AUTHENTIC, "", "not_authentic:topic", str(error)))
    device = registry.find(name)
    if device is None:
        return _not_authentic("", "unknown", f"a statement from {name!r}, which is not enrolled")
    if len(incoming.payload) > MAX_WIRE_BYTES:
        return _malformed(name, f"a statement of {len(incoming.payload)} bytes; at most {MAX_WIRE_BYTES} are read")
    try:
        body = unseal(device.key, Direction.UP, name, incoming.payload)
    except NotAuthentic as error:
        return _not_authentic(name, name, str(error))
    except Malformed as error:
        return _malformed(name, str(error))
    if device.revoked_ms is not None:
        return Unreadable(name, incoming.payload, "the device is revoked; its statement was not taken")
    try:
        return Heard(name, decode_up(body), incoming.payload)
    except Malformed as error:
        return Unreadable(name, incoming.payload, str(error))


def _not_authentic(device: str, key: str, detail: str) -> Rejected:
    return Rejected(Report(IncidentKind.NOT_AUTHENTIC, device, f"not_authentic:{key}", detail))


def _malformed(device: str, detail: str) -> Rejected:
    return Rejected(Report(IncidentKind.MALFORMED, device, f"malformed:{device}", detail))
