"""Carrying out what the hub's word allows: one action of the delivery protocol at a time, inside one transaction.

Works for `agent.outbox`, the only one that writes outbox rows.
"""

import sqlite3
from collections.abc import Mapping, Sequence

from agent.clock import DeviceClock
from agent.faultpoint import faultpoint
from agent.log import Log
from agent.store import blobs, chain
from agent.store.places import Places
from agent.store.scribe import Scribe
from contract.delivery.device_actions import (
    BlobRefused,
    BlobStored,
    FixClock,
    MarkCorrupt,
    Release,
    ReleaseBlobs,
    SetAcked,
)
from contract.event import ClockFix, Damage, Lane

log = Log("outbox")

WriteAction = SetAcked | Release | ReleaseBlobs | MarkCorrupt | BlobStored | BlobRefused | FixClock


class HubWord:
    """One transaction's worth of actions; `settle` what they leave to do after the commit."""

    def __init__(self, scribe: Scribe, places: Places, clock: DeviceClock, sent: Mapping[Lane, int]) -> None:
        self._scribe = scribe
        self._places = places
        self._clock = clock
        self._sent = sent
        self.gone: list[bytes] = []
        """Attachments whose rows are deleted."""
        self.fixes: list[ClockFix] = []
        """Clock fixes that were stated."""

    def apply_all(self, connection: sqlite3.Connection, actions: Sequence[WriteAction]) -> None:
        """Carry out actions in order."""
        for action in actions:
            self._apply(connection, action)

    def _apply(self, connection: sqlite3.Connection, action: WriteAction) -> None:
        match action:
            case SetAcked(lane, n):
                chain.set_acked(connection, lane, n, self._sent[lane])
                chain.forget(connection, lane)
            case Release(identities):
                self._release(connection, identities)
            case ReleaseBlobs(digests):
                self.gone += [digest for digest in digests if blobs.delete_stored(connection, digest)]
            case MarkCorrupt(lane, n, identity):
                self._mark_corrupt(connection, lane, n, identity)
            case BlobStored(digest, stored):
                blobs.set_stored(connection, digest, stored=stored)
            case BlobRefused(digest, why):
                blobs.set_refused(connection, digest, why)
                self._scribe.keep(connection, [self._scribe.status(Damage("blob_refused", f"{digest.hex()}: {why}"))])
            case FixClock(mono_ms, hub_ms, uncertainty_ms):
                fix = ClockFix(self._clock.boot, mono_ms, hub_ms, uncertainty_ms)
                if self._clock.is_better(fix):
                    self._scribe.keep(connection, [self._scribe.status(fix)])
                    self.fixes.append(fix)

    def _release(self, connection: sqlite3.Connection, identities: Sequence[bytes]) -> None:
        lanes: set[Lane] = set()
        for identity in identities:
            place = self._places.of(identity)
            if place is not None and chain.bury(connection, place.lane, place.n, identity, "released"):
                chain.count_released(connection, place.lane)
                lanes.add(place.lane)
        faultpoint("release")
        for lane in lanes:
            chain.forget(connection, lane)

    def _mark_corrupt(self, connection: sqlite3.Connection, lane: Lane, n: int, identity: bytes) -> None:
        """D2: the content is set aside for an inspection, the position says what became of it."""
        if not chain.set_aside(connection, lane, n, identity):
            return
        detail = f"{lane} {n} {identity.hex()}"
        log.warning("content_corrupt", where=detail, say="It was set aside; the hub is told.")
        self._scribe.keep(connection, [self._scribe.status(Damage("content_corrupt", detail))])
