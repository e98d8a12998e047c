"""Any logger's history, judged as the hub judges its own sensors: by the same engine."""

from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from contract.coldchain.engine import judge
from contract.coldchain.findings import Judgement
from contract.coldchain.mkt import Mkt, Window, mkt
from contract.coldchain.presets import PRESETS
from contract.coldchain.profile import Profile
from contract.coldchain.profile_text import MAX_PROFILE_BYTES, read_profile
from contract.errors import ProfileUnusable
from contract.event import Quantity
from hub.coldchain.logger_csv import How, LoggerFile, read_logger_file
from hub.errors import Refused
from hub.web.times import utc

LONGEST_NO_DATA_S: Final = 7 * 86_400
"""As in `contract.coldchain.profile.Profile`."""


class Judged(Struct, frozen=True):
    """A file and what was found in it."""

    path: Path
    profile: Profile
    file: LoggerFile
    judgement: Judgement
    means: tuple[tuple[str, Mkt], ...]


def find_profile(name: str) -> Profile:
    """A preset by its name, or the profile in a file.

    Raises:
        Refused: there is neither, or the file's profile cannot be judged by.
    """
    if name in PRESETS:
        return PRESETS[name]
    path = Path(name)
    if not path.is_file():
        raise Refused(
            f"profile {name!r} is no preset and no file; expected {', '.join(PRESETS)}, or a JSON or TOML file"
        )
    try:
        with path.open("rb") as file:
            return read_profile(file.read(MAX_PROFILE_BYTES + 1))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}") from error
    except ProfileUnusable as error:
        raise Refused(f"{path}: {error}") from error


def judge_file(
    path: Path,
    profile: Profile,
    how: How,
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    no_data_s: int | None = None,
) -> Judged:
    """Judge a logger's CSV.

    Args:
        path: the file.
        profile: what the load may be exposed to.
        how: how the file is to be read; its quantity is the profile's.
        from_ms: since when; None: since the first reading.
        to_ms: until when; None: until the last reading.
        no_data_s: instead of the profile's.

    Raises:
        Refused: the file cannot be read, or the times end before they begin.
    """
    if no_data_s is not None:
        if not 0 < no_data_s <= LONGEST_NO_DATA_S:
            raise Refused(f"--no-data of {no_data_s} s: expected 1 s to 7 days")
        profile = replace(profile, no_data_s=no_data_s)
    file = read_logger_file(path, replace(how, quantity=profile.quantity))
    from_ms = file.times_ms[0] if from_ms is None else from_ms
    to_ms = file.times_ms[-1] if to_ms is None else to_ms
    if to_ms < from_ms:
        raise Refused(
            f"the time to judge ends ({utc(to_ms)}) before it begins ({utc(from_ms)}); exchange --from and --to"
        )
    judgement = judge(profile, file.readings(), from_ms, to_ms)
    means = _means(file, profile, from_ms, to_ms) if profile.quantity is Quantity.TEMPERATURE_C else ()
    return Judged(path, profile, file, judgement, means)


def _means(file: LoggerFile, profile: Profile, from_ms: int, to_ms: int) -> tuple[tuple[str, Mkt], ...]:
    """Of the last 24 h and 30 days where there is as much, and of the whole."""
    windows = {window.value: to_ms - window.span_ms for window in Window if to_ms - window.span_ms > from_ms}
    return tuple(
        (name, mkt(file.readings(), start_ms, to_ms, no_data_s=profile.no_data_s))
        for name, start_ms in {**windows, "whole": from_ms}.items()
    )
