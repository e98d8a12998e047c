"""The states of the device's conversation with the hub, what can happen to it, and the one table of transitions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from contract.messages import Ack, BlobState, Document, Down, Nack, Welcome

M = TypeVar("M", Welcome, Ack, Nack, BlobState, Document)


class Link(StrEnum):
    """Where the conversation with the hub stands."""

    OFFLINE = "offline"
    GREETING = "greeting"
    SYNCED = "synced"


class Happening(StrEnum):
    """What can happen to the conversation."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    APPENDED = "appended"
    TICK = "tick"
    REPLACED = "replaced"
    WELCOMED = "welcomed"
    ACKED = "acked"
    NACKED = "nacked"
    BLOB_ANSWERED = "blob_answered"
    DOCUMENT = "document"


TRANSITIONS: Final[dict[Link, dict[Happening, Link]]] = {
    Link.OFFLINE: {
        Happening.CONNECTED: Link.GREETING,
        Happening.DISCONNECTED: Link.OFFLINE,
        Happening.APPENDED: Link.OFFLINE,
        Happening.TICK: Link.OFFLINE,
        Happening.REPLACED: Link.OFFLINE,
    },
    Link.GREETING: {
        Happening.DISCONNECTED: Link.OFFLINE,
        Happening.APPENDED: Link.GREETING,
        Happening.TICK: Link.GREETING,
        Happening.REPLACED: Link.GREETING,
        Happening.WELCOMED: Link.SYNCED,
        Happening.BLOB_ANSWERED: Link.GREETING,
        Happening.DOCUMENT: Link.GREETING,
    },
    Link.SYNCED: {
        Happening.DISCONNECTED: Link.OFFLINE,
        Happening.APPENDED: Link.SYNCED,
        Happening.TICK: Link.SYNCED,
        Happening.REPLACED: Link.GREETING,
        Happening.WELCOMED: Link.SYNCED,
        Happening.ACKED: Link.SYNCED,
        Happening.NACKED: Link.GREETING,
        Happening.BLOB_ANSWERED: Link.SYNCED,
        Happening.DOCUMENT: Link.SYNCED,
    },
}
"""A pair that is not here is an `IllegalTransition` and changes nothing."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker took the connection and the subscription."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone."""


@dataclass(frozen=True, slots=True)
class Appended:
    """A capture was committed."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; due at `next_wakeup_ms` at the latest."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The store began a new incarnation, as `Reincarnate` asked."""


@dataclass(frozen=True, slots=True)
class Received:
    """An authentic message of the hub."""

    message: Down


Event = Connected | Disconnected | Appended | Tick | Replaced | Received

PLAIN_HAPPENINGS: Final[dict[type[Event], Happening]] = {
    Connected: Happening.CONNECTED,
    Disconnected: Happening.DISCONNECTED,
    Appended: Happening.APPENDED,
    Tick: Happening.TICK,
    Replaced: Happening.REPLACED,
}
"""Events that are one happening whatever the state; what `Received` is depends on the message."""


def message_of(event: Event, kind: type[M]) -> M:
    """The hub's message in an event.

    Raises:
        TypeError: the event brings no message of this kind.
    """
    if not isinstance(event, Received) or not isinstance(event.message, kind):
        raise TypeError(f"rule for {kind.__name__} was given {event!r}")
    return event.message


@dataclass(frozen=True, slots=True)
class Now:
    """One instant on both clocks of the device."""

    mono_ms: int
    at_ms: int
