"""``holdfast-sim``: simulated devices on pseudo-terminals, from the command line."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from firmware_sim import arguments
from firmware_sim.adapters.feedback_port import FeedbackPort
from firmware_sim.adapters.gps_receiver import GpsReceiver
from firmware_sim.adapters.hid_keys import SUFFIX_KEYS
from firmware_sim.adapters.line_scanner import SUFFIXES, Framing, LineScanner
from firmware_sim.adapters.modbus_probe import ModbusProbe
from firmware_sim.adapters.registers import DEFAULT_MAP, parse_registers
from firmware_sim.adapters.ssi_scanner import SsiScanner
from firmware_sim.arguments import Commands, checked, subcommand
from firmware_sim.clock import Clock, SystemClock
from firmware_sim.demo.cli import add_demo
from firmware_sim.device import Device
from firmware_sim.errors import SimulatorError
from firmware_sim.faults import (
    FEEDBACK_FAULTS,
    GPS_FAULTS,
    HID_FAULTS,
    PROBE_FAULTS,
    SCANNER_FAULTS,
    SSI_FAULTS,
    FaultPlan,
)
from firmware_sim.fleet.cli import add_fleet
from firmware_sim.hand import Habit, Hand
from firmware_sim.host import Host
from firmware_sim.journal import FileJournal, Journal, NoJournal
from firmware_sim.physics.codes import Code, code_stream
from firmware_sim.physics.cold_box import BoxDesign, ColdBox, DoorPlan, Outside
from firmware_sim.physics.van import ROTTERDAM, Van
from firmware_sim.uinput_scanner import require_uinput, run_keyboard

EXAMPLES = """examples:
  holdfast-sim scanner --link /tmp/scanner --seed 7 --rate 2 --journal scans.jsonl
  holdfast-sim scanner --link /tmp/scanner --wait-feedback 5 --faults noise=0.01,split=0.3,unplug=120
  holdfast-sim ssi --link /tmp/ssi --count 100 --faults lost_ack=0.1
  holdfast-sim probe --link /tmp/probe --door 60-600 --faults late=0.05,power_on_85
  holdfast-sim gps --link /tmp/gps --centre 31.2304,121.4737
  holdfast-sim feedback --link /tmp/lamp --journal lamp.jsonl
  holdfast-sim fleet --data hub-data --devices 200 --scans-per-min 6 --seconds 60
  holdfast-sim demo
  holdfast-sim demo --seconds 60 --json

