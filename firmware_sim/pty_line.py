"""A pseudo-terminal with a fixed name: where a simulated device meets the program under test."""

import contextlib
import os
import pty
import select
import tty
from pathlib import Path

from firmware_sim.errors import SimulatorError

READ_BYTES = 4096


class PtyLine:
    """One end of a pseudo-terminal; the other end is linked at a path, as a serial port would be.

    The far end is left closed, so the kernel reports whether a host program has it open (the hang-up
    flag on our end): no byte is wasted on a port nobody reads. It has no baud rate and no modem lines.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._fd: int | None = None
        self._far = ""

    def plug(self) -> None:
        """Make a new pseudo-terminal and link its name, replacing an older link in one step.

        Raises:
            SimulatorError: The path is taken by something that is not a link, or cannot be written.
        """
        if self.link.exists() and not self.link.is_symlink():
            raise SimulatorError(f"{self.link} exists and is no link: choose another path or remove it")
        self._fd, far_fd = pty.openpty()
        # Otherwise the terminal echoes our own bytes back at us and turns CR into LF.
        tty.setraw(far_fd)
        self._far = os.ttyname(far_fd)
        os.close(far_fd)
        os.set_blocking(self._fd, False)
        fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
        try:
            fresh.symlink_to(self._far)
            fresh.replace(self.link)
        except OSError as error:
            self.unplug()
            raise SimulatorError(f"cannot link {self.link}: {error.strerror}") from error

    def unplug(self) -> None:
        """Pull the cable: the name goes, and whoever had it open gets an I/O error."""
        if self._fd is None:
            return
        with contextlib.suppress(OSError):
            if self.link.readlink() == Path(self._far):
                self.link.unlink()
        os.close(self._fd)
        self._fd = None

    @property
    def is_plugged(self) -> bool:
        """Whether there is a pseudo-terminal at all."""
        return self._fd is not None

    def fileno(self) -> int:
        """Return our end's descriptor, for ``select``."""
        if self._fd is None:
            raise SimulatorError(f"{self.link} is unplugged")
        return self._fd

    def is_open(self) -> bool:
        """Whether a host program has the far end open now."""
        if self._fd is None:
            return False
        poll = select.poll()
        poll.register(self._fd, 0)
        return not any(events & select.POLLHUP for _, events in poll.poll(0))

    def read(self) -> bytes:
        """Return what the host wrote; nothing when there is nothing or it just closed."""
        try:
            return os.read(self.fileno(), READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            # EIO: the host closed between the poll and the read; is_open tells so at the next look.
            return b""

    def write(self, data: bytes) -> int:
        """Write what the line takes now and return how many bytes that were."""
        try:
            return os.write(self.fileno(), data)
        except BlockingIOError:
            return 0
