"""The words of the command line, parsed into values; every refusal says what was expected."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from firmware_sim.errors import SimulatorError
from firmware_sim.faults import FaultPlan, parse_faults
from firmware_sim.physics.codes import CODE_128, MAX_NUMBER, MAX_SEED, Code

AIM_LENGTH = 3
MAX_UNIT = 247
GS_WORD = "<GS>"

T = TypeVar("T")

Commands = argparse._SubParsersAction  # noqa: SLF001 argparse has no public name for it


def subcommand(
    commands: "Commands[argparse.ArgumentParser]", name: str, words: str, examples: str
) -> argparse.ArgumentParser:
    """Add a subcommand that says in `words` what it is, and how it is used by `examples`."""
    return commands.add_parser(
        name,
        help=words,
        description=f"{words[0].upper()}{words[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Make a parser's ValueError the message that argparse shows."""

    def parse_argument(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_argument


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser for a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise ValueError(f"{text!r}: expected a whole number from {low} to {high}")
        return int(text)

    return checked(parse)


def positive(text: str) -> float:
    """Parse a number above 0."""
    return _number(text, above=0.0)


def share(text: str) -> float:
    """Parse a share from 0 to 1."""
    value = number(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r}: expected a share from 0 to 1")
    return value


def number(text: str) -> float:
    """Parse a finite number."""
    return _number(text, above=-math.inf)


def _number(text: str, above: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not above < value < math.inf:
        raise ValueError(f"{text!r}: expected a number" + (" above 0" if above == 0 else ""))
    return value


def place(text: str) -> tuple[float, float]:
    """Parse ``LATITUDE,LONGITUDE`` in degrees."""
    parts = text.split(",")
    latitude, longitude = (number(part) for part in parts) if len(parts) == 2 else (math.nan, math.nan)  # noqa: PLR2004 a pair
    # Streets need some room between the meridians.
    if not (abs(latitude) <= 80 and abs(longitude) <= 180):  # noqa: PLR2004 limits in degrees
        raise ValueError(f"{text!r}: expected LATITUDE,LONGITUDE such as 51.9244,4.4777")
    return latitude, longitude


def span(text: str) -> tuple[float, float]:
    """Parse ``FROM-TO`` in seconds."""
    start, _, end = text.partition("-")
    try:
        pair = float(start), float(end)
    except ValueError:
        pair = (math.nan, math.nan)
    if not 0 <= pair[0] < pair[1]:
        raise ValueError(f"{text!r}: expected seconds FROM-TO such as 60-180")
    return pair


def faults(known: frozenset[str]) -> Callable[[str], FaultPlan]:
    """Return a parser for the faults one kind of device can have."""
    return checked(lambda text: parse_faults(text, known))


def given_codes(texts: Sequence[str], file: Path | None, *, is_hex: bool) -> list[Code]:
    """Return the codes that were asked for one by one.

    A code is text or hex, after an AIM identifier such as ``]C1`` if it has one (else Code 128); in text
    ``<GS>`` stands for the group separator.

    Raises:
        SimulatorError: The file cannot be read, or a code cannot be sent.
    """
    lines = list(texts)
    if file is not None:
        try:
            lines += [line for line in file.read_text("utf-8").split("\n") if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise SimulatorError(f"cannot read the codes in {file}: {error}") from error
    return [_code(line.rstrip("\r"), is_hex=is_hex) for line in lines]


def _code(text: str, *, is_hex: bool) -> Code:
    has_aim = text.startswith("]") and len(text) > AIM_LENGTH and text[:AIM_LENGTH].isascii()
    aim, body = (text[:AIM_LENGTH], text[AIM_LENGTH:]) if has_aim else (CODE_128, text)
    try:
        data = bytes.fromhex(body) if is_hex else body.replace(GS_WORD, "\x1d").encode()
    except ValueError:
        raise SimulatorError(f"code {text!r}: expected hex such as 3031 after --hex") from None
    if not data:
        raise SimulatorError("an empty code cannot be sent")
    return Code(data, aim)


seed = whole(0, MAX_SEED)
unit = whole(1, MAX_UNIT)
count = whole(0, MAX_NUMBER)
code_number = whole(1, MAX_NUMBER)
