"""A scanner that types, on the keyboard of an X server (XTEST Extension Protocol, XTestFakeInput)."""

import ctypes
from typing import Final

KEY_MS: Final = 3
"""From key to key, as a quick scanner has it. Less would be too quick: of a release and another press of the same key within
2 ms SDL makes a key that repeats itself."""
SHIFT_MS: Final = 1
SHIFT: Final = 0xFFE1
"""The left one (`X11/keysymdef.h`; signs of ASCII are there under their own numbers)."""
RETURN: Final = 0xFF0D

Stroke = tuple[int, bool, int]
"""Number of a key, whether it goes down, and how many milliseconds behind the stroke before."""


class NoDisplay(Exception):
    """The X server does not answer."""


class TypingScanner:
    """Hands the server a whole code with its pauses: the server keeps them, however busy the machine is with others.

    Args:
        display: the server's name.
    """

    def __init__(self, display: str) -> None:
        self._display = display
        self._x11 = ctypes.CDLL("libX11.so.6")
        self._xtst = ctypes.CDLL("libXtst.so.6")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        self._x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
        self._x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
        self._x11.XSync.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self._x11.XKeysymToKeycode.restype = ctypes.c_ubyte
        self._x11.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        self._x11.XkbKeycodeToKeysym.restype = ctypes.c_ulong
        self._x11.XkbKeycodeToKeysym.argtypes = [ctypes.c_void_p, ctypes.c_ubyte, ctypes.c_uint, ctypes.c_uint]
        self._xtst.XTestFakeKeyEvent.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_ulong]

    def scan(self, code: str) -> None:
        """Type a code of ASCII and Enter; all was typed when it returns.

        Raises:
            NoDisplay: there is no server to type at.
        """
        server = self._x11.XOpenDisplay(self._display.encode())
        if not server:
            raise NoDisplay(f"{self._display} does not answer; it was expected to be an X server. Start one.")
        try:
            for sign in (*map(ord, code), RETURN):
                for key, goes_down, behind_ms in self._strokes(server, sign):
                    self._xtst.XTestFakeKeyEvent(server, key, goes_down, behind_ms)
            self._x11.XSync(server, False)
        finally:
            self._x11.XCloseDisplay(server)

    def _strokes(self, server: int, sign: int) -> list[Stroke]:
        key = self._x11.XKeysymToKeycode(server, sign)
        strokes = [(key, True, KEY_MS), (key, False, KEY_MS)]
        if self._x11.XkbKeycodeToKeysym(server, key, 0, 0) == sign:
            return strokes
        shift = self._x11.XKeysymToKeycode(server, SHIFT)
        return [(shift, True, SHIFT_MS), *strokes, (shift, False, SHIFT_MS)]
