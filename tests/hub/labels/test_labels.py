"""What is printed is read back: rendered from the PDF, decoded, and identified as devices do."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
import zxingcpp
from typer.testing import CliRunner

from contract.event import Step
from contract.identity import identify
from hub.cli import app
from hub.errors import Refused
from hub.labels.cards import cards
from hub.labels.codes import DOT_MM, MIN_MODULE_MM, Symbology, draw
from hub.labels.parcels import plain_labels
from hub.labels.printing import Label, Sheet, print_sheet
from tests.hub.routes.dispatching import DAY, Dispatch, order

PRINTERS_DPI = (203, 300)
SSCC = "(00)340123450000000017"
SERIAL = "(01)04012345123456(21)A-17"
LOT = "(01)04012345123456(10)LOT-77(21)A-17"
PLAIN = zxingcpp.TextMode.Plain


def printed(pdf: bytes, dpi: int) -> list[Any]:
    """The pages as a printer of that resolution puts them down: dots, black or white."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        pages = []
        for page in document:
            picture = page.render(scale=dpi / 72, grayscale=True).to_numpy()
            pages.append(np.where((picture[:, :, 0] if picture.ndim == 3 else picture) < 128, 0, 255).astype(np.uint8))
            page.close()
        return pages
    finally:
        document.close()


def codes(pdf: bytes, dpi: int = 203) -> list[Any]:
    return [code for page in printed(pdf, dpi) for code in zxingcpp.read_barcodes(page, text_mode=PLAIN)]


def read(pdf: bytes, dpi: int = 203) -> list[tuple[str, str, str]]:
    """Every code on every page: its format, its text as a scanner sends it, and its AIM identifier."""
    return [(str(code.format), code.text, code.symbology_identifier) for code in codes(pdf, dpi)]


@pytest.mark.parametrize("code", ["JD0042-77", SSCC, SERIAL, LOT, "RR123456785DE", "包裹-17 北京"])
def test_a_label_says_to_a_scanner_what_it_says_to_the_hub(code: str) -> None:
    sheet = print_sheet(plain_labels([code]))
    for dpi in PRINTERS_DPI:
        found = read(sheet, dpi)
        assert len(found) == (1 if code.startswith("包") else 2)
        for _, text, aim in found:
            assert identify(text.encode(), aim).key == identify(code.encode()).key


def test_elements_of_any_length_end_with_a_separator_and_the_symbol_begins_with_function_one() -> None:
    found = codes(print_sheet(plain_labels([LOT])))
    assert {code.symbology_identifier for code in found} == {"]C1", "]d2"}
    for code in found:
        assert code.content_type == zxingcpp.ContentType.GS1
        assert code.bytes == b"010401234512345610LOT-77\x1d21A-17"
        elements = dict(identify(code.bytes, code.symbology_identifier).elements)
        assert elements == {"01": "04012345123456", "10": "LOT-77", "21": "A-17"}


@pytest.mark.parametrize(
    ("symbology", "modules"), [(Symbology.CODE128, 10), (Symbology.DATAMATRIX, 1), (Symbology.QR, 4)]
)
def test_nothing_is_printed_in_the_quiet_zones(symbology: Symbology, modules: int) -> None:
    """ISO/IEC 15417 4.3.2, 16022 5.5, 18004 5.3.8; here on a label where all around is full of words."""
    crowd = tuple("NNNNNNNN " * 12 for _ in range(9))
    label = Label("HHHHHHHH " * 9, crowd, (draw("HF:STEP:loaded", symbology, 94),), "MMMMMMMM " * 5)
    [page] = printed(print_sheet(Sheet((label,), width_mm=100, height_mm=62)), 300)
    [code] = zxingcpp.read_barcodes(page)
    corners = (code.position.top_left, code.position.bottom_right)
    (left, right), (top, bottom) = ((min(at), max(at)) for at in zip(*((c.x, c.y) for c in corners), strict=True))
    drawn_mm = (right - left) / 300 * 25.4
    wide = int(re.findall(r'<svg width="(\d+)"', label.symbols[0].svg)[0])
    assert drawn_mm == pytest.approx(label.symbols[0].width_mm * (1 - 2 * modules / wide), abs=0.4)
    quiet = round(modules * label.symbols[0].width_mm / wide / 25.4 * 300) - 2
    rows = slice(top + 2, bottom - 2)
    assert (page[rows, left - quiet : left - 1] == 255).all()
    assert (page[rows, right + 2 : right + quiet] == 255).all()
    if symbology is not Symbology.CODE128:
        assert (page[bottom + 2 : bottom + quiet, left:right] == 255).all()


