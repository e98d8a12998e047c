"""Where frames go, and what comes back for the person: the seam between drivers and capture."""

from enum import StrEnum
from typing import Protocol

from agent.drivers.frames import Code, Fix, Sample
from contract.local import Signal

__all__ = ["Signal", "Sink", "line_of"]


def line_of(signal: StrEnum) -> bytes:
    """A signal for ports that speak lines."""
    return signal.name.encode("ascii") + b"\r\n"


class Sink(Protocol):
    """Takes frames from driver threads. Its methods raise nothing; what it cannot keep it answers with `REFUSED`."""

    def code(self, driver: str, code: Code) -> Signal:
        """Keep a scan; returns only after its commit is on disk, or REFUSED."""

    def sample(self, driver: str, sample: Sample) -> None:
        """Take a measurement, made now."""

    def fix(self, driver: str, fix: Fix) -> None:
        """Take a position, measured now."""

    def lost(self, driver: str, why: str) -> None:
        """The device behind a driver is gone or silent. Said once until it is found."""

    def found(self, driver: str) -> None:
        """The device behind a driver is there (again)."""
