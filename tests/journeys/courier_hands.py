"""The courier's app in a window of an X server without a screen, and a person before it who sees, points and types."""

import json
import os
import random
import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from PIL import Image

from firmware_sim.processes import Program
from tests.journeys.typing_scanner import TypingScanner
from tests.journeys.world import PATIENCE_S, wait_until

T = TypeVar("T")

TOOLS = ("Xvfb", "xdotool")
WIDTH, HEIGHT = 480, 800
SCREEN = ("-screen", "0", f"{WIDTH}x{HEIGHT}x24")
SCROLL_BUTTONS = {"down": "5", "up": "4"}
PICTURES = Path(os.environ.get("HOLDFAST_PICTURES", "build/screenshots"))
"""Where pictures of what was seen are left."""
EYES = Path(__file__).with_name("eyes.py")
PATIENT_S = 60.0
"""A screen comes within a second when all is well, and much later on a machine that is busy with others."""
LOOK_S = 0.02
COMES_S = 0.6
"""What follows a tap begins within this time."""
STILL_LOOKS = 4
"""So often is a screen looked at that does not move, until what it was told must have moved it: told, moved, laid out, seen."""
FROM_KEYS_TO_SCANNER_S = 2.0
"""Nobody signs on by keys and scans a parcel sooner; the app takes what is typed without such a rest for one line."""
SEES_S = 0.15
"""Nobody sees something new and taps it sooner."""


class Display:
    """An X server of our own, with room for one window; what it shows is in a file of `folder`."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in TOOLS if shutil.which(name) is None]
        assert not missing, f"{', '.join(missing)}: not installed; `scripts/setup test` does it"
        self._folder = folder

    def __enter__(self) -> Self:
        read, write = os.pipe()
        self._process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), *SCREEN, "-nolisten", "tcp", "-fbdir", str(self._folder)],
            pass_fds=(write,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as told:
            self.name = f":{told.readline().strip()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def picture(self) -> Image.Image:
        """What is on the screen, from the file's XWD (version 7): a header of big-endian words, colours, lines."""
        data = (self._folder / "Xvfb_screen0").read_bytes()
        words = struct.unpack(">25I", data[:100])
        header, width, height, line, colours = words[0], words[4], words[5], words[12], words[19]
        return Image.frombytes("RGB", (width, height), data[header + 12 * colours :], "raw", "BGRX", line)


@dataclass(frozen=True, slots=True)
class Shown:
    """Something on the screen."""

    kind: str
    text: str
    x: int
    y: int
    width: int
    height: int
    ink: list[float]
    focus: bool
    whole: bool
    """Nothing of it is scrolled away."""

    @property
    def middle(self) -> tuple[int, int]:
        """Where one points."""
        return self.x + self.width // 2, self.y + self.height // 2


