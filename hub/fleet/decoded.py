"""A fact as JSON that people and scripts can read: names instead of places, bytes as hex, a scanned code also as text."""

from enum import Enum
from typing import Any

import msgspec

from contract.errors import Malformed
from contract.event import Scan
from contract.fact import decode_core

_BARE_FIELDS = frozenset({"version"})


def readable(core: bytes) -> dict[str, Any] | None:
    """The fact in these bytes by the names of its fields; None where they cannot be read (then `hex` still holds them)."""
    try:
        fact = decode_core(core)
    except Malformed:
        return None
    return {key: value for key, value in _fields(fact).items() if key not in _BARE_FIELDS}


def _fields(thing: msgspec.Struct) -> dict[str, Any]:
    tag = type(thing).__struct_config__.tag
    named = {} if tag is None else {"kind": tag}
    for field in type(thing).__struct_fields__:
        # A scan's own kind says what the code is; the event's kind keeps the name.
        name = "code_kind" if field == "kind" and tag is not None else field
        named[name] = _value(getattr(thing, field))
    if isinstance(thing, Scan):
        named["code_text"] = thing.code.decode("utf-8", "backslashreplace")
    return named


def _value(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return value
