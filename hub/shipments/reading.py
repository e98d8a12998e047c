"""Files of orders, line by line: CSV as spreadsheets write it, or JSON. Pure.

A line that cannot be used stops nothing: it is told with its number, and the others go on.
"""

import csv
import io
from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from hub.errors import Refused
from hub.shipments.order import FIELDS, Order, Unusable, Wrong, parse_order

MAX_FILE_BYTES: Final = 32 * 1024 * 1024
MAX_ORDERS: Final = 50_000
"""Of one file: a minute's work; more is split, so that a mistake stays small."""
DELIMITERS: Final = ",;\t"
_REST: Final = "more values than columns"


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
        raise Refused(f"a file of {len(data)} bytes; at most {MAX_FILE_BYTES} are taken at once, so send it in parts")
    lines = _json_lines(data) if as_json else _csv_lines(data)
    orders: list[tuple[int, Order]] = []
    bad: list[BadLine] = []
    first: dict[tuple[str, str], int] = {}
    parcels: dict[str, int] = {}
    for line, fields in lines:
        if len(orders) + len(bad) >= MAX_ORDERS:
            raise Refused(f"more than {MAX_ORDERS} orders in one file; send it in parts. Nothing was kept")
        try:
            order = parse_order(fields, zone) if isinstance(fields, dict) else _no_order(fields)
            _refuse_repeated(line, order, first, parcels)
        except Unusable as error:
            reference = fields.get("reference") if isinstance(fields, dict) else ""
            bad.append(BadLine(line, str(reference or "")[:80], error.wrong))
        else:
            orders.append((line, order))
    return FileRead(tuple(orders), tuple(bad))


def _no_order(got: object) -> Order:
    raise Unusable((Wrong("order", str(got)[:80], "an object with the keys " + ", ".join(FIELDS)),))


def _refuse_repeated(line: int, order: Order, first: dict[tuple[str, str], int], parcels: dict[str, int]) -> None:
    """Within one file nobody can say which of two lines is meant."""
    name = order.shipper, order.reference
    if name in first:
        raise Unusable((Wrong("reference", order.reference, f"each reference once; line {first[name]} has it too"),))
    for item in order.items:
        if item.parcel in parcels:
            expected = f"each parcel once; line {parcels[item.parcel]} has it too"
            raise Unusable((Wrong("parcels", item.code, expected),))
    first[name] = line
    parcels |= dict.fromkeys((item.parcel for item in order.items), line)


def _json_lines(data: bytes) -> Iterator[tuple[int, object]]:
    try:
        told = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(f"not JSON: {error}; expected a list of shipments") from error
    if isinstance(told, dict):
        told = told.get("shipments", [told])
    if not isinstance(told, list):
        raise Refused('expected a list of shipments, or {"shipments": [...]}')
    return iter(enumerate(told, start=1))


def _csv_lines(data: bytes) -> Iterator[tuple[int, object]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data[: error.start].count(b"\n") + 1
        raise Refused(f"line {at} is not UTF-8; save the file as “CSV UTF-8”. Nothing was kept") from error
    header = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().casefold() for name in next(reader, [])]
    except csv.Error as error:
        raise Refused(f"line 1: {error}; expected a line of column names") from error
    unknown = sorted({name for name in names if name not in FIELDS})
    missing = [name for name in ("reference", "consignee", "address") if name not in names]
    if unknown or missing or len(set(names)) != len(names):
        told = f"unknown columns {', '.join(map(repr, unknown))}; " if unknown else ""
        told += f"columns {', '.join(missing)} are missing; " if missing else ""
        raise Refused(f"line 1: {told}expected column names, each once, out of {', '.join(FIELDS)}. Nothing was kept")
    return _numbered(reader, names, reader.line_num + 1)


def _numbered(reader: Iterator[list[str]], names: list[str], line: int) -> Iterator[tuple[int, object]]:
    """Rows with the line where each begins: a field in quotes may go over several."""
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            # What follows belongs to no certain line any more.
            yield line, {"reference": "", "line": str(error)}
            return
        if row is None:
            return
        if any(value.strip() for value in row):
            fields: dict[str, object] = dict(zip(names, row, strict=False))
            if len(row) > len(names):
                fields[_REST] = ", ".join(row[len(names) :])
            yield line, fields
        line = reader.line_num + 1  # type: ignore[attr-defined]  # of a csv reader, whose class has no public name