class Person:
    """Has the app before them; sees it by the words it shows, and moves pointer and keys of the X server."""

    def __init__(self, config: Path, display: Display, camera: Path, logs: Path) -> None:
        self._display = display
        self._home = config.parent / "kivy"
        (self._home / "mods").mkdir(parents=True)
        (self._home / "config.ini").write_text("[modules]\neyes =\n")
        shutil.copyfile(EYES, self._home / "mods" / "eyes.py")
        self._file = self._home / "shown.json"
        self._scanner = TypingScanner(display.name)
        self._env = {
            "DISPLAY": display.name,
            "KIVY_HOME": str(self._home),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "SDL_AUDIODRIVER": "dummy",
            "SDL_VIDEODRIVER": "x11",
            "HOLDFAST_SHOWN": str(self._file),
        }
        self._tapped = "tapped nothing"
        self._tapped_s = 0.0
        self._typed_s = 0.0
        self.app = Program("courier", ("holdfast-courier", "--config", str(config), "--camera", str(camera)), logs=logs)

    def open(self, *, trap: bool = False) -> None:
        """Open the app and wait for its window."""
        self._file.unlink(missing_ok=True)
        self.app.env = {**self._env, **({"HOLDFAST_TRAP": "1"} if trap else {})}
        self.app.start()
        wait_until(lambda: self._file.exists() or not self.app.is_running, "the app shows something")
        assert self.app.is_running, self.app.last_words()

    def kill(self) -> None:
        """As when the battery falls out."""
        self.app.kill()

    # -- seeing ----------------------------------------------------------------------------------------------------

    def sees(self) -> list[Shown]:
        """All that is shown."""
        return [Shown(**one) for one in json.loads(self._file.read_text())]

    def reads(self) -> str:
        """All words."""
        return "\n".join(one.text for one in self.sees())

    def waits(self, part: str) -> str:
        """Wait until something is read; all words."""
        return self.until(lambda: words if part in (words := self.reads()) else "", f"{part!r} is shown")

    def until(self, check: Callable[[], T | None], what: str) -> T:
        """Wait for something; where it does not come, tell what was shown instead, and leave a picture."""
        give_up_s = time.monotonic() + PATIENT_S
        shown: dict[str, None] = {}
        while not (found := check()):
            shown[self.reads()] = None
            assert self.app.is_running, self.app.last_words()
            if time.monotonic() > give_up_s:
                self.keeps("missed")
                raise AssertionError(f"not within {PATIENT_S:.0f} s: {what}\n{self._tapped}\nshown was: {[*shown]}")
            time.sleep(LOOK_S)
        return found

    def find(self, text: str, kind: str = "") -> Shown | None:
        """A thing with these words, a whole match before a part, the topmost first."""
        there = [one for one in self.sees() if kind in ("", one.kind)]
        return next(
            iter([one for one in there if one.text == text] or [one for one in there if text in one.text]), None
        )

    def keeps(self, name: str) -> None:
        """Leave a picture of the screen."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self._display.picture().save(PICTURES / f"day-app-{name}.png")

    # -- pointing --------------------------------------------------------------------------------------------------

    def tap(self, text: str, kind: str = "Tap") -> None:
        """Point at words, scrolling to them first."""
        at = self.reach(text, kind)
        while (left_s := self._file.stat().st_mtime + SEES_S - time.time()) > 0:
            time.sleep(left_s)
            at = self.reach(text, kind)
        self._tapped = f"tapped last: {at}"
        self.point(at)

    def choose(self, text: str) -> None:
        """Point at one of several, and see it chosen: it is then as strong as the way on."""

        def is_chosen() -> bool:
            option, way_on = self.find(text, "Tap"), self.find("Next", "Tap")
            return option is not None and way_on is not None and option.ink == way_on.ink

        if not is_chosen():
            self.tap(text)
            self.until(is_chosen, f"{text!r} is chosen")

    def reach(self, text: str, kind: str) -> Shown:
        """Something that is wholly on the screen, after scrolling there."""
        give_up_s = time.monotonic() + PATIENT_S
        way = "down"
        while True:
            found = self.find(text, kind)
            if found is not None and found.whole:
                return found
            assert self.app.is_running, self.app.last_words()
            if time.monotonic() > give_up_s:
                self.keeps("missed")
                raise AssertionError(f"no {kind} {text!r}\n{self._tapped}\nshown is: {self.reads()!r}")
            if time.monotonic() < self._tapped_s + COMES_S:
                # What was tapped is still to be followed by another screen.
                time.sleep(LOOK_S)
                continue
            if found is not None:
                way = "down" if found.y > HEIGHT // 2 else "up"
            if not self.scroll(way) and found is None:
                way = "up" if way == "down" else "down"

    def scroll(self, way: str) -> bool:
        """Turn the wheel by one notch; whether anything moved."""
        before, looks = self._file.stat().st_mtime_ns, self._still_looks()
        self._do("mousemove", str(WIDTH // 2), str(HEIGHT // 2), "click", SCROLL_BUTTONS[way])
        self.until(lambda: self._still_looks() - looks >= STILL_LOOKS, "the app stands still")
        return self._file.stat().st_mtime_ns != before

    def _still_looks(self) -> int:
        return int(self._file.with_suffix(".still").stat().st_mtime)

    def point(self, at: Shown) -> None:
        """A tap as long as a finger's."""
        x, y = at.middle
        self._do("mousemove", str(x), str(y), "mousedown", "1", "sleep", "0.04", "mouseup", "1")
        self._tapped_s = time.monotonic()

    def draw(self, rng: random.Random) -> None:
        """A signature of one stroke on the pad."""
        pad = self.reach("", "SignaturePad")
        places = [
            (pad.x + 30 + n * (pad.width - 60) // 8, pad.y + rng.randrange(40, pad.height - 40)) for n in range(9)
        ]
        words = ["mousemove", str(places[0][0]), str(places[0][1]), "mousedown", "1"]
        for x, y in places[1:]:
            words += ["sleep", "0.02", "mousemove", str(x), str(y)]
        self._do(*words, "sleep", "0.02", "mouseup", "1")

    # -- typing ----------------------------------------------------------------------------------------------------

    def scan(self, code: str) -> None:
        """With a scanner that types."""
        time.sleep(max(0.0, self._typed_s + FROM_KEYS_TO_SCANNER_S - time.monotonic()))
        self._scanner.scan(code)

    def scan_until(self, code: str, part: str) -> None:
        """Scan, once, and read what comes of it."""
        self.scan(code)
        self.waits(part)

    def fill(self, text: str) -> None:
        """Type into the only field, or the first."""
        self.point(self.reach("", "Field"))
        # It has the focus a moment after the finger.
        self.until(lambda: any(one.focus for one in self.sees()), "the field has the focus")
        self._do("type", "--delay", "8", text)
        self._typed_s = time.monotonic()
        self.until(lambda: self.find(text, "Field"), f"{text!r} is typed")

    def _do(self, *words: str) -> None:
        done = subprocess.run(
            ["xdotool", *words],
            env={**os.environ, "DISPLAY": self._env["DISPLAY"]},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
