import io
import os
import pty
import threading
import tty
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config import FeedbackConfig
from agent.drivers.port import Port, PortGone
from agent.drivers.sink import Signal
from agent.feedback import (
    QUEUE_SIGNALS,
    AlarmTone,
    Alert,
    Feedback,
    FeedbackHealth,
    SerialPlayer,
    SoundPlayer,
    Tone,
    build_feedback,
    wav,
)

PATIENCE_S = 5.0


class HeldPlayer:
    """Shows nothing until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.done = threading.Semaphore(0)
        self.shown: list[Tone] = []

    def play(self, signal: Tone) -> bool:
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S)
        self.shown.append(signal)
        self.done.release()
        return True

    def close(self) -> None:
        self.shown.append(Signal.REFUSED)


def test_signals_never_wait_and_a_full_queue_drops_the_oldest() -> None:
    player = HeldPlayer()
    feedback = Feedback(player, clock=lambda: 0.0)
    feedback.start()
    feedback.signal(Signal.KEPT)
    assert player.begun.wait(PATIENCE_S)
    for signal in [Signal.DUPLICATE, Signal.DUPLICATE] + [Signal.UNEXPECTED] * QUEUE_SIGNALS:
        feedback.signal(signal)
    player.go_on.set()
    for _ in range(1 + QUEUE_SIGNALS):
        assert player.done.acquire(timeout=PATIENCE_S)
    feedback.stop()
    assert player.shown == [Signal.KEPT] + [Signal.UNEXPECTED] * QUEUE_SIGNALS + [Signal.REFUSED]
    assert feedback.health() == FeedbackHealth(shown=1 + QUEUE_SIGNALS, failed=0, dropped=2)


def test_a_signal_that_waited_too_long_is_dropped() -> None:
    now = [0.0]
    player = HeldPlayer()
    player.go_on.set()
    feedback = Feedback(player, clock=lambda: now[0])
    feedback.signal(Signal.KEPT)
    now[0] = 3.0
    feedback.signal(Signal.UNEXPECTED)
    feedback.start()
    assert player.done.acquire(timeout=PATIENCE_S)
    feedback.stop()
    assert player.shown[0] is Signal.UNEXPECTED
    assert feedback.health().dropped == 1


class PaperPort:
    def __init__(self, paper: list[bytes], gone: Callable[[], bool]) -> None:
        self._paper = paper
        self._gone = gone

    def read(self, timeout_s: float) -> bytes:
        return b""

    def write(self, data: bytes) -> bool:
        if self._gone():
            raise PortGone("unplugged")
        self._paper.append(data)
        return True

    def close(self) -> None:
        self._paper.append(b"closed")


def test_a_replugged_feedback_port_is_opened_again_for_the_same_signal() -> None:
    paper: list[bytes] = []
    opened: list[Port] = []

    def open_port() -> Port:
        number = len(opened)
        opened.append(PaperPort(paper, lambda: number == 0 and len(paper) > 0))
        return opened[-1]

    player = SerialPlayer(open_port)
    assert player.play(Signal.KEPT)
    assert player.play(Signal.REFUSED)
    player.close()
    assert paper == [b"KEPT\r\n", b"closed", b"REFUSED\r\n", b"closed"]


def test_a_missing_feedback_port_is_a_failed_signal() -> None:
    def open_port() -> Port:
        raise PortGone("no such port")

    assert not SerialPlayer(open_port).play(Signal.KEPT)


@pytest.mark.parametrize("signal", [*Signal, *Alert])
def test_signals_are_written_to_a_serial_port_as_lines(signal: Tone) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    feedback = build_feedback(FeedbackConfig(kind="serial", port=os.ttyname(slave)))
    feedback.start()
    feedback.signal(signal)
    expected = f"{signal.name}\r\n".encode()
    assert os.read(master, len(expected)) == expected
    feedback.stop()
    os.close(slave)
    os.close(master)


def test_each_signal_has_a_short_tone_of_its_own() -> None:
    tones = {signal: wav(signal) for signal in (*Signal, *Alert)}
    assert len(set(tones.values())) == len(Signal) + len(Alert)
    for tone in tones.values():
        with wave.open(io.BytesIO(tone)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 22_050)
            assert 0.05 < sound.getnframes() / sound.getframerate() < 1.0


def test_sound_goes_through_aplay(tmp_path: Path) -> None:
    aplay = tmp_path / "aplay"
    aplay.write_text(f"#!/bin/sh\ncat > {tmp_path}/played.wav\n")
    aplay.chmod(0o700)
    assert SoundPlayer(str(aplay)).play(Signal.KEPT)
    assert (tmp_path / "played.wav").read_bytes() == wav(Signal.KEPT)


def test_a_sound_program_that_fails_is_a_failed_signal(tmp_path: Path) -> None:
    assert not SoundPlayer(str(tmp_path / "nothing")).play(Signal.KEPT)


def test_without_a_sound_program_and_terminal_nothing_can_be_heard() -> None:
    assert not SoundPlayer(None).play(Signal.KEPT)


def test_no_feedback_is_configured_feedback_too() -> None:
    feedback = build_feedback(FeedbackConfig())
    feedback.signal(Signal.KEPT)
    feedback.stop()
    assert feedback.health() == FeedbackHealth(0, 0, 0)


def test_alarm_sounds_at_once_and_again_every_half_minute_until_it_is_acknowledged() -> None:
    now_s = 0.0
    heard: list[Tone] = []
    tone = AlarmTone(heard.append, clock=lambda: now_s)

    for sounding, at_s in ((True, 0), (True, 29), (True, 30), (False, 40), (False, 70), (True, 71), (True, 72)):
        now_s = at_s
        tone.mind(sounding=sounding)
        heard.append(Signal.KEPT)

    assert [i for i, one in enumerate(heard) if one is Alert.ALARM] == [0, 3, 7]
