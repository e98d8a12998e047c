"""A scanner that types: a keyboard made with Linux uinput, and the hand that scans with it."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from firmware_sim.adapters.hid_keys import EV_KEY, KEY_LEFTCTRL, KEY_LEFTSHIFT, STROKES, SUFFIX_KEYS, KeyEvent, type_out
from firmware_sim.clock import Clock
from firmware_sim.errors import SimulatorError
from firmware_sim.hand import Hand, Scan
from firmware_sim.host import LOOK_S, Host

UINPUT = Path("/dev/uinput")
NAME = "Holdfast simulated scanner"


def run_keyboard(
    hand: Hand,
    host: Host,
    link: Path,
    stop: threading.Event,
    clock: Clock,
    *,
    suffix: str,
    ready: Callable[[], None],
) -> None:
    """Type a hand's codes until ``stop`` is set.

    A keyboard does not know whether anyone reads it: scanning starts at once.

    Args:
        hand: Draws the codes; only bytes with a key can be typed.
        host: Hosts the feedback port, if there is one.
        link: Where the event device is linked.
        stop: Ends the run.
        clock: Time.
        suffix: The key after each code, one of ``SUFFIX_KEYS``.
        ready: Called when the keyboard is there.

    Raises:
        SimulatorError: There is no uinput here, it may not be used, or a code has bytes that no key makes.
    """
    with _keyboard(link) as keyboard:
        ready()
        hand.opened(clock.now_ms())
        try:
            while not stop.is_set():
                if (scan := hand.draw(clock.now_ms())) is not None:
                    for event in _typed(scan, suffix):
                        keyboard.write(*event)
                host.step(LOOK_S)
        finally:
            hand.closed(clock.now_ms(), unplugged=True, unsent=())
            host.close()


def require_uinput() -> None:
    """Refuse early where the kernel offers no simulated keyboards.

    Raises:
        SimulatorError: There is no uinput device file.
    """
    if not UINPUT.exists():
        raise SimulatorError(f"this machine has no {UINPUT}, so no keyboard can be simulated (try modprobe uinput)")


def _typed(scan: Scan, suffix: str) -> Sequence[KeyEvent]:
    try:
        return type_out(scan.code.aim.encode() + scan.wire, suffix)
    except ValueError as error:
        raise SimulatorError(f"code {scan.number} cannot be typed: {error}") from error


@contextlib.contextmanager
def _keyboard(link: Path) -> Iterator[Any]:
    require_uinput()
    # Imported here: everything else works on systems without evdev.
    from evdev import UInput, UInputError  # noqa: PLC0415 only Linux has it

    modifiers = [KEY_LEFTCTRL, KEY_LEFTSHIFT]
    keys = sorted({*(s.key for s in STROKES.values()), *modifiers, *(k for ks in SUFFIX_KEYS.values() for k in ks)})
    try:
        keyboard = UInput({EV_KEY: keys}, name=NAME)
    except (UInputError, OSError) as error:
        raise SimulatorError(f"cannot use {UINPUT}: {error}") from error
    with keyboard:
        try:
            link.unlink(missing_ok=True)
            link.symlink_to(keyboard.device.path)
        except OSError as error:
            raise SimulatorError(f"cannot link {link}: {error.strerror}") from error
        try:
            yield keyboard
        finally:
            link.unlink(missing_ok=True)
