"""Whom to tell: `notices.toml` in the data folder. Its addresses hold passwords, so nobody but the owner may read it."""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hub.durations import parse_duration_s
from hub.errors import Refused
from hub.notices.finding import Kind

FILE: Final = "notices.toml"
NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
LANGUAGES: Final = ("en", "zh")
MAX_URL_CHARS: Final = 2_048
OTHERS: Final = 0o077


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is told.

    Attributes:
        url: as Apprise reads it (`mailto://`, `mailtos://`, SMS gateways, chat); a secret.
        kinds: of what; empty: of everything.
        places: only of devices and sensors there; empty: from everywhere.
        language: `en` or `zh`.
    """

    name: str
    url: str
    kinds: tuple[Kind, ...] = ()
    places: tuple[str, ...] = ()
    language: str = "en"

    @property
    def masked(self) -> str:
        """Its address as it may be shown: everything behind the scheme can be a secret."""
        scheme, there, _ = self.url.partition("://")
        return f"{scheme}{there}\u2026" if there else "\u2026"

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.masked!r})"


class Rules(msgspec.Struct, frozen=True):
    """When and how to tell.

    Attributes:
        again_ms: after which a finding that nobody acknowledged is told again, first and from then on.
        at_most: how often again.
        silent_ms: a device is told as silent after so long; a tunnel is none.
        link: where people reach the pages; empty: where the hub listens.
        zone: in which times are told.
    """

    again_ms: tuple[int, int] = (15 * 60_000, 60 * 60_000)
    at_most: int = 6
    silent_ms: int = 15 * 60_000
    link: str = ""
    zone: str = "UTC"


class Settings(msgspec.Struct, frozen=True):
    """The whole file."""

    targets: tuple[Target, ...] = ()
    rules: Rules = Rules()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    targets: tuple[Target, ...] = ()
    again_after: str = "15m"
    again_every: str = "1h"
    at_most: int = 6
    silent_after: str = "15m"
    link: str = ""
    zone: str = "UTC"


def read_settings(folder: Path) -> Settings:
    """The settings of a data folder; none where there is no file.

    Raises:
        Refused: the file cannot be used, or others may read it. The message holds no address.
    """
    path = folder / FILE
    try:
        if path.stat().st_mode & OTHERS:
            raise Refused(f"{path} holds passwords and may be read by others; run: chmod 600 {path}")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}") from error
    return _settings(path, text)


def _settings(path: Path, text: str) -> Settings:
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Refused(f"{path}: {error}; docs/notices.md shows what it holds") from error
    names = [check(target).name for target in file.targets]
    if len(set(names)) < len(names):
        raise Refused(f"{path}: two targets have one name; names must differ")
    if not 0 <= file.at_most <= 100:  # noqa: PLR2004 nobody reads more
        raise Refused(f"{path}: at_most = {file.at_most}; expected 0 to 100")
    try:
        ZoneInfo(file.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(f"{path}: there is no time zone {file.zone!r}; expected one such as Asia/Shanghai") from error
    again = (_ms(file.again_after), _ms(file.again_every))
    return Settings(file.targets, Rules(again, file.at_most, _ms(file.silent_after), file.link.rstrip("/"), file.zone))


def _ms(duration: str) -> int:
    return int(parse_duration_s(duration) * 1000)


def check(target: Target) -> Target:
    """The target itself when it can be used.

    Raises:
        Refused: it cannot; the message does not hold the address.
    """
    if not NAME.fullmatch(target.name):
        raise Refused(f"target {target.name!r}: a name is 1 to 64 letters, digits, dots, dashes and underscores")
    if "://" not in target.url or len(target.url) > MAX_URL_CHARS or not target.url.isprintable():
        raise Refused(f"target {target.name}: expected an address such as mailtos://USER:PASSWORD@HOST?to=SOMEBODY")
    if target.language not in LANGUAGES:
        raise Refused(f"target {target.name}: language {target.language!r}; expected en or zh")
    return target


def add_target(folder: Path, target: Target) -> None:
    """Add a target at the end of the file; what stands there already stays as it is.

    Raises:
        Refused: it cannot be used, or there is one of that name.
    """
    check(target)
    if any(there.name == target.name for there in read_settings(folder).targets):
        raise Refused(f"there is a target {target.name!r} already; choose another name")
    path = folder / FILE
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    _write(path, before + ("\n" if before else "") + _block(target), target.name, there=True)


def remove_target(folder: Path, name: str) -> None:
    """Take a target out of the file.

    Raises:
        Refused: there is none of that name.
    """
    path = folder / FILE
    if all(target.name != name for target in read_settings(folder).targets):
        raise Refused(f"there is no target {name!r}; `holdfast-hub notices list` shows who there is")
    head, *blocks = re.split(r"(?m)^(?=\[\[\s*targets\s*\]\])", path.read_text(encoding="utf-8"))
    kept = [block for block in blocks if tomllib.loads(block)["targets"][0]["name"] != name]
    _write(path, head + "".join(kept), name, there=False)


def _block(target: Target) -> str:
    def text(value: str) -> str:
        # A TOML basic string is a JSON string, but for characters that are refused before.
        return json.dumps(value, ensure_ascii=False)

    def texts(values: tuple[str, ...]) -> str:
        return f"[{', '.join(map(text, values))}]"

    lines = ["[[targets]]", f"name = {text(target.name)}", f"url = {text(target.url)}"]
    if target.kinds:
        lines.append(f"kinds = {texts(tuple(kind.value for kind in target.kinds))}")
    if target.places:
        lines.append(f"places = {texts(target.places)}")
    lines.append(f"language = {text(target.language)}")
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str, name: str, *, there: bool) -> None:
    """Put a new file in the place of the old; never readable by others, not even for a moment.

    Raises:
        Refused: people wrote the file in a form in which this text does not do what was asked; it stays as it is.
    """
    try:
        done = any(target.name == name for target in _settings(path, text).targets) is there
    except Refused:
        done = False
    if not done:
        raise Refused(f"{path} was written by hand in a form that this cannot change; change target {name!r} there")
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
