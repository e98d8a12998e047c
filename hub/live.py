"""The live bus: what changed at the hub, encoded once and fanned out to all pages as the same bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Topic = Literal["parcel", "sensor", "device", "incident", "excursion"]


@dataclass(frozen=True, slots=True)
class Change:
    """The new state of one thing; the latest of a (topic, key) wins.

    Attributes:
        topic: what kind of thing.
        key: its id (parcel, sensor, device, incident).
        value: what a page shows of it: a msgspec Struct, dataclass or dict of JSON types; times as epoch ms.
        kept: False for a value that ran ahead of its fact (`on_live`): shown, not yet stored at the hub.
    """

    topic: Topic
    key: str
    value: Any
    kept: bool = True


class LiveBus:
    """Takes changes from any thread, hands them to every open page."""

    def publish(self, changes: Iterable[Change]) -> None:
        """Say what changed, after its commit; returns at once, never raises, may be called before `start`."""

    def close(self) -> None:
        """End all streams at once; from any thread. Called before the server is asked to stop."""
