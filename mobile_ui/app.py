"""`holdfast-courier`: puts the app together and opens its window."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobile_ui.agent_config import ConfigUnusable, data_folder
from mobile_ui.camera import Camera, FileCamera, TestCard
from mobile_ui.core.agent_link import answers
from mobile_ui.demo_van import NoDemo, demo_config

DONE, FAILED = 0, 1
START_S: Final = 15.0
"""A cold start of the agent on a slow card."""
LOOK_S: Final = 0.05
HANDHELD: Final = (480, 800)

EXAMPLES: Final = """\
examples:
  holdfast-courier --demo
  holdfast-courier --config agent.toml
  holdfast-courier --config agent.toml --camera parcel.jpg
  KIVY_METRICS_DENSITY=1.5 holdfast-courier --config agent.toml --size 720x1200
"""


class AgentSilent(Exception):
    """The agent was started and does not answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the app; 0 when it was closed, 1 when it could not be opened, 2 for a wrong command line."""
    options = _parser().parse_args(arguments)
    try:
        config = demo_config() if options.demo else options.config
        folder = data_folder(config)
        started = None if answers(folder) else _start_agent(config, folder)
    except (ConfigUnusable, NoDemo, AgentSilent, OSError) as error:
        sys.stderr.write(f"holdfast-courier: {' '.join(str(error).split())}\n")
        return FAILED
    try:
        _open_window(folder, options.size, TestCard() if options.camera is None else FileCamera(options.camera))
    finally:
        if started is not None and options.end_agent:
            started.terminate()
            started.wait()
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


def _start_agent(config: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """Start the agent in a session of its own, so that it goes on recording when the window is closed."""
    command = Path(sys.executable).parent / "holdfast-agent"
    log = folder / "agent.log"
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [str(command) if command.exists() else "holdfast-agent", "run", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and process.poll() is None:
        if answers(folder):
            return process
        time.sleep(LOOK_S)
    if process.poll() is None:
        process.terminate()
    process.wait()
    raise AgentSilent(f"The agent did not start; its last words are in {log}.")


def _open_window(folder: Path, size: tuple[int, int], camera: Camera) -> None:
    # Kivy reads the command line and writes to the home folder on import, unless told otherwise.
    os.environ.setdefault("KIVY_NO_ARGS", "1")
    os.environ.setdefault("KIVY_NO_FILELOG", "1")
    os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")
    # Else it looks for xclip and xsel, and complains where neither is installed.
    os.environ.setdefault("KIVY_CLIPBOARD", "sdl2")
    from kivy.config import Config  # noqa: PLC0415 before the window

    for key, value in {"width": size[0], "height": size[1], "multisamples": 0}.items():
        Config.set("graphics", key, str(value))
    # No red dots where the right mouse button was pressed.
    Config.set("input", "mouse", "mouse,disable_multitouch")
    from kivy.clock import Clock  # noqa: PLC0415 needs the configuration

    from mobile_ui.sound import Speaker  # noqa: PLC0415 the same
    from mobile_ui.window import CourierApp  # noqa: PLC0415 opens the window

    speaker = Speaker()
    Clock.schedule_once(lambda _dt: speaker.load(), 0.1)
    try:
        CourierApp(folder, camera=camera, sound=speaker.play, now_ms=lambda: time.time_ns() // 1_000_000).run()
    finally:
        speaker.close()


if __name__ == "__main__":
    sys.exit(main())
