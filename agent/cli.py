"""`holdfast-agent`: parses the command line and calls. What is imported where is a matter of how long a scan takes."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from agent.config import AgentConfig, load_config
from agent.config_error import ConfigError
from agent.socket import AgentLost, LocalClient, NotRunning
from agent.store.errors import FolderInUse, StoreError
from contract.event import Step
from contract.limits import MAX_KEY_CHARS, MAX_TEXT_CHARS
from contract.local import (
    MAX_LISTED,
    AcknowledgeAlarm,
    AddDriver,
    Answer,
    DeviceStatus,
    Drivers,
    GetDrivers,
    GetOutbox,
    GetStatus,
    Kept,
    OutboxPage,
    RecordScan,
    Refused,
    Request,
    Signal,
)

A = TypeVar("A")

DONE, FAILED, WRONG_USAGE = 0, 1, 2
DEFAULT_CONFIG: Final = "agent.toml"
LOCK_PATIENCE_S: Final = 5.0
"""Another command may hold the folder for a moment, or an agent may just be starting or ending."""
LOCK_PAUSE_S: Final = 0.05
M_ARENA_MAX: Final = -8
"""malloc.h of glibc; other C libraries ignore it."""

EXAMPLES: Final = """\
examples:
  holdfast-agent run --config agent.toml
  holdfast-agent status --config agent.toml --json
  holdfast-agent scan 00340123450000000017 --step loaded --config agent.toml
  holdfast-agent outbox --config agent.toml --limit 20
  holdfast-agent identify --hex 5d4331303130... --json
  holdfast-agent drivers list --config agent.toml
  holdfast-agent drivers add scanner_line --port /dev/ttyACM0 --set step=loaded --config agent.toml
  holdfast-agent alarms list --config agent.toml
  holdfast-agent alarms ack 3f9c2a7d51b08e64 --why "door was open" --config agent.toml
"""


class Failed(Exception):
    """Not done; the message is one plain sentence."""


class WrongUsage(Exception):
    """The command line cannot be meant like that; the message says what was expected."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 refused or failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter must not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (Failed, WrongUsage, ConfigError, StoreError, AgentLost, OSError) as error:
        print(f"holdfast-agent: {' '.join(str(error).split())}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, WrongUsage) else FAILED
    except KeyboardInterrupt:
        return FAILED
    return DONE


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="holdfast-agent",
        description="Keeps scans, temperatures and proofs on this device until the hub has committed them.",
        epilog=EXAMPLES,
        formatter_class=raw,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(
        name: str, does: str, example: str, command: Callable[[argparse.Namespace], None]
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=does, description=does, epilog=f"example:\n  holdfast-agent {example}", formatter_class=raw
        )
        sub.set_defaults(command=command)
        return sub

    run = add("run", "Run the device until it is told to end.", "run --config agent.toml", _run)
    _config_option(run)

    status = add("status", "Tell how the device is, whether the agent runs or not.", "status --json", _status)
    _config_option(status)
    _json_option(status)

    scan = add("scan", "Record one scan by hand; returns after the commit.", "scan 4006381333931 --step loaded", _scan)
    scan.add_argument("code", metavar="CODE", help="what the label says")
    scan.add_argument(
        "--step", required=True, choices=[step.value for step in Step], help="what is done with the parcel"
    )
    scan.add_argument("--hex", action="store_true", help="CODE is hexadecimal digits, for codes with control bytes")
    scan.add_argument("--aim", default="", help="AIM symbology identifier such as ]C1")
    scan.add_argument("--place", default="", help="where; the device's own place by default")
    _config_option(scan)
    _json_option(scan)

    outbox = add("outbox", "List kept facts, newest first.", "outbox --limit 20 --json", _outbox)
    outbox.add_argument("--limit", type=int, default=100, help=f"how many (1 to {MAX_LISTED}, default 100)")
    outbox.add_argument("--before", type=int, help="go on from `next_before` of the page before")
    _config_option(outbox)
    _json_option(outbox)

    identify = add("identify", "Say what a scanned code means.", "identify 00340123450000000017 --json", _identify)
    identify.add_argument("code", metavar="CODE", help="the code, with or without an AIM identifier in front")
    identify.add_argument("--hex", action="store_true", help="CODE is hexadecimal digits, for codes with control bytes")
    identify.add_argument("--aim", default="", help="AIM symbology identifier such as ]C1")
    _json_option(identify)

    _drivers_parser(commands)
    _alarms_parser(commands)
    return parser


def _drivers_parser(commands: Any) -> None:
    raw = argparse.RawDescriptionHelpFormatter
    drivers = commands.add_parser(
        "drivers", help="List the drivers, or add one.", description="List the drivers, or add one."
    )
    actions = drivers.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser(
        "list", help="Show ports, last frames, and why frames were rejected.", formatter_class=raw
    )
    listing.set_defaults(command=_drivers_list)
    _config_option(listing)
    _json_option(listing)
    add = actions.add_parser(
        "add",
        help="Append a driver to the configuration; a running agent starts it.",
        epilog="example:\n  holdfast-agent drivers add scanner_line --port /dev/ttyACM0 --set step=loaded --set suffix=crlf",
        formatter_class=raw,
    )
    add.add_argument("kind", metavar="KIND", help="scanner_line, scanner_ssi, scanner_hid, modbus_probe or nmea_gps")
    add.add_argument("--port", help="path of the device")
    add.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="what the kind needs; VALUE as in TOML"
    )
    add.set_defaults(command=_drivers_add)
    _config_option(add)


