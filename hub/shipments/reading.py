"""Files of orders, line by line: CSV as spreadsheets write it, or JSON. Pure.

A line that cannot be used stops nothing: it is told with its number, and the others go on.
"""

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Raw, Struct

from hub.errors import Refused
from hub.said import Said
from hub.shipments.order import FIELDS, Order, Unusable, Wrong, parse_order

MAX_FILE_BYTES: Final = 32 * 1024 * 1024
MAX_ORDERS: Final = 50_000
"""Of one file: a minute's work; more is split, so that a mistake stays small."""
MAX_LINES: Final = 20 * MAX_ORDERS
"""Of CSV, those within quotes and the empty ones included."""
MAX_VALUES: Final = 40 * MAX_ORDERS
"""Of JSON: what the whole of it takes in memory is bounded before any of it is read."""
MAX_NAMED: Final = 10
"""Columns that are told to be unknown."""
DELIMITERS: Final = ",;\t"
_REST: Final = "more values than columns"
_UNREADABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_list: Final = msgspec.json.Decoder(list[Raw])
_object: Final = msgspec.json.Decoder(dict[str, Raw])
# Else csv stops at 128 KiB, in the middle of a file; a field too long is for whoever checks the order.
csv.field_size_limit(MAX_FILE_BYTES)


class BadLine(Struct, frozen=True):
    """A line of which nothing was kept. Lines of CSV count from 1, the header's line included; orders of JSON from 1."""

    line: int
    reference: str
    wrong: tuple[Wrong, ...]


class FileRead(Struct, frozen=True):
    """What a file holds: orders that can be used, each with its line, and the lines that cannot."""

    orders: tuple[tuple[int, Order], ...]
    bad: tuple[BadLine, ...]


def read_file(data: bytes, zone: ZoneInfo, *, as_json: bool) -> FileRead:
    """Read a whole file.

    Raises:
        Refused: it is no such file at all.
    """
    if len(data) > MAX_FILE_BYTES:
        raise Refused(
            Said(
                "a file of {n} bytes; at most {most} are taken at once, so send it in parts",
                n=len(data),
                most=MAX_FILE_BYTES,
            )
        )
    lines = _json_lines(data) if as_json else _csv_lines(data)
    orders: list[tuple[int, Order]] = []
    bad: list[BadLine] = []
    first: dict[tuple[str, str], int] = {}
    parcels: dict[str, int] = {}
    for line, fields in lines:
        try:
            order = _order(fields, zone)
            _refuse_repeated(line, order, first, parcels)
        except Unusable as error:
            reference = fields.get("reference") if isinstance(fields, dict) else ""
            bad.append(BadLine(line, str(reference or "")[:80], error.wrong))
        else:
            orders.append((line, order))
    return FileRead(tuple(orders), tuple(bad))


def _order(fields: object, zone: ZoneInfo) -> Order:
    if isinstance(fields, Unusable):
        raise fields
    if not isinstance(fields, dict):
        raise Unusable((Wrong("order", str(fields)[:80], "an object with the keys " + ", ".join(FIELDS)),))
    return parse_order(fields, zone)


def _refuse_repeated(line: int, order: Order, first: dict[tuple[str, str], int], parcels: dict[str, int]) -> None:
    """Within one file nobody can say which of two lines is meant."""
    name = order.shipper, order.reference
    if name in first:
        raise Unusable(
            (
                Wrong(
                    "reference", order.reference, Said("each reference once; line {line} has it too", line=first[name])
                ),
            )
        )
    for item in order.items:
        if item.parcel in parcels:
            expected = Said("each parcel once; line {line} has it too", line=parcels[item.parcel])
            raise Unusable((Wrong("parcels", item.code, expected),))
    first[name] = line
    parcels |= dict.fromkeys((item.parcel for item in order.items), line)


def _refuse_many(number: int, most: int, what: str) -> None:
    if number > most:
        raise Refused(
            Said("more than {most} {what} in one file; send it in parts. Nothing was kept", most=most, what=what)
        )