A simulated device prints {"event":"ready",...} on stdout when its port is there, and ends on SIGTERM or SIGINT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 when it was ended, 1 when it could not go on. Wrong usage exits with 2."""
    args = parser().parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    command: Callable[[argparse.Namespace, threading.Event], None] = args.command
    try:
        command(args, stop)
    except SimulatorError as error:
        print(f"holdfast-sim: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="holdfast-sim",
        description="Simulated scanners, probes and receivers that speak their real serial protocols; fleets; the demo.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_scanner, _add_ssi, _add_hid, _add_probe, _add_gps, _add_feedback, add_fleet, add_demo):
        add(commands)
    return top


def _command(
    commands: "Commands[argparse.ArgumentParser]",
    name: str,
    *,
    run: Callable[[argparse.Namespace, threading.Event], None],
    faults: frozenset[str],
    words: str,
    example: str,
) -> argparse.ArgumentParser:
    sub = subcommand(commands, name, words, f"example:\n  holdfast-sim {name} {example}")
    sub.set_defaults(command=run)
    sub.add_argument("--link", type=Path, required=True, metavar="PATH", help="where the port's name is linked")
    sub.add_argument("--seed", type=arguments.seed, default=1, metavar="N", help="decides everything (default 1)")
    sub.add_argument(
        "--faults",
        type=arguments.faults(faults),
        default=FaultPlan(),
        metavar="PLAN",
        help=f"what goes wrong, such as name=value,name=value; known here: {', '.join(sorted(faults))}",
    )
    sub.add_argument("--journal", type=Path, metavar="FILE", help="appends one JSON line per event")
    return sub


def _add_hand(sub: argparse.ArgumentParser) -> None:
    positive = checked(arguments.positive)
    sub.add_argument("--rate", type=positive, default=1.0, metavar="HZ", help="scans per second (default 1)")
    sub.add_argument(
        "--wait-feedback",
        type=positive,
        metavar="S",
        help="scan on only after the feedback, or S seconds; longer than the device ever takes",
    )
    sub.add_argument("--feedback-link", type=Path, metavar="PATH", help="also be a feedback port, linked here")
    sub.add_argument("--count", type=arguments.count, metavar="N", help="stop after N codes, keep the port")
    sub.add_argument(
        "--start", type=arguments.code_number, default=1, metavar="N", help="number of the first code (default 1)"
    )
    sub.add_argument("--code", action="append", default=[], metavar="TEXT", help="scan this code (repeatable)")
    sub.add_argument("--codes", type=Path, metavar="FILE", help="scan these codes, one a line")
    sub.add_argument("--hex", action="store_true", help="--code and --codes are hex (else <GS> stands for 1D)")
    sub.add_argument(
        "--cards", type=checked(arguments.share), default=0.0, metavar="SHARE", help="share of configuration cards"
    )


def _add_scanner(commands: "Commands[argparse.ArgumentParser]") -> None:
    words = "a line scanner: [STX][preamble][AIM id] DATA [ETX][suffix]"
    example = "--link /tmp/scanner --rate 2 --suffix crlf --journal scans.jsonl"
    sub = _command(commands, "scanner", run=_scanner, faults=SCANNER_FAULTS, words=words, example=example)
    _add_hand(sub)
    sub.add_argument("--stx", action="store_true", help="send STX first")
    sub.add_argument("--etx", action="store_true", help="send ETX after the data")
    sub.add_argument("--preamble", default="", metavar="TEXT", help="text before the AIM identifier")
    sub.add_argument("--no-aim", action="store_true", help="leave the AIM identifier out")
    sub.add_argument("--suffix", choices=sorted(SUFFIXES), default="cr", help="what ends a code (default cr)")


def _add_ssi(commands: "Commands[argparse.ArgumentParser]") -> None:
    words = "a Zebra scanner in SSI mode, with ACK, NAK and beeps"
    sub = _command(
        commands,
        "ssi",
        run=_ssi,
        faults=SSI_FAULTS,
        words=words,
        example="--link /tmp/ssi --count 100 --faults lost_ack=0.1",
    )
    _add_hand(sub)
    sub.add_argument("--aim", action="store_true", help="put the AIM identifier before the data")


def _add_hid(commands: "Commands[argparse.ArgumentParser]") -> None:
    words = "a scanner that types like a keyboard (needs /dev/uinput)"
    sub = _command(commands, "hid", run=_hid, faults=HID_FAULTS, words=words, example="--link /tmp/keyboard --rate 0.5")
    _add_hand(sub)
    sub.add_argument("--suffix", choices=sorted(SUFFIX_KEYS), default="enter", help="last key (default enter)")


def _add_probe(commands: "Commands[argparse.ArgumentParser]") -> None:
    words = "a temperature and humidity probe in a cold box, as a Modbus RTU slave"
    sub = _command(
        commands,
        "probe",
        run=_probe,
        faults=PROBE_FAULTS,
        words=words,
        example="--link /tmp/probe --unit 3 --door 60-600",
    )
    positive, number = checked(arguments.positive), checked(arguments.number)
    sub.add_argument("--rate", type=positive, default=1.0, metavar="HZ", help="measurements per second (default 1)")
    sub.add_argument("--unit", type=arguments.unit, default=1, metavar="N", help="slave address (default 1)")
    sub.add_argument(
        "--registers",
        type=checked(parse_registers),
        default=parse_registers(DEFAULT_MAP),
        metavar="MAP",
        help=f"quantity@address:format:scale,... (default {DEFAULT_MAP}; formats s16 u16 f32 f32sw)",
    )
    sub.add_argument("--setpoint", type=number, default=5.0, metavar="C", help="of the box, Celsius (default 5)")
    sub.add_argument("--ambient", type=number, default=22.0, metavar="C", help="mean outside, Celsius (default 22)")
    sub.add_argument("--doors", type=checked(arguments.share), default=1.0, metavar="N", help="openings an hour, 0-1")
    sub.add_argument(
        "--door",
        type=checked(arguments.span),
        action="append",
        default=[],
        metavar="FROM-TO",
        help="door open from second FROM to TO for certain (repeatable)",
    )
    sub.add_argument(
        "--time-scale", type=positive, default=1.0, metavar="X", help="run the box X times faster (default 1)"
    )


def _add_gps(commands: "Commands[argparse.ArgumentParser]") -> None:
    words = "a position receiver in a van on its round, as NMEA 0183"
    sub = _command(
        commands, "gps", run=_gps, faults=GPS_FAULTS, words=words, example="--link /tmp/gps --centre 31.2304,121.4737"
    )
    positive = checked(arguments.positive)
    sub.add_argument("--rate", type=positive, default=1.0, metavar="HZ", help="positions per second (default 1)")
    sub.add_argument(
        "--centre",
        type=checked(arguments.place),
        default=ROTTERDAM,
        metavar="LAT,LON",
        help="middle of the town (default Rotterdam); write --centre=LAT,LON in the south",
    )
    sub.add_argument("--fix-after", type=positive, default=3.0, metavar="S", help="seconds to search (default 3)")


def _add_feedback(commands: "Commands[argparse.ArgumentParser]") -> None:
    words = "a lamp and buzzer: takes lines KEPT, UNEXPECTED, DUPLICATE, REFUSED"
    _command(
        commands,
        "feedback",
        run=_feedback,
        faults=FEEDBACK_FAULTS,
        words=words,
        example="--link /tmp/lamp --journal lamp.jsonl",
    )


def _scanner(args: argparse.Namespace, stop: threading.Event) -> None:
    framing = Framing(args.stx, args.preamble.encode(), not args.no_aim, args.etx, SUFFIXES[args.suffix])
    journal, habit = _journal(args, sync=True), _habit(args)
    device = LineScanner(_codes(args), journal, seed=args.seed, framing=framing, habit=habit, faults=args.faults)
    _run(args, stop, SystemClock(), device, lamp=FeedbackPort(journal, device.hand.signal))


def _ssi(args: argparse.Namespace, stop: threading.Event) -> None:
    journal, habit = _journal(args, sync=True), _habit(args)
    device = SsiScanner(_codes(args), journal, seed=args.seed, aim=args.aim, habit=habit, faults=args.faults)
    _run(args, stop, SystemClock(), device, lamp=FeedbackPort(journal, device.hand.signal))


def _hid(args: argparse.Namespace, stop: threading.Event) -> None:
    require_uinput()
    clock = SystemClock()
    journal = _journal(args, sync=True)
    hand = Hand(_codes(args), journal, _habit(args), args.faults, args.seed)
    host = Host(clock)
    if args.feedback_link is not None:
        host.add(FeedbackPort(journal, hand.signal), args.feedback_link)
    run_keyboard(hand, host, args.link, stop, clock, suffix=args.suffix, ready=lambda: _say_ready(args.link))


def _probe(args: argparse.Namespace, stop: threading.Event) -> None:
    clock = SystemClock()
    box = ColdBox(
        DoorPlan(args.seed, args.doors, tuple(args.door)),
        design=BoxDesign(setpoint_c=args.setpoint),
        outside=Outside(mean_c=args.ambient),
    )
    device = ModbusProbe(
        box,
        _journal(args, sync=False),
        start_ms=clock.now_ms(),
        seed=args.seed,
        unit=args.unit,
        registers=args.registers,
        conversion_ms=max(1, round(1000 / args.rate)),
        time_scale=args.time_scale,
        faults=args.faults,
    )
    _run(args, stop, clock, device)


def _gps(args: argparse.Namespace, stop: threading.Event) -> None:
    clock = SystemClock()
    latitude_deg, longitude_deg = args.centre
    device = GpsReceiver(
        Van(args.seed, latitude_deg=latitude_deg, longitude_deg=longitude_deg),
        _journal(args, sync=False),
        start_ms=clock.now_ms(),
        seed=args.seed,
        rate_hz=args.rate,
        fix_after_ms=round(1000 * args.fix_after),
        faults=args.faults,
    )
    _run(args, stop, clock, device)


def _feedback(args: argparse.Namespace, stop: threading.Event) -> None:
    _run(args, stop, SystemClock(), FeedbackPort(_journal(args, sync=True)))


def _run(
    args: argparse.Namespace, stop: threading.Event, clock: Clock, device: Device, lamp: FeedbackPort | None = None
) -> None:
    host = Host(clock)
    try:
        host.add(device, args.link, seed=args.seed, unplug_s=args.faults.unplug)
        if lamp is not None and args.feedback_link is not None:
            host.add(lamp, args.feedback_link)
        _say_ready(args.link)
        host.run(stop)
    finally:
        host.close()


def _say_ready(link: Path) -> None:
    print(json.dumps({"event": "ready", "link": str(link)}, separators=(",", ":")), flush=True)


def _journal(args: argparse.Namespace, *, sync: bool) -> Journal:
    return NoJournal() if args.journal is None else FileJournal(args.journal, sync=sync)


def _habit(args: argparse.Namespace) -> Habit:
    wait_ms = None if args.wait_feedback is None else round(1000 * args.wait_feedback)
    return Habit(args.rate, wait_ms, args.count)


def _codes(args: argparse.Namespace) -> Iterator[tuple[int, Code]]:
    if args.code or args.codes is not None:
        return iter(enumerate(arguments.given_codes(args.code, args.codes, is_hex=args.hex), args.start))
    return code_stream(args.seed, start=args.start, card_share=args.cards)


if __name__ == "__main__":
    sys.exit(main())