def _alarms_parser(commands: Any) -> None:
    raw = argparse.RawDescriptionHelpFormatter
    words = "List the alarms that last, or acknowledge one."
    alarms = commands.add_parser("alarms", help=words, description=words)
    actions = alarms.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="Show the alarms that last.", formatter_class=raw)
    listing.set_defaults(command=_alarms_list)
    _config_option(listing)
    _json_option(listing)
    ack = actions.add_parser(
        "ack",
        help="Say that an alarm was seen, and why it is no more worry; it stops sounding.",
        epilog='example:\n  holdfast-agent alarms ack 3f9c2a7d51b08e64 --why "door was open"',
        formatter_class=raw,
    )
    ack.add_argument("alarm", metavar="ALARM", help="its id, as listed")
    ack.add_argument("--why", required=True, help="the reason, for the record")
    ack.set_defaults(command=_alarms_ack)
    _config_option(ack)


def _config_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=Path(DEFAULT_CONFIG), metavar="FILE", help=f"default {DEFAULT_CONFIG}"
    )


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts")


# -- commands ----------------------------------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> None:
    config = load_config(options.config)
    from agent.device import Agent  # noqa: PLC0415 the other commands do without most of it
    from agent.log import bridge_logging  # noqa: PLC0415 the same

    bridge_logging()
    _share_one_heap()
    agent = _patiently(config, lambda: Agent(config, options.config))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: agent.end())
    try:
        agent.start()
        _print_json({"event": "ready"})
        agent.wait()
    finally:
        agent.stop()
    if agent.failure is not None:
        raise Failed(agent.failure)


def _share_one_heap() -> None:
    """With glibc, each of a dozen threads would keep a heap of its own: a megabyte or two that nobody uses."""
    import ctypes  # noqa: PLC0415 the other commands do without threads

    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(M_ARENA_MAX, 1)


def _status(options: argparse.Namespace) -> None:
    from agent.status import status_json, status_lines  # noqa: PLC0415 a scan does without

    config = load_config(options.config)
    status = _expect(DeviceStatus, _ask(config, options.config, GetStatus(), write=False))
    now_ms = time.time_ns() // 1_000_000
    if options.json:
        _print_json(status_json(status, now_ms))
    else:
        _print_lines(status_lines(status, now_ms))


def _scan(options: argparse.Namespace) -> None:
    config = load_config(options.config)
    code = _code(options)
    if not code:
        raise WrongUsage("The code is empty; nothing was kept.")
    request = RecordScan(os.urandom(16), code, Step(options.step), options.aim, options.place)
    kept = _expect(Kept, _ask(config, options.config, request, write=True))
    if options.json:
        _print_json(
            {
                "fact_id": kept.fact_id.hex(),
                "lane": kept.lane.value,
                "n": kept.n,
                "signal": kept.signal.value,
                "kind": kept.kind,
                "parcel": kept.parcel,
                "verdict": kept.verdict.value,
                "problem": kept.problem,
                "vehicle": kept.vehicle,
            }
        )
        return
    note = ", not expected here" if kept.signal is Signal.UNEXPECTED and not kept.problem else ""
    note += f", for {_printable(kept.vehicle)}" if kept.vehicle else ""
    print(f"kept: {kept.kind} {_printable(kept.parcel)} {options.step}{note}")
    if kept.problem:
        print(_printable(kept.problem))


def _outbox(options: argparse.Namespace) -> None:
    from agent.listing import item_json, item_line  # noqa: PLC0415 a scan does without

    config = load_config(options.config)
    if not 1 <= options.limit <= MAX_LISTED:
        raise WrongUsage(f"--limit is {options.limit}; expected 1 to {MAX_LISTED}.")
    page = _expect(OutboxPage, _ask(config, options.config, GetOutbox(options.limit, options.before), write=False))
    if options.json:
        _print_json({"items": [item_json(item) for item in page.items], "next_before": page.next_before})
    else:
        _print_lines(item_line(item) for item in page.items)


def _identify(options: argparse.Namespace) -> None:
    import msgspec  # noqa: PLC0415 with the next one, only here

    from contract.identity import identity_report  # noqa: PLC0415 a scan at a running agent does without

    report = identity_report(_code(options), options.aim)
    if options.json:
        _print_json(msgspec.to_builtins(report))
        return
    print(f"{report.kind}: {_printable(report.key)}")
    _print_lines(f"  ({element.ai}) {element.title}: {_printable(element.value)}" for element in report.elements)
    _print_lines(f"  perhaps {c.name} ({c.confidence}): {c.reason}" for c in report.candidates)
    if report.problem:
        print(f"  {_printable(report.problem)}")


