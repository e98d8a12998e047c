"""Opening, reading and writing the lines that devices are plugged into.

Unplugging shows as pyserial's SerialException, OSError (EIO, ENODEV) or termios.error, depending on the moment and the kernel
driver; all of them mean the same and leave here as `PortGone`.
"""

import fcntl
import os
import select
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import serial
from msgspec import Struct
from serial.tools import list_ports

from agent.config import ScannerHidConfig

READ_BYTES = 4096
# A scanner that takes no feedback (flow control held) must not hold up the next scan.
WRITE_TIMEOUT_S = 0.5
# linux/input.h: EVIOCGRAB, _IOW('E', 0x90, int).
EVIOCGRAB = 0x40044590
INPUT_CLASS = Path("/sys/class/input")
INPUT_FOLDER = Path("/dev/input")


class PortGone(Exception):
    """The port is not there, or went away."""


class Port(Protocol):
    """An open line."""

    def read(self, timeout_s: float) -> bytes:
        """What has come, waiting at most this long for the first byte; empty if nothing did. Raises PortGone."""

    def write(self, data: bytes) -> bool:
        """Send; False if the device did not take it in time. Raises PortGone."""

    def close(self) -> None:
        """Let go of the line."""


Opener = Callable[[], Port]


class DescriptorPort:
    """A port on a file descriptor that does not block."""

    def __init__(self, descriptor: int, close: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._close = close

    def read(self, timeout_s: float) -> bytes:
        """Read what is there (see `Port`)."""
        try:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, timeout_s))
            if not ready:
                return b""
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise PortGone(str(error)) from error
        if not data:
            raise PortGone("end of file: the device was unplugged")
        return data

    def write(self, data: bytes) -> bool:
        """Send all of it or give up (see `Port`)."""
        until_s = time.monotonic() + WRITE_TIMEOUT_S
        try:
            while data:
                _, ready, _ = select.select([], [self._descriptor], [], max(0.0, until_s - time.monotonic()))
                if not ready:
                    return False
                data = data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            return False
        except (OSError, ValueError) as error:
            raise PortGone(str(error)) from error
        return True

    def close(self) -> None:
        """Close; a device that is gone already is no error."""
        try:
            self._close()
        except (OSError, termios.error):
            return


def open_serial(path: str, baud: int) -> Port:
    """Open a serial port, raw, 8N1, for this process alone.

    Raises:
        PortGone: there is no such port, or it cannot be used now.
    """
    try:
        line = serial.Serial(path, baud, timeout=0, exclusive=True)
    except (OSError, ValueError, termios.error) as error:
        raise PortGone(f"{path}: {_why(error)}") from error
    return DescriptorPort(line.fileno(), line.close)


def open_hid(config: ScannerHidConfig) -> Port:
    """Find and grab a keyboard scanner's event device.

    Raises:
        PortGone: it is not there, or someone else has grabbed it.
    """
    path = config.port or _find_hid(config)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise PortGone(str(error)) from error
    try:
        fcntl.ioctl(descriptor, EVIOCGRAB, 1)
    except OSError as error:
        os.close(descriptor)
        raise PortGone(f"{path} cannot be grabbed, so its codes would be typed into other programs: {error}") from error
    return DescriptorPort(descriptor, lambda: os.close(descriptor))


class PortSeen(Struct, frozen=True):
    """A port on this machine that a driver could use."""

    path: str
    description: str
    vendor: int | None = None
    product: int | None = None


def ports_seen(links: tuple[str, ...] = ()) -> list[PortSeen]:
    """Serial ports and keyboards here, and those of `links` (such as configured names) that exist."""
    seen = {port.device: PortSeen(port.device, port.description, port.vid, port.pid) for port in list_ports.comports()}
    for keyboard in _keyboards():
        seen[keyboard.path] = keyboard
    for link in links:
        if link not in seen and Path(link).exists():
            seen[link] = PortSeen(link, str(Path(link).resolve()))
    return sorted(seen.values(), key=lambda port: port.path)


def _why(error: Exception) -> str:
    """The system's words for an error, without pyserial's around them."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)


def _find_hid(config: ScannerHidConfig) -> str:
    for device in _keyboards():
        if (
            config.vendor in {None, device.vendor}
            and config.product in {None, device.product}
            and config.device_name in device.description
        ):
            return device.path
    raise PortGone("no input device has the configured vendor, product and name")


def _keyboards() -> list[PortSeen]:
    """Input devices that have letter keys, as sysfs describes them."""
    found = []
    for entry in sorted(INPUT_CLASS.glob("event*")):
        try:
            name, vendor, product, keys = (
                (entry / "device" / part).read_text("ascii", "replace").strip()
                for part in ("name", "id/vendor", "id/product", "capabilities/key")
            )
        except OSError:
            continue  # unplugged while looking
        # Bit 30 is KEY_A; the last word holds the lowest bits.
        if keys and int(keys.split()[-1], 16) >> 30 & 1:
            found.append(PortSeen(str(INPUT_FOLDER / entry.name), name, int(vendor, 16), int(product, 16)))
    return found
