"""The feedback port: telling a person what became of a scan, by sound or by a light on a serial line.

It never holds up capture: signals wait in a short queue for a thread of their own. When the queue is full the oldest goes,
and one that waited too long is dropped as well, because a late tone is taken for another scan. Both are counted.
"""

import functools
import io
import math
import shutil
import struct
import subprocess
import sys
import threading
import time
import wave
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from agent.config import FeedbackConfig
from agent.drivers.port import Port, PortGone, open_serial
from agent.drivers.sink import Signal, line_of


class Alert(StrEnum):
    """What a person is told that is about no scan."""

    ALARM = "alarm"
    """A load is beyond its limits, or its sensor is silent."""


Tone = Signal | Alert

QUEUE_SIGNALS = 8
# An alarm sounds again this often until somebody acknowledges it.
REPEAT_S = 30.0
# A person waits about this long for the tone of a scan.
STALE_AFTER_S = 2.0

SAMPLE_HZ = 22_050
LOUDNESS = 0.5
# Rise and fall of a tone, so that it does not click.
EDGE_S = 0.005
PLAY_TIMEOUT_S = 3.0

# (hertz, seconds); 0 Hz is a pause. Kept is high and short, refused low and long: told apart by rhythm too, not by pitch only.
# The alarm goes up and down like a siren, as no scan does.
TONES: dict[Tone, tuple[tuple[int, float], ...]] = {
    Signal.KEPT: ((2600, 0.09),),
    Signal.DUPLICATE: ((2600, 0.05), (0, 0.05), (2600, 0.05)),
    Signal.UNEXPECTED: ((2600, 0.09), (0, 0.04), (1300, 0.22)),
    Signal.REFUSED: ((400, 0.25), (0, 0.08), (400, 0.25), (0, 0.08), (400, 0.25)),
    Alert.ALARM: ((900, 0.15), (1800, 0.15)) * 3,
}


class Player(Protocol):
    """Shows one signal; may take its time."""

    def play(self, signal: Tone) -> bool:
        """Whether it could be shown."""

    def close(self) -> None:
        """Let go of what it holds."""


class FeedbackHealth(Struct, frozen=True):
    """What became of the signals."""

    shown: int
    failed: int
    dropped: int
    """Too many at once, or too late."""


class Feedback:
    """Shows signals in the order they come, from a thread of its own."""

    def __init__(self, player: Player, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._player = player
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Tone, float]] = deque()
        self._stopping = False
        self._shown = self._failed = self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def signal(self, signal: Tone) -> None:
        """Show a signal soon; returns at once."""
        with self._changed:
            if len(self._waiting) == QUEUE_SIGNALS:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append((signal, self._clock()))
            self._changed.notify()

    def health(self) -> FeedbackHealth:
        """The counts so far."""
        with self._changed:
            return FeedbackHealth(self._shown, self._failed, self._dropped)

    def stop(self) -> None:
        """End the thread after the signal that it is showing."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()
        self._player.close()

    def _run(self) -> None:
        while (signal := self._next()) is not None:
            shown = self._player.play(signal)
            with self._changed:
                if shown:
                    self._shown += 1
                else:
                    self._failed += 1

    def _next(self) -> Tone | None:
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._stopping or self._waiting)
                if self._stopping:
                    return None
                signal, since_s = self._waiting.popleft()
                if self._clock() - since_s <= STALE_AFTER_S:
                    return signal
                self._dropped += 1


class AlarmTone:
    """Sounds while an alarm lasts that nobody acknowledged; from any thread."""

    def __init__(self, signal: Callable[[Tone], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._signal = signal
        self._clock = clock
        self._lock = threading.Lock()
        self._last_s: float | None = None

    def mind(self, *, sounding: bool) -> None:
        """Sound if it is time to; call it when an alarm was stated, and about once a second."""
        with self._lock:
            now_s = self._clock()
            if not sounding:
                self._last_s = None
                return
            if self._last_s is not None and now_s - self._last_s < REPEAT_S:
                return
            self._last_s = now_s
        self._signal(Alert.ALARM)


class SilentPlayer:
    """Shows nothing."""

    def play(self, signal: Tone) -> bool:  # noqa: ARG002 there is nothing to do with it
        """Done."""
        return True

    def close(self) -> None:
        """Nothing is held."""


class SerialPlayer:
    """Writes `KEPT`, `UNEXPECTED`, `DUPLICATE`, `REFUSED` or `ALARM` as a line; opens the port again after it was unplugged."""

    def __init__(self, open_port: Callable[[], Port]) -> None:
        self._open = open_port
        self._port: Port | None = None

    def play(self, signal: Tone) -> bool:
        """Write one line; a port that was replugged since is opened anew."""
        line = line_of(signal)
        return self._write(line) or self._write(line)

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def _write(self, line: bytes) -> bool:
        try:
            if self._port is None:
                self._port = self._open()
            if self._port.write(line):
                return True
        except PortGone:
            pass
        self.close()
        return False


class SoundPlayer:
    """Plays short tones through `aplay`, or rings the terminal's bell where there is none."""

    def __init__(self, aplay: str | None) -> None:
        self._aplay = aplay

    def play(self, signal: Tone) -> bool:
        """Play one signal's tones to their end."""
        if self._aplay is None:
            return ring_bell()
        try:
            done = subprocess.run(
                [self._aplay, "-q", "-t", "wav", "-"],
                input=wav(signal),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PLAY_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    def close(self) -> None:
        """Nothing is held."""


def ring_bell() -> bool:
    """The terminal's bell: on stderr, because stdout is for machines to read."""
    if not sys.stderr.isatty():
        return False
    sys.stderr.write("\a")
    sys.stderr.flush()
    return True


@functools.cache
def wav(signal: Tone) -> bytes:
    """A signal's tones as a mono 16-bit WAV file."""
    samples: list[int] = []
    for hertz, seconds in TONES[signal]:
        count = int(seconds * SAMPLE_HZ)
        edge = int(EDGE_S * SAMPLE_HZ)
        for i in range(count):
            envelope = min(1.0, i / edge, (count - 1 - i) / edge)
            samples.append(int(32767 * LOUDNESS * envelope * math.sin(math.tau * hertz * i / SAMPLE_HZ)))
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_HZ)
        sound.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return file.getvalue()


def build_feedback(config: FeedbackConfig) -> Feedback:
    """The feedback port that `[feedback]` describes; call `start` to use it."""
    match config.kind:
        case "serial":
            return Feedback(SerialPlayer(lambda: open_serial(config.port, config.baud)))
        case "sound":
            return Feedback(SoundPlayer(shutil.which("aplay")))
        case "none":
            return Feedback(SilentPlayer())
