# ruff: noqa: ARG002 - all decoders have one interface; this one needs the time only where bytes come
"""Scanners that pose as keyboards: most USB scanners come this way.

The bytes are the kernel's `struct input_event` as read from `/dev/input/event*` (linux/input.h). The device is grabbed, so
what it types reaches nobody else: a malicious barcode cannot operate the desktop. Keys are read as on a US keyboard, which is
how scanners leave the factory; control characters come as Ctrl with a key (GS as Ctrl and `]`) or as Alt with digits.
"""

import struct

from agent.config import ScannerHidConfig
from agent.drivers.decoder import Decoder
from agent.drivers.frames import Outcome, Reason, reject
from agent.drivers.framing import AIM_BYTES, to_code
from agent.drivers.scanner_line import BROKEN_GAP_S, SHORTEST_SCAN_BYTES
from contract.limits import MAX_CODE_BYTES

# Two longs of time, then type, code and value.
EVENT = struct.Struct("@llHHi")
EV_SYN = 0
EV_KEY = 1
SYN_DROPPED = 3
UP, DOWN = 0, 1

# Keyboard scanners send a key every 1 to 20 ms, over radio with pauses.
END_GAP_S = 0.15

KEY_TAB, KEY_ENTER, KEY_KEYPAD_ENTER, KEY_CAPS_LOCK, KEY_NUM_LOCK = 15, 28, 96, 58, 69
END_KEYS = frozenset({KEY_ENTER, KEY_KEYPAD_ENTER, KEY_TAB})
SHIFTS = frozenset({42, 54})
CTRLS = frozenset({29, 97})
ALTS = frozenset({56, 100})

# Rows of the US keyboard: code of the first key, then the characters without and with shift.
ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (55, "*", "*"),
    (57, " ", " "),
    (71, "789-456+1230.", "789-456+1230."),
    (98, "/", "/"),
)
PLAIN = {first + i: char for first, plain, _ in ROWS for i, char in enumerate(plain)}
SHIFTED = {first + i: char for first, _, shifted in ROWS for i, char in enumerate(shifted)}
# Ctrl clears the upper bits of the characters from `@` to DEL: a C0 control character.
FIRST_CONTROLLED = 0x40
C0_MASK = 0x1F
MAX_BYTE = 0xFF


class HidScanner(Decoder):
    """Decoder of `scanner_hid`."""

    def __init__(self, config: ScannerHidConfig) -> None:
        self._aim = config.aim
        self._ends_by_gap = config.end == "gap"
        default_gap_s = END_GAP_S if self._ends_by_gap else BROKEN_GAP_S
        self._gap_s = config.idle_gap_ms / 1000 if config.idle_gap_ms else default_gap_s
        self._events = bytearray()
        self._last_s = 0.0
        self._code = bytearray()
        self._damage: Reason | None = None
        self._alt_digits = ""
        self._held: set[int] = set()
        self._caps = False

    def opened(self, now_s: float) -> list[Outcome]:
        """A new device: no key is held, nothing was begun."""
        out = self._broken()
        self._events.clear()
        self._held.clear()
        self._caps = False
        return out

    def feed(self, data: bytes, now_s: float) -> list[Outcome]:
        """Take input events and give the codes they complete."""
        self._last_s = now_s
        out: list[Outcome] = []
        self._events += data
        whole = len(self._events) - len(self._events) % EVENT.size
        events = bytes(self._events[:whole])
        del self._events[:whole]
        for _, _, kind, code, value in EVENT.iter_unpack(events):
            if kind == EV_SYN and code == SYN_DROPPED:
                self._damage = Reason.OVERRUN
                self._held.clear()
            elif kind == EV_KEY and value in {UP, DOWN}:
                out += self._key(code, down=value == DOWN)
        return out

    def next_deadline(self) -> float | None:
        """The end of the longest pause that a begun code may have."""
        return self._last_s + self._gap_s if self._code or self._damage else None

    def idle(self, now_s: float) -> list[Outcome]:
        """Silence: the end of a code, or of the hope for its rest."""
        return self._finish() if self._ends_by_gap else self._broken()

    def _start(self) -> None:
        self._code = bytearray()
        self._damage = None
        self._alt_digits = ""

    def _key(self, key: int, *, down: bool) -> list[Outcome]:
        if key in SHIFTS | CTRLS | ALTS:
            (self._held.add if down else self._held.discard)(key)
            if key in ALTS and not down:
                self._end_alt()
        elif not down or key == KEY_NUM_LOCK:
            pass
        elif key == KEY_CAPS_LOCK:
            self._caps = not self._caps
        elif key in END_KEYS:
            return self._finish()
        else:
            self._type(key)
        return []

    def _type(self, key: int) -> None:
        shift, ctrl, alt = (bool(self._held & keys) for keys in (SHIFTS, CTRLS, ALTS))
        char = (SHIFTED if shift else PLAIN).get(key, "")
        if self._caps and char.isalpha():
            char = char.swapcase()
        if alt and char.isdigit():
            self._alt_digits = (self._alt_digits + char)[-4:]
        elif ctrl and char and ord(char) >= FIRST_CONTROLLED:
            self._append(ord(char) & C0_MASK)
        elif char and not ctrl and not alt:
            self._append(ord(char))
        else:
            self._damage = self._damage or Reason.UNKNOWN_KEY

    def _end_alt(self) -> None:
        digits, self._alt_digits = self._alt_digits, ""
        if digits and int(digits) <= MAX_BYTE:
            self._append(int(digits))
        elif digits:
            self._damage = self._damage or Reason.UNKNOWN_KEY

    def _append(self, byte: int) -> None:
        if len(self._code) < AIM_BYTES + MAX_CODE_BYTES:
            self._code.append(byte)
        else:
            self._damage = self._damage or Reason.TOO_LONG

    def _finish(self) -> list[Outcome]:
        code, damage = bytes(self._code), self._damage
        self._start()
        if damage:
            return [reject(damage, code, scan=True)]
        return [to_code(code, self._aim)] if code else []

    def _broken(self) -> list[Outcome]:
        code, damage = bytes(self._code), self._damage
        self._start()
        if not code and not damage:
            return []
        if damage or len(code) >= SHORTEST_SCAN_BYTES:
            return [reject(damage or Reason.UNFINISHED, code, scan=True)]
        return [reject(Reason.NOISE, code)]
