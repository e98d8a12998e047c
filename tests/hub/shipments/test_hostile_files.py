"""Files of orders that are broken, absurd or made to do harm: each gets a clear answer, and the good lines beside are kept."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.errors import Refused
from hub.shipments.reading import MAX_FILE_BYTES, MAX_ORDERS, FileRead, read_file
from tests.hub.routes.dispatching import Dispatch

UTC = ZoneInfo("UTC")
HEADER = "reference,consignee,address,parcels\n"
GOOD = {"reference": "GOOD", "consignee": "Wang", "address": "Nanjing Rd 1", "parcels": ["P-GOOD"]}
MAX_GROWTH_KIB = 64 * 1024


def order(**more: Any) -> bytes:
    return json.dumps({"reference": "ODD", "consignee": "C", "address": "A", "parcels": ["P-ODD"], **more}).encode()


def beside_a_good_one(raw: bytes) -> FileRead:
    return read_file(b"[" + raw + b"," + json.dumps(GOOD).encode() + b"]", UTC, as_json=True)


def csv_file(*lines: str) -> FileRead:
    return read_file((HEADER + "".join(lines)).encode(), UTC, as_json=False)


def line(n: int) -> str:
    return f"R{n},Consignee {n},Street {n},P-{n}\n"


def references(read: FileRead) -> list[str]:
    return [one.reference for _, one in read.orders]


@pytest.mark.parametrize(
    ("raw", "field", "expected"),
    [
        (order(consignee="x" * 1_000_000), "consignee", "a text of at most 256 characters"),
        (order(parcels=[f"P-{n}" for n in range(10_000)]), "parcels", "a list of at most 200"),
        (order(parcels="P;" * 10_000), "parcels", "a list of at most 200"),
        (order(weight_kg=-3), "weight_kg", "kilograms from 0 to 40000"),
        (order(weight_kg="1e400"), "weight_kg", "kilograms from 0 to 40000"),
        (order(weight_kg="nan"), "weight_kg", "kilograms from 0 to 40000"),
        (order(volume_l=10**300), "volume_l", "litres from 0 to 100000"),
        (order(day="2026-06-01", window_from="14:00", window_to="10:00"), "window_to", "a time after window_from"),
        (order(latitude=90.0000001, longitude=5), "latitude", "degrees from -90 to 90"),
        (order(latitude=5, longitude="-181"), "longitude", "degrees from -180 to 180"),
        (order(consignee="a\0b"), "consignee", "without control characters"),
        (order(consignee="a\x1b[2Jb"), "consignee", "without control characters"),
        (order(address="a\x9b2Jb"), "address", "without control characters"),
        (order(notes="Wang \u202egnoL"), "notes", "without control characters"),
        (order(parcels=[{"code": "P", "what": "\u2066wine"}]), "parcels", "a text without control characters"),
        (order(parcels=["P\0Q"]), "parcels", "a code without NUL"),
        (order(tasks=["collect: \x07"]), "tasks", "without control characters"),
        (order(parcels=[[["P"]]]), "parcels", "a code, or"),
        (b'{"reference":' + b"9" * 5_000 + b"}", "order", "JSON in UTF-8; Integer value out of range"),
        (b'{"reference":"R","weight_kg":1e400}', "order", "JSON in UTF-8; Number out of range"),
        ('{"reference":"R","consignee":"王"}'.encode("gbk"), "order", "JSON in UTF-8; 'utf-8' codec"),
        (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", "a", "one of reference"),
        (b"[" * 900 + b"]" * 900, "order", "an object with the keys"),
        (b"null", "order", "an object with the keys"),
    ],
)  # fmt: skip
def test_an_absurd_order_is_told_by_its_field_and_the_good_one_beside_it_is_kept(
    raw: bytes, field: str, expected: str
) -> None:
    read = beside_a_good_one(raw)

    assert references(read) == ["GOOD"]
    (bad,) = read.bad
    assert bad.line == 1
    assert any(one.field == field and expected in one.expected and len(one.got) <= 80 for one in bad.wrong), bad.wrong


@pytest.mark.parametrize(
    "name", ["Müller-Lüdenscheidt", "欧阳娜娜", "محمد\u200f", "שרה\u200e", "José", "Ng\u200dx", "👩\u200d🚀"]
)
def test_a_name_of_any_script_is_kept_as_it_is(name: str) -> None:
    read = beside_a_good_one(order(consignee=name))

    assert [one.consignee for _, one in read.orders] == [name, "Wang"]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'[{"reference":' + b"[" * 10_000 + b"]" * 10_000 + b"}]",
        b'{"shipments":' * 10_000,
        '[{"reference":"R"}]'.encode("utf-16"),
        b'{"shipments": {"reference": "R"}}',
        b'"shipments"',
        b"",
        b"\0",
        b'[{"reference":"R"}',
    ],
)
def test_a_file_that_is_no_json_list_is_refused_whole_with_what_was_expected(data: bytes) -> None:
    with pytest.raises(Refused, match="expected a list of shipments") as refused:
        read_file(data, UTC, as_json=True)
    assert len(str(refused.value)) < 300


def test_a_file_that_is_nested_too_deep_to_be_read_is_refused_with_what_to_do() -> None:
    deep = b"[" + order() + b',{"reference":"R","parcels":' + b"[" * 2_000 + b"]" * 2_000 + b"}]"
    with pytest.raises(Refused) as refused:
        read_file(deep, UTC, as_json=True)
    assert str(refused.value) == (
        "lists or objects stand about a thousand deep within each other, so none of the file can be read; "
        "expected a list of shipments, or an object that has it as “shipments”. "
        "Correct it and send it again. Nothing was kept"
    )


def test_json_of_programs_that_write_a_byte_order_mark_is_read() -> None:
    read = read_file(b"\xef\xbb\xbf " + json.dumps({"shipments": [GOOD]}).encode(), UTC, as_json=True)

    assert references(read) == ["GOOD"]


def test_a_field_of_a_megabyte_is_one_bad_line_of_csv() -> None:
    read = csv_file(line(1), f"R2,{'x' * 1_000_000},A,P\n", line(3))

    assert references(read) == ["R1", "R3"]
    assert [(bad.line, bad.reference, bad.wrong[0].field) for bad in read.bad] == [(3, "R2", "consignee")]


@pytest.mark.parametrize(
    ("lines", "kept", "told"),
    [
        # Closed, but not where a field ends.
        ([line(1), 'R2,"C" x,A,P-2\n', line(3)], ["R1", "R3"], "line 3"),
        # Closed two lines later: as far as CSV goes it is one order with a name of three lines.
        ([line(1), 'R2,"C,A,P-2\n', line(3), 'R4,C",A,P-4\n', line(5)], ["R1", "R5"], "C,A,P-2\nR3,"),
        # Never closed.
        ([line(1), 'R2,"C,A,P-2\n', line(3), line(4)], ["R1"], "lines 3 to 5"),
    ],
)
def test_a_stray_quote_tells_what_it_took_in(lines: list[str], kept: list[str], told: str) -> None:
    read = csv_file(*lines)

    assert references(read) == kept
    (bad,) = read.bad
    assert (bad.line, len(bad.wrong)) == (3, 1)
    assert bad.wrong[0].got.startswith(told)
    assert "quote" in bad.wrong[0].expected


def test_nul_and_byte_order_mark_in_csv_harm_one_line() -> None:
    read = read_file(("\ufeff" + HEADER + line(1) + "R2,C\0x,A,P\n" + line(3)).encode(), UTC, as_json=False)

    assert references(read) == ["R1", "R3"]
    assert [(bad.line, bad.wrong[0].field) for bad in read.bad] == [(3, "consignee")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_csv_of_another_encoding_is_refused_whole(encoding: str) -> None:
    with pytest.raises(Refused, match=r"UTF-8|unknown columns"):
        read_file((HEADER + line(1)).encode(encoding), UTC, as_json=False)


def test_a_header_of_very_many_columns_is_told_in_short() -> None:
    with pytest.raises(Refused, match=r"unknown columns 'c0', .* \.\.\.; ") as refused:
        read_file((",".join(f"c{n}" for n in range(100_000)) + "\n").encode(), UTC, as_json=False)
    assert len(str(refused.value)) < 1_000


def peak_kib() -> int:
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found)


@pytest.mark.parametrize(
    ("data", "as_json", "why"),
    [
        (HEADER.encode() + b"R,C,A,P\n" * 200_000, False, "more than 50000 orders"),
        (HEADER.encode() + b"\n" * 3_000_000, False, "more than 1000000 lines"),
        (b"[" + b'{"reference":"R"},' * 199_999 + b"{}]", True, "more than 50000 orders"),
        (b"[" + b"[]," * 11_000_000 + b"0]", True, "more than 2000000 values"),
        (b"[" + b"0," * 16_000_000 + b"0]", True, "more than 2000000 values"),
        (b"x" * (MAX_FILE_BYTES + 1), True, "at most 33554432 are taken at once"),
    ],
    ids=["lines", "empty-lines", "orders", "lists", "numbers", "bytes"],
)
def test_too_much_is_refused_before_it_takes_memory_or_time(data: bytes, as_json: bool, why: str) -> None:
    # The peak so far is forgotten: proc(5), clear_refs.
    Path("/proc/self/clear_refs").write_text("5")
    before_kib = peak_kib()
    with pytest.raises(Refused, match=why):
        read_file(data, UTC, as_json=as_json)
    assert peak_kib() - before_kib < MAX_GROWTH_KIB


def test_good_and_absurd_lines_of_one_file_over_the_interface(desk: Dispatch) -> None:
    odd = json.loads(order(consignee="x" * 1_000_000, weight_kg=-1))
    told = desk.ask("POST", "/shipments", json=[odd, GOOD])

    assert (told["created"], told["refused"]) == (1, 1)
    assert [(bad["line"], [wrong["field"] for wrong in bad["wrong"]]) for bad in told["bad"]] == [
        (1, ["consignee", "weight_kg"])
    ]
    answer = desk.client.post("/api/v1/shipments", content=b"[" * 10_000, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["title"]) == (422, "File unusable")
    assert len(desk.ask("GET", "/shipments")["items"]) == 1
    assert MAX_ORDERS == 50_000


@pytest.mark.parametrize("path", ["/shipments", "/api/v1/routes", "/login"])
def test_nobody_fills_memory_or_disk_before_being_known(desk: Dispatch, path: str) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        for _ in range(40):
            sent += 1
            yield bytes(1024 * 1024)

    kind = "application/json" if path.startswith("/api") else "multipart/form-data; boundary=b"
    answer = desk.hub.client().post(path, content=body(), headers={"content-type": kind})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