def test_bars_are_whole_dots_wide_and_none_too_thin_for_a_scanner() -> None:
    for code in ("JD0042-77", SSCC, LOT, "X" * 25):
        for symbol in plain_labels([code]).labels[0].symbols:
            modules = int(re.findall(r'<svg width="(\d+)"', symbol.svg)[0])
            dots = symbol.width_mm / modules / DOT_MM
            assert dots == int(dots) >= MIN_MODULE_MM / DOT_MM
            assert symbol.width_mm <= 94
    assert [one.symbology for one in plain_labels(["X" * 40]).labels[0].symbols] == [Symbology.DATAMATRIX]
    [card] = cards([], ["a" * 60], [], "en").labels
    assert [one.symbology for one in card.symbols] == [Symbology.QR]


def test_long_names_and_addresses_in_any_script_leave_the_codes_and_the_van_whole() -> None:
    name, address = (
        "上海市黄浦区中心医院药剂科 王小明（收）" * 3,
        "Nanjing W. Rd 1717, 会德丰国际广场 302 室, 200041 " * 8,
    )
    label = Label(name, (address, "胰岛素, 2-8 °C"), plain_labels([SSCC]).labels[0].symbols, "沪A·12345 · 12/140")
    sheet = print_sheet(Sheet((label,), width_mm=100, height_mm=62))
    assert len(read(sheet)) == 2
    document = pypdfium2.PdfDocument(sheet)
    page = document[0]
    text = page.get_textpage()
    found = text.search("沪A·12345 · 12/140", match_case=True)
    at = found.get_next()
    assert at is not None
    van = text.get_charbox(at[0])
    bars_mm = 3 + 1 + 4 + 13
    # Its baseline is above the bars, and above it nothing was pushed down onto it.
    assert van[1] > bars_mm / 25.4 * 72 - 6
    for thing in (found, text, page, document):
        thing.close()


def test_gs1_codes_are_gs1_symbols_so_that_scanners_tell_them_from_plain_text() -> None:
    assert {aim for _, _, aim in read(print_sheet(plain_labels([SERIAL])))} == {"]C1", "]d2"}


def test_there_is_a_card_for_each_step_and_any_person_or_place() -> None:
    found = read(print_sheet(cards([], [], [], "en")))
    assert {text for _, text, _ in found} == {f"HF:STEP:{step.value}" for step in Step}
    assert len(found) == 2 * len(Step)
    found = read(print_sheet(cards([], ["w.chen"], ["dock-4"], "zh")))
    assert {text for _, text, _ in found} == {"HF:ACTOR:w.chen", "HF:PLACE:dock-4"}
    assert all(identify(text.encode()).kind == "control" for _, text, _ in found)


def test_what_no_card_and_no_symbol_can_carry_is_refused() -> None:
    with pytest.raises(Refused, match="cannot be a card"):
        cards([], ["W. Chen"], [], "en")
    with pytest.raises(Refused, match="cannot be printed as code128"):
        draw("包裹", Symbology.CODE128)
    with pytest.raises(Refused, match="no parcel to print"):
        plain_labels([])


def test_the_same_labels_are_the_same_bytes() -> None:
    assert print_sheet(plain_labels(["P1"])) == print_sheet(plain_labels(["P1"]))


def test_labels_of_a_route_come_in_the_order_of_its_stops(desk: Dispatch) -> None:
    desk.van("van-1")
    desk.ships(*(order(n, checks=["signature"]) for n in range(3)))
    desk.routes()
    wanted = [parcel for stop in desk.route()["items"] for parcel in stop["parcels"]]
    answer = desk.client.get(f"/api/v1/routes/{DAY}-van-1/labels.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert [text for kind, text, _ in read(answer.content) if "128" in kind] == wanted


def test_the_commands_write_files_while_the_hub_runs_or_not(desk: Dispatch, tmp_path: Path) -> None:
    # Many have this reference as a part of theirs.
    desk.ships(order(7), *(order(n, reference=f"R00007-{n}") for n in range(10, 120)))
    out = tmp_path / "labels.pdf"
    runner = CliRunner()
    done = runner.invoke(
        app, ["labels", "--out", str(out), "--data", str(desk.database.folder), "--shipment", "R00007"]
    )
    assert done.exit_code == 0, done.output
    assert {text for _, text, _ in read(out.read_bytes())} == {"HOLDFAST-00007"}
    done = runner.invoke(app, ["cards", "--out", str(out), "--step", "loaded"])
    assert done.exit_code == 0, done.output
    assert {text for _, text, _ in read(out.read_bytes())} == {"HF:STEP:loaded"}
    refused = runner.invoke(app, ["labels", "--out", str(out), "--data", str(desk.database.folder), "--shipment", "R9"])
    assert isinstance(refused.exception, Refused)
