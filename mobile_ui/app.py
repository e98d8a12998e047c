"""`holdfast-courier`: puts the app together and opens its window."""

import argparse
import gc
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

from mobile_ui.agent_config import ConfigUnusable, data_folder
from mobile_ui.camera import Camera, FileCamera, TestCard
from mobile_ui.core.agent_link import answers
from mobile_ui.demo_van import NoDemo, demo_config

DONE, FAILED = 0, 1
START_S: Final = 15.0
"""A cold start of the agent on a slow card."""
LOOK_S: Final = 0.05
SOUND_S: Final = 0.2
"""Behind the first frame; what the agent tells of the day is drawn before."""
HANDHELD: Final = (480, 800)
DRIVER: Final = "SDL_VIDEODRIVER"
SCREENS: Final = "x11,wayland,kmsdrm"
"""The drivers of SDL that show something."""
SESSIONS: Final = ("DISPLAY", "WAYLAND_DISPLAY")

EXAMPLES: Final = """\
examples:
  holdfast-courier --demo
  holdfast-courier --config agent.toml
  holdfast-courier --config agent.toml --camera parcel.jpg
  KIVY_METRICS_DENSITY=1.5 holdfast-courier --config agent.toml --size 720x1200
"""


class AgentSilent(Exception):
    """The agent was started and does not answer."""


class NoWindow(Exception):
    """The screen gives none."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the app; 0 when it was closed, 1 when it could not be opened, 2 for a wrong command line."""
    options = _parser().parse_args(arguments)
    with _Ending() as ending:
        return _open(options, ending)


def _open(options: argparse.Namespace, ending: "_Ending") -> int:
    started = None
    ends_agent = options.end_agent
    try:
        config = demo_config() if options.demo else options.config
        folder = data_folder(config)
        started = None if answers(folder) else _Started(config, folder)
        camera = TestCard() if options.camera is None else FileCamera(options.camera)
        _open_window(folder, options.size, camera, started, ending)
    except KeyboardInterrupt:
        return DONE
    except (ConfigUnusable, NoDemo, AgentSilent, NoWindow, OSError) as error:
        ends_agent = True
        sys.stderr.write(f"holdfast-courier: {' '.join(str(error).split())}\n")
        return FAILED
    finally:
        if started is not None and ends_agent:
            started.end()
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast-courier",
        description="The courier's app. It talks to the agent of this device, and starts it if none answers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--config", type=Path, default=Path("agent.toml"), metavar="FILE", help="default agent.toml")
    which.add_argument("--demo", action="store_true", help="the van that a demo running in this folder keeps for you")
    parser.add_argument("--size", type=_size, default=HANDHELD, metavar="WxH", help="of the window, default 480x800")
    parser.add_argument(
        "--camera", type=Path, metavar="FILE", help="photos are copies of this file (default: a test card)"
    )
    parser.add_argument(
        "--end-agent", action="store_true", help="end an agent that this command started, at its own end"
    )
    return parser


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected width and height such as 480x800")
    return int(width), int(height)


class _Ending:
    """Ctrl-C or SIGTERM closes the app, also while it starts; once more changes nothing."""

    def __init__(self) -> None:
        self.close: Callable[[], object] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        # Before SDL takes the second for its own, which does so only once it has a window.
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, _signal: int, _frame: object) -> None:
        if self.close is None:
            self.close = lambda: None
            raise KeyboardInterrupt
        self.close()


