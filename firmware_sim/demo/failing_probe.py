"""A probe that fails as they do in the field: first its element breaks, then it says nothing at all, until it is replaced."""

from collections.abc import Sequence
from enum import Enum, auto

from firmware_sim.adapters.modbus_probe import ModbusProbe
from firmware_sim.device import Chunk, Device


class Health(Enum):
    """How a probe is."""

    WELL = auto()
    BROKEN = auto()
    """It answers, but not with a value."""
    DEAD = auto()
    """It answers no more."""


class FailingProbe(Device):
    """Answers as a probe in its present health does; set `health` from any thread."""

    settle_ms = 0

    def __init__(self, well: ModbusProbe, broken: ModbusProbe) -> None:
        """Take the same probe twice: as it should be, and with a broken element."""
        self.health = Health.WELL
        self._probes = {Health.WELL: well, Health.BROKEN: broken}

    def due_ms(self) -> int | None:
        """Return None: a slave speaks when it is spoken to."""
        return None

    def wake(self, now_ms: int) -> Sequence[Chunk]:  # noqa: ARG002 a slave has no schedule
        """Do nothing."""
        return ()

    def receive(self, data: bytes, now_ms: int) -> Sequence[Chunk]:
        """Answer, or not."""
        probe = self._probes.get(self.health)
        return () if probe is None else probe.receive(data, now_ms)

    def opened(self, now_ms: int) -> None:
        """Do nothing: a probe is powered from elsewhere."""

    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:
        """Forget half a request."""
        for probe in self._probes.values():
            probe.closed(now_ms, unplugged=unplugged, unsent=unsent)
