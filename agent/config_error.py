"""What is wrong with a configuration, in the words of the person who wrote it."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec.inspect import EnumType, LiteralType, StructType, UnionType, type_info

_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<place>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*)`")
_SECRET = "credential"  # noqa: S105 the name of a key, to keep its value out of messages


class ConfigError(Exception):
    """The configuration cannot be used; the message names file, key, value and what was expected."""


def explain(message: str, tables: Mapping[str, Any], kind: type) -> str:
    """Turn msgspec's message about `tables` into one that names key, value and what was expected of it."""
    match = _PLACE.fullmatch(message)
    what, place = (match["what"], match["place"] or "") if match else (message, "")
    value: Any = tables
    info: Any = type_info(kind)
    for step in _STEP.finditer(place):
        value, info = _into(value, info, step["key"], step["index"])
    if unknown := _UNKNOWN.fullmatch(what):
        name, legal = unknown["key"], _legal(_record(info, value))
        place, value, what = f"{place}.{name}", value.get(name), f"unknown key; expected one of {legal}"
    elif what.startswith("Invalid"):
        what = f"expected one of {_legal(info)}"
    key = place.removeprefix(".")
    if isinstance(value, Mapping | list) or value is None:
        return f"{key}: {what}" if key else what
    return f"{key} = {'(hidden)' if key.endswith(_SECRET) else repr(value)}: {what}"


def _into(value: Any, info: Any, key: str | None, index: str | None) -> tuple[Any, Any]:
    """Go one step down in the given tables and in what is legal there."""
    if index is not None:
        return value[int(index)], getattr(info, "item_type", info)
    record = _record(info, value)
    below = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(record, UnionType):
        return below, record
    fields = {field.encode_name: field.type for field in getattr(record, "fields", ())}
    return below, fields.get(key)


def _record(info: Any, value: Any) -> Any:
    """The struct that `value` should be: in a union the one its tag chooses, or the union itself."""
    if not isinstance(info, UnionType):
        return info
    structs = [member for member in info.types if isinstance(member, StructType)]
    tagged = [s for s in structs if isinstance(value, Mapping) and s.tag == value.get(s.tag_field)]
    return next(iter(tagged), structs[0] if len(structs) == 1 else info)


def _legal(info: Any) -> str:
    """The words that would have been right."""
    words: list[object]
    match info:
        case StructType():
            words = [field.encode_name for field in info.fields]
        case EnumType():
            words = [member.value for member in info.cls]
        case LiteralType():
            words = list(info.values)
        case UnionType():
            words = [word for member in info.types for word in _words_of_member(member)]
        case _:
            words = []
    return ", ".join(map(str, words))


def _words_of_member(member: Any) -> list[Any]:
    if isinstance(member, StructType):
        return [member.tag]
    return list(member.values) if isinstance(member, LiteralType) else []
