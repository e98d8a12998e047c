"""Time and chance of one device."""

from random import Random

from tests.simulation.world import World


class Clocks:
    """The device's two clocks in virtual time: the monotonic one drifts, the other may be set to anything."""

    def __init__(self, world: World, drift_ppm: int) -> None:
        self._world = world
        self._drift_ppm = drift_ppm
        self._booted_ms = world.now_ms
        self.error_ms = 0
        self.is_synced = True

    def mono_ms(self) -> int:
        """Milliseconds since boot."""
        passed_ms = self._world.now_ms - self._booted_ms
        return 1_000 + passed_ms + passed_ms * self._drift_ppm // 1_000_000

    def wall_ms(self) -> int:
        """What the wall clock says."""
        return self._world.utc_ms + self.error_ms

    def synced(self) -> bool:
        """Whether it believes itself."""
        return self.is_synced

    def boot(self) -> None:
        """The monotonic clock begins anew."""
        self._booted_ms = self._world.now_ms


class Chance:
    """Nonces and jitter of one process."""

    def __init__(self, rng: Random) -> None:
        self._random = rng

    def nonce(self) -> bytes:
        return self._random.randbytes(16)

    def uniform(self) -> float:
        return self._random.random()
