"""Keys that reach a page at times of the test's choosing, however busy the machine is."""

from time import time
from typing import Any, Final

from playwright.sync_api import CDPSession, Page

PERSON_MS: Final = 100
SCANNER_MS: Final = 2
CTRL: Final = 2
VIRTUAL_KEYS: Final = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "]": (221, "")}


class Keyboard:
    """A keyboard whose keys say when they were pressed; a page goes by that."""

    def __init__(self, page: Page) -> None:
        self._devtools: CDPSession = page.context.new_cdp_session(page)
        self._at_s = time()

    def wait(self, ms: float) -> None:
        """Have the next key come so much later."""
        self._at_s += ms / 1000

    def press(self, key: str, *, after_ms: float = PERSON_MS, control: bool = False) -> None:
        """One key, so long after the one before."""
        self._at_s += after_ms / 1000
        code, text = VIRTUAL_KEYS.get(key, (0, key))
        told: dict[str, Any] = {"key": key, "timestamp": self._at_s, "modifiers": CTRL if control else 0}
        if code:
            told["windowsVirtualKeyCode"] = code
        typed = {"type": "rawKeyDown"} if control or not text else {"type": "keyDown", "text": text}
        self._devtools.send("Input.dispatchKeyEvent", {**told, **typed})
        self._devtools.send("Input.dispatchKeyEvent", {**told, "type": "keyUp"})

    def type(self, text: str, *, every_ms: float = PERSON_MS) -> None:
        """Characters one after the other."""
        for character in text:
            self.press(character, after_ms=every_ms)

    def scan(self, text: str) -> None:
        """As a scanner types it, with control characters as keyboards send them, and Enter at the end."""
        for character in text:
            if character == "\x1d":
                self.press("]", after_ms=SCANNER_MS, control=True)
            else:
                self.press(character, after_ms=SCANNER_MS)
        self.press("Enter", after_ms=SCANNER_MS)