def _json_lines(data: bytes) -> Iterator[tuple[int, object]]:
    data = data.removeprefix(BOM_UTF8)
    _refuse_many(sum(map(data.count, (b",", b"[", b"{"))), MAX_VALUES, Said("values"))
    wanted = Said("expected a list of shipments, or an object that has it as “shipments”")
    try:
        told = [Raw(data)]
        if not data.lstrip().startswith(b"{"):
            told = _list.decode(data)
        elif (listed := _object.decode(data).get("shipments")) is not None:
            told = _list.decode(listed)
    except msgspec.ValidationError as error:
        raise Refused(wanted) from error
    except RecursionError as error:
        raise Refused(
            Said(
                "lists or objects stand about a thousand deep within each other, so none of the file can be read; {wanted}. "
                "Correct it and send it again. Nothing was kept",
                wanted=wanted,
            )
        ) from error
    except _UNREADABLE as error:
        raise Refused(Said("not JSON: {why}; {wanted}. Nothing was kept", why=error, wanted=wanted)) from error
    _refuse_many(len(told), MAX_ORDERS, Said("orders"))
    return ((number, _json_order(raw)) for number, raw in enumerate(told, start=1))


def _json_order(raw: Raw) -> object:
    """One order by itself: what cannot be read of it harms no other."""
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE as error:
        return Unusable(
            (Wrong("order", bytes(raw)[:80].decode(errors="replace"), Said("JSON in UTF-8; {why}", why=error)),)
        )


def _csv_lines(data: bytes) -> Iterator[tuple[int, object]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data[: error.start].count(b"\n") + 1
        raise Refused(
            Said("line {line} is not UTF-8; save the file as “CSV UTF-8”. Nothing was kept", line=at)
        ) from error
    _refuse_many(text.count("\n"), MAX_LINES, Said("lines"))
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().casefold() for name in next(reader, [])]
    except csv.Error as error:
        raise Refused(Said("line 1: {why}; expected a line of column names", why=error)) from error
    unknown = sorted({name for name in names if name not in FIELDS})
    missing = [name for name in ("reference", "consignee", "address") if name not in names]
    if unknown or missing or len(set(names)) != len(names):
        listed = ", ".join(repr(name[:80]) for name in unknown[:MAX_NAMED])
        raise Refused(
            Said(
                "line 1: {told}expected column names, each once, out of {every}. Nothing was kept",
                told=_told_columns(listed + (" ..." if len(unknown) > MAX_NAMED else ""), ", ".join(missing)),
                every=", ".join(FIELDS),
            )
        )
    rows = list(islice(_rows(reader, reader.line_num + 1), MAX_ORDERS + 1))
    _refuse_many(len(rows), MAX_ORDERS, Said("orders"))
    return ((line, row if isinstance(row, Unusable) else _named(names, row)) for line, row in rows)


def _told_columns(unknown: str, missing: str) -> str:
    if unknown and missing:
        return Said("unknown columns {unknown}; columns {missing} are missing; ", unknown=unknown, missing=missing)
    if unknown:
        return Said("unknown columns {unknown}; ", unknown=unknown)
    return Said("columns {missing} are missing; ", missing=missing) if missing else ""


def _named(names: list[str], row: list[str]) -> dict[str, object]:
    fields: dict[str, object] = dict(zip(names, row, strict=False))
    if len(row) > len(names):
        fields[_REST] = ", ".join(row[len(names) :])
    return fields


def _rows(reader: Iterator[list[str]], line: int) -> Iterator[tuple[int, list[str] | Unusable]]:
    """Rows with the line where each begins: a field in quotes may go over several."""
    while True:
        row: list[str] | Unusable | None
        try:
            row = next(reader, None)
        except csv.Error as error:
            # A quote without its other may have taken in lines that were good by themselves: they are told, too.
            through = reader.line_num  # type: ignore[attr-defined]  # of a csv reader, whose class has no public name
            got = f"line {line}" if through == line else f"lines {line} to {through}"
            row = Unusable((Wrong("line", got, Said("quotes in pairs, doubled within a field; {why}", why=error)),))
        if row is None:
            return
        if isinstance(row, Unusable) or any(value.strip() for value in row):
            yield line, row
        line = reader.line_num + 1  # type: ignore[attr-defined]  # as above