def _drivers_list(options: argparse.Namespace) -> None:
    from agent.status import driver_json, driver_lines  # noqa: PLC0415 a scan does without

    config = load_config(options.config)
    answer = _expect(Drivers, _ask(config, options.config, GetDrivers(), write=False))
    if options.json:
        ports = [{"path": path, "description": description} for path, description in answer.ports]
        _print_json({"drivers": [driver_json(driver) for driver in answer.drivers], "ports": ports})
        return
    _print_lines(driver_lines(answer.drivers) if answer.drivers else ["no drivers are configured"])
    print("ports seen:" if answer.ports else "no ports seen")
    _print_lines(f"  {path}  {_printable(description)}" for path, description in answer.ports)


def _drivers_add(options: argparse.Namespace) -> None:
    config = load_config(options.config)
    lines = [f"kind = {_toml(options.kind)}"]
    if options.port is not None:
        lines.append(f"port = {json.dumps(options.port)}")
    for pair in options.set:
        key, equals, value = pair.partition("=")
        if not equals:
            raise WrongUsage(f"--set {pair}: expected KEY=VALUE, such as step=loaded.")
        lines.append(f"{key.strip()} = {_toml(value.strip())}")
    _ask(config, options.config, AddDriver("\n".join(lines)), write=True)
    print(f"added {options.kind} to {options.config}")


def _alarms_list(options: argparse.Namespace) -> None:
    from agent.cold_words import alarm_json, alarm_line  # noqa: PLC0415 a scan does without

    config = load_config(options.config)
    cold = _expect(DeviceStatus, _ask(config, options.config, GetStatus(), write=False)).cold
    if options.json:
        items = [{"sensor": sensor.sensor, **alarm_json(alarm)} for sensor in cold for alarm in sensor.alarms]
        _print_json({"items": items})
        return
    lines = [alarm_line(sensor.sensor, alarm) for sensor in cold for alarm in sensor.alarms]
    _print_lines(lines or ["no alarm lasts"])


def _alarms_ack(options: argparse.Namespace) -> None:
    config = load_config(options.config)
    if not options.why.strip() or len(options.why) > MAX_TEXT_CHARS:
        raise WrongUsage(f"--why has {len(options.why)} characters; expected a reason of 1 to {MAX_TEXT_CHARS}.")
    request = AcknowledgeAlarm(os.urandom(16), options.alarm[:MAX_KEY_CHARS], options.why)
    _expect(Kept, _ask(config, options.config, request, write=True))
    print(f"acknowledged: {_printable(options.alarm)}")


def _patiently(config: AgentConfig, start: Callable[[], A]) -> A:
    """Take the folder as soon as a command lets go of it; an agent that answers there never will."""
    until_s = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            return start()
        except FolderInUse:
            try:
                LocalClient(config.device.data).close()
            except NotRunning:
                if time.monotonic() > until_s:
                    raise
            else:
                raise
        time.sleep(LOCK_PAUSE_S)


# -- asking ------------------------------------------------------------------------------------------------------------


def _ask(config: AgentConfig, path: Path, request: Request, *, write: bool) -> Answer:
    """Ask the running agent, or do it here with the same code where none runs.

    A recording that lost its agent is asked again with the same id, so it is kept once whatever happened.
    """
    until_s = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            with LocalClient(config.device.data) as client:
                return _taken(client.ask(request))
        except AgentLost:
            if time.monotonic() > until_s:
                raise
        except NotRunning:
            try:
                return _taken(_ask_alone(config, path, request, write=write))
            except FolderInUse:
                if time.monotonic() > until_s:
                    raise
        time.sleep(LOCK_PAUSE_S)


def _ask_alone(config: AgentConfig, path: Path, request: Request, *, write: bool) -> Answer:
    from agent.alone import desk_alone  # noqa: PLC0415 not needed where an agent runs

    if not write and not (config.device.data / "device.db").exists():
        raise Failed(
            f"Nothing was kept in {config.device.data} yet; start the agent with: holdfast-agent run --config {path}"
        )
    with desk_alone(config, path, write=write) as desk:
        return desk.answer(request)


def _taken(answer: Answer) -> Answer:
    if isinstance(answer, Refused):
        raise Failed(answer.why)
    return answer


def _expect(kind: type[A], answer: Answer) -> A:
    if not isinstance(answer, kind):
        raise Failed(f"The agent answered {type(answer).__name__}, expected {kind.__name__}; is it another version?")
    return answer


# -- words -------------------------------------------------------------------------------------------------------------


def _code(options: argparse.Namespace) -> bytes:
    if not options.hex:
        return os.fsencode(options.code)
    try:
        return bytes.fromhex(options.code)
    except ValueError:
        raise WrongUsage(f"--hex {options.code!r}: expected pairs of hexadecimal digits.") from None


def _toml(text: str) -> str:
    """A value as TOML: as it is where it is TOML already, else as a string."""
    import tomllib  # noqa: PLC0415 only where a driver is added

    try:
        tomllib.loads(f"v = {text}")
    except tomllib.TOMLDecodeError:
        return json.dumps(text)
    return text


def _printable(text: str) -> str:
    """Text that cannot move the cursor of a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _print_json(value: object) -> None:
    print(json.dumps(value), flush=True)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
