"""A Modbus probe on a pseudo-terminal whose temperature a test sets."""

import os
import select
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_sim.adapters.modbus import ReadRequest, RequestReader, answer

POLL_S = 0.05
UNIT = 1


class ProbeLine:
    """One register in hundredths, answered at once; None: it is silent."""

    def __init__(self) -> None:
        self.value: int | None = 500
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="probe-line")

    def driver(self, *, interval_s: float = 0.1) -> str:
        """Its table in `agent.toml`; the sensor is `DEVICE.probe.air`."""
        return (
            f'[[drivers]]\nkind = "modbus_probe"\nname = "probe"\nport = "{self.path}"\ninterval_s = {interval_s}\n'
            'timeout_ms = 200\nregisters = [{quantity = "temperature_c", address = 0, scale = 0.01, sensor = "air"}]\n'
        )

    def _serve(self) -> None:
        reader = RequestReader(UNIT)
        while not self._ending.is_set():
            readable, _, _ = select.select([self._master], [], [], POLL_S)
            if not readable:
                continue
            for request in reader.feed(os.read(self._master, 256), time.monotonic_ns() // 1_000_000):
                if isinstance(request, ReadRequest) and self.value is not None:
                    os.write(self._master, answer(UNIT, request.function, [self.value & 0xFFFF]))

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@contextmanager
def probe_line() -> Iterator[ProbeLine]:
    line = ProbeLine()
    line.start()
    try:
        yield line
    finally:
        line.end()
