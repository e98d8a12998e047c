"""The one shell around every decoder: a thread that opens, reads, delivers, answers, reopens and counts."""

import logging
import threading
import time
from collections.abc import Callable

from msgspec import Struct

from agent.drivers.decoder import Decoder
from agent.drivers.frames import Code, Fix, Found, Lost, Outcome, Rejection, Sample, Write
from agent.drivers.health import DriverHealth, State, Tally, escaped
from agent.drivers.port import Opener, Port, PortGone
from agent.drivers.sink import Signal, Sink

log = logging.getLogger(__name__)

# Replugging a cable should be noticed before the next scan; looking costs next to nothing.
REOPEN_FIRST_S = 0.2
REOPEN_CAP_S = 2.0
# How long a stop may take to be noticed.
LONGEST_READ_S = 0.25


class Driver(Struct, frozen=True):
    """A decoder with the port it is for."""

    name: str
    kind: str
    port: str
    decoder: Decoder
    open: Opener


class DriverShell:
    """Runs one driver.

    Args:
        driver: what to run.
        sink: takes the frames.
        feedback: tells the person about a scan whose scanner cannot do it itself.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        driver: Driver,
        sink: Sink,
        *,
        feedback: Callable[[Signal], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._driver = driver
        self._decoder = driver.decoder
        self._sink = sink
        self._feedback = feedback
        self._clock = clock
        self._stopping = threading.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"driver-{driver.name}", daemon=True)
        self._port: Port | None = None
        self._reopen_s = REOPEN_FIRST_S
        # What the sink was told last: None nothing yet.
        self._present: bool | None = None
        # Guards what `health` reads from another thread.
        self._lock = threading.Lock()
        self._state = State.CLOSED
        self._state_s = clock()
        self._opened = self._bytes_read = self._frames = self._rejected = self._writes_failed = 0
        self._last_frame_s: float | None = None
        self._silent = False
        self._problem = ""
        self._tally = Tally()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait_tried(self, timeout_s: float) -> bool:
        """Wait until the port was opened or found missing for the first time."""
        return self._tried.wait(timeout_s)

    def stop(self) -> None:
        """Ask the thread to end; it does within `LONGEST_READ_S`, or after the commit it waits for."""
        self._stopping.set()

    def join(self) -> None:
        """Wait for the end after `stop`."""
        if self._thread.ident is not None:
            self._thread.join()

    def health(self) -> DriverHealth:
        """How the driver is doing; may be called from any thread."""
        with self._lock:
            now_s = self._clock()
            return DriverHealth(
                name=self._driver.name,
                kind=self._driver.kind,
                port=self._driver.port,
                state=self._state,
                state_age_s=now_s - self._state_s,
                opened=self._opened,
                bytes_read=self._bytes_read,
                frames=self._frames,
                last_frame_age_s=None if self._last_frame_s is None else now_s - self._last_frame_s,
                rejected=self._rejected,
                noise_bytes=self._tally.noise_bytes,
                writes_failed=self._writes_failed,
                silent=self._silent,
                problem=self._problem,
                rejections=self._tally.rejections(),
            )

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                pause_s = self.turn()
                if pause_s:
                    self._stopping.wait(pause_s)
        finally:
            self._close()
            self._set_state(State.CLOSED)

    def turn(self) -> float:
        """Do the next thing: open the port, or read once and deliver. Returns how long to pause before the next turn."""
        try:
            if self._port is None:
                self._open()
            else:
                self._read(self._port)
        except PortGone as error:
            return self._gone(str(error))
        return 0.0

    def _open(self) -> None:
        self._port = self._driver.open()
        with self._lock:
            self._opened += 1
        self._set_state(State.OPEN)
        self._set_silent(silent=False)
        self._tried.set()
        self._deliver(self._decoder.opened(self._clock()))

    def _read(self, port: Port) -> None:
        deadline_s = self._decoder.next_deadline()
        wait_s = LONGEST_READ_S if deadline_s is None else min(LONGEST_READ_S, deadline_s - self._clock())
        data = port.read(wait_s)
        now_s = self._clock()
        # Not before a read went well: some devices can still be opened when they are dead.
        if not self._silent:
            self._found()
        if data:
            # Only a line that carries something is well again: a port that opens and fails must not be tried in a hurry.
            self._reopen_s = REOPEN_FIRST_S
            with self._lock:
                self._bytes_read += len(data)
            self._deliver(self._decoder.feed(data, now_s))
        elif deadline_s is not None and now_s >= deadline_s:
            self._deliver(self._decoder.idle(now_s))

    def _gone(self, why: str) -> float:
        self._close()
        self._set_state(State.MISSING)
        with self._lock:
            self._problem = why
        self._tried.set()
        self._lost(why)
        pause_s = self._reopen_s
        self._reopen_s = min(2 * pause_s, REOPEN_CAP_S)
        return pause_s

    def _close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def _set_state(self, state: State) -> None:
        with self._lock:
            if state is not self._state:
                self._state, self._state_s = state, self._clock()

    def _deliver(self, outcomes: list[Outcome]) -> None:
        name = self._driver.name
        for outcome in outcomes:
            match outcome:
                case Code():
                    self._count_frame()
                    self._tell(self._sink.code(name, outcome))
                case Sample():
                    self._count_frame()
                    self._sink.sample(name, outcome)
                case Fix():
                    self._count_frame()
                    self._sink.fix(name, outcome)
                case Write(data):
                    self._write(data)
                case Rejection():
                    self._reject(outcome)
                case Lost(why):
                    self._set_silent(silent=True)
                    self._lost(why)
                case Found():
                    self._set_silent(silent=False)
                    self._found()

    def _count_frame(self) -> None:
        with self._lock:
            self._frames += 1
            self._last_frame_s = self._clock()

    def _reject(self, rejection: Rejection) -> None:
        with self._lock:
            self._rejected += 1
            self._tally.add(rejection)
        log.debug("%s: rejected (%s): %s", self._driver.name, rejection.reason, escaped(rejection.evidence))
        if rejection.scan:
            self._tell(Signal.REFUSED)

    def _tell(self, signal: Signal) -> None:
        """Give a scan's signal to its scanner, else to the feedback port."""
        answer = self._decoder.answer(signal, self._clock())
        if answer:
            self._write(answer)
        elif self._feedback is not None:
            self._feedback(signal)

    def _write(self, data: bytes) -> None:
        try:
            taken = self._port is not None and self._port.write(data)
        except PortGone:
            # The next read will find that out; what was received with this code must be delivered first.
            taken = False
        if not taken:
            with self._lock:
                self._writes_failed += 1

    def _set_silent(self, *, silent: bool) -> None:
        with self._lock:
            self._silent = silent

    def _lost(self, why: str) -> None:
        if self._present is not False:
            self._present = False
            log.warning("%s: lost: %s", self._driver.name, why)
            self._sink.lost(self._driver.name, why)

    def _found(self) -> None:
        if self._present is not True:
            self._present = True
            log.info("%s: found", self._driver.name)
            self._sink.found(self._driver.name)
