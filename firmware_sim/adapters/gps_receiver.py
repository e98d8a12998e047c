"""A position receiver in a van: NMEA sentences once a second."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from firmware_sim.adapters.nmea import Fix, epoch
from firmware_sim.chance import chance
from firmware_sim.device import Chunk, Device
from firmware_sim.faults import FaultPlan, in_pieces, with_noise
from firmware_sim.journal import Journal
from firmware_sim.physics.van import METRES_PER_DEGREE, Van

SPLIT_MS = (20, 150)
# Receivers wander about the true place by a few metres within minutes.
WANDER_M = 2.5
WANDER_S = 97.0
# The week number in the signal has ten bits.
WEEK_ROLLOVER = timedelta(weeks=1024)


class GpsReceiver(Device):
    """A receiver that is off until the line is opened, then searches, then has a fix.

    Journal: one record per epoch with ``epoch``, ``fix`` and, with a fix, latitude and longitude in
    degrees as sent; ``faults`` that hit it.
    """

    def __init__(
        self,
        van: Van,
        journal: Journal,
        *,
        start_ms: int,
        seed: int = 0,
        rate_hz: float = 1.0,
        fix_after_ms: int = 3_000,
        faults: FaultPlan | None = None,
    ) -> None:
        """Put a receiver on a van.

        Args:
            van: What is located.
            journal: Where each position sent is recorded.
            start_ms: When the van starts, epoch milliseconds.
            seed: Decides faults and accuracy.
            rate_hz: Epochs per second.
            fix_after_ms: How long the search takes after the line was opened.
            faults: Which of ``GPS_FAULTS`` happen; ``unplug`` is the host's to do.
        """
        self._van = van
        self._journal = journal
        self._start_ms = start_ms
        self._period_ms = max(1, round(1000 / rate_hz))
        self._fix_after_ms = fix_after_ms
        self._faults = faults or FaultPlan()
        self._wire = chance(seed, "wire")
        self._phase = chance(seed, "wander").uniform(0, 2 * math.pi)
        self._next_ms: int | None = None
        self._fix_from_ms = 0
        self._held = b""
        self._epochs = 0

    def due_ms(self) -> int | None:
        """Return the next epoch."""
        return self._next_ms

    def opened(self, now_ms: int) -> None:
        """Start searching; epochs fall on whole periods of UTC."""
        self._next_ms = now_ms + -now_ms % self._period_ms
        self._fix_from_ms = now_ms + self._fix_after_ms

    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:  # noqa: ARG002 positions are not repeated
        """Switch off."""
        self._next_ms = None
        self._held = b""

    def receive(self, data: bytes, now_ms: int) -> Sequence[Chunk]:  # noqa: ARG002 see below
        """Ignore what the host sends, as receivers do with sentences they do not know."""
        return ()

    def wake(self, now_ms: int) -> Sequence[Chunk]:
        """Send the epoch that is due."""
        if self._next_ms is None or now_ms < self._next_ms:
            return ()
        # A host that slept gets the present epoch, not all those it missed.
        at_ms = now_ms - now_ms % self._period_ms
        self._next_ms = at_ms + self._period_ms
        self._epochs += 1
        rng, faults = self._wire, self._faults
        hit = {
            "lost_fix": rng.random() < faults.lost_fix,
            "clock_jump": rng.random() < faults.clock_jump,
            "noise": rng.random() < faults.noise,
            "merge": rng.random() < faults.merge,
            "split": rng.random() < faults.split,
        }
        searching = at_ms < self._fix_from_ms
        moment = datetime.fromtimestamp(at_ms / 1000, UTC) - (WEEK_ROLLOVER if hit["clock_jump"] else timedelta())
        fix = None if searching or hit["lost_fix"] else self.fix(at_ms)
        self._record(at_ms, fix, [name for name, is_hit in hit.items() if is_hit])
        held, self._held = self._held, b""
        raw = epoch(None if searching else moment, fix)
        if hit["noise"]:
            raw = with_noise(raw, rng)
        if hit["merge"] and not held:
            self._held = raw
            return ()
        raw = held + raw
        chunks = []
        for piece in in_pieces(raw, rng) if hit["split"] else [raw]:
            chunks.append(Chunk(now_ms, piece))
            now_ms += rng.randint(*SPLIT_MS)
        return chunks

    def fix(self, at_ms: int) -> Fix:
        """Return the solution at a time: the van's place, a few metres off."""
        t_s = (at_ms - self._start_ms) / 1000
        if self._faults.stuck is not None:
            t_s = min(t_s, self._faults.stuck)
        van = self._van.at(t_s)
        turn = 2 * math.pi * t_s / WANDER_S + self._phase
        east_m, north_m = WANDER_M * math.cos(turn), WANDER_M * math.sin(1.7 * turn)
        per_degree_east = METRES_PER_DEGREE * math.cos(math.radians(van.latitude_deg))
        return Fix(
            latitude_deg=van.latitude_deg + north_m / METRES_PER_DEGREE,
            longitude_deg=van.longitude_deg + east_m / per_degree_east,
            altitude_m=12.0 + math.sin(turn),
            speed_mps=van.speed_mps,
            heading_deg=van.heading_deg,
            satellites=9 + round(2 * math.sin(turn)),
            hdop=0.9 + 0.2 * math.cos(turn),
        )

    def _record(self, at_ms: int, fix: Fix | None, faults: list[str]) -> None:
        if fix is None:
            self._journal.write(at_ms, epoch=self._epochs, fix=False, faults=faults)
            return
        self._journal.write(
            at_ms,
            epoch=self._epochs,
            fix=True,
            latitude=round(fix.latitude_deg, 7),
            longitude=round(fix.longitude_deg, 7),
            faults=faults,
        )