class _Started:
    """The agent, in a session of its own, so that it goes on recording when the window is closed.

    The window opens meanwhile: a recorder that is not there yet is shown as such.
    """

    def __init__(self, config: Path, folder: Path) -> None:
        command = Path(sys.executable).parent / "holdfast-agent"
        self._log = folder / "agent.log"
        folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as errors:
            self._process = subprocess.Popen(
                [str(command) if command.exists() else "holdfast-agent", "run", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self._folder = folder
        self._until_s = time.monotonic() + START_S

    def is_there(self) -> bool:
        """Whether it answers by now.

        Raises:
            AgentSilent: it never will.
        """
        # Before the answer: another one may have been quicker, and then this one ended because of it.
        ended = self._process.poll() is not None
        if answers(self._folder):
            return True
        if ended or time.monotonic() > self._until_s:
            raise AgentSilent(f"The agent did not start; its last words are in {self._log}.")
        return False

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


def _open_window(
    folder: Path, size: tuple[int, int], camera: Camera, started: _Started | None, ending: _Ending
) -> None:
    # Nothing of the start is garbage yet.
    gc.disable()
    complaints = _hush()
    _settle(size)
    _need_window(complaints)
    from kivy.clock import Clock  # noqa: PLC0415 needs the configuration
    from kivy.core.window import Window  # noqa: PLC0415 the same

    from mobile_ui.sound import Speaker  # noqa: PLC0415 the same
    from mobile_ui.window import CourierApp  # noqa: PLC0415 the same

    speaker = Speaker()
    app = CourierApp(folder, camera=camera, sound=speaker.play, now_ms=lambda: time.time_ns() // 1_000_000)
    failed: list[AgentSilent] = []

    def look(_dt: float) -> bool:
        try:
            return started is not None and not started.is_there()
        except AgentSilent as error:
            failed.append(error)
            app.stop()
            return False

    def drawn(_window: Any) -> None:
        Window.unbind(on_flip=drawn)
        gc.freeze()
        gc.enable()
        Clock.schedule_once(lambda _dt: speaker.load(), SOUND_S)

    Clock.schedule_interval(look, LOOK_S)
    Window.bind(on_flip=drawn)
    ending.close = Clock.create_trigger(lambda _dt: app.stop())
    try:
        app.run()
    finally:
        speaker.close()
    if failed:
        raise failed[0]


def _settle(size: tuple[int, int]) -> None:
    """Say to kivy how it is wanted, before it is imported."""
    # Else it reads the command line, and writes to the home folder.
    os.environ.setdefault("KIVY_NO_ARGS", "1")
    os.environ.setdefault("KIVY_NO_FILELOG", "1")
    os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")
    # Else it looks for xclip and xsel.
    os.environ.setdefault("KIVY_CLIPBOARD", "sdl2")
    # Else it tries one that ends the process where there is no X server.
    os.environ.setdefault("KIVY_WINDOW", "sdl2")
    if sys.platform == "linux" and "ANDROID_ARGUMENT" not in os.environ:
        # Else it opens one that nobody sees where there is no screen.
        os.environ.setdefault(DRIVER, SCREENS)
    from kivy.config import Config  # noqa: PLC0415 before the window

    for key, value in {"width": size[0], "height": size[1], "multisamples": 0}.items():
        Config.set("graphics", key, str(value))
    # No red dots where the right mouse button was pressed.
    Config.set("input", "mouse", "mouse,disable_multitouch")


def _need_window(complaints: list[str]) -> None:
    """Open the window.

    Raises:
        NoWindow: there is none.
    """
    from kivy.core.window import Window  # noqa: PLC0415 it opens by that

    if Window is not None:
        return
    found = re.search(r"^sdl2 - \w+: b?'?(.+?)'?$", "\n".join(complaints), re.MULTILINE)
    reason = "" if found is None or found[1].endswith("not available") else found[1]
    chosen = (*SESSIONS, *([] if os.environ.get(DRIVER) == SCREENS else [DRIVER]))
    shown = ", ".join(f"{name}={os.environ[name]}" for name in chosen if name in os.environ)
    if shown:
        why = f"{shown}: {reason or 'it does not answer, or refuses'}"
    else:
        why = reason or f"neither {' nor '.join(SESSIONS)} is set"
    raise NoWindow(
        f"No window can be opened ({why}). Start the app from a desktop session, or set DISPLAY to its screen."
    )


def _hush() -> list[str]:
    """Keep back kivy's pages of traces for what nobody needs, and for what is better said in a sentence."""
    complaints: list[str] = []

    def tells(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        hushed = text.startswith(("Config:", "Cutbuffer:", "Window: Unable to find"))
        if hushed:
            complaints.append(text)
        return not hushed

    logging.getLogger("kivy").addFilter(tells)
    return complaints


if __name__ == "__main__":
    sys.exit(main())
