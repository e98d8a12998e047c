"""What is printed is read back: rendered from the PDF, decoded, and identified as devices do."""

from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from typer.testing import CliRunner

from contract.event import Step
from contract.identity import identify
from hub.cli import app
from hub.errors import Refused
from hub.labels.cards import cards
from hub.labels.codes import Symbology, draw
from hub.labels.parcels import plain_labels
from hub.labels.printing import print_sheet
from tests.hub.routes.dispatching import DAY, Dispatch, order

DPI_SCALE = 300 / 72
SSCC = "(00)340123450000000017"
SERIAL = "(01)04012345123456(21)A-17"


def read(pdf: bytes) -> list[tuple[str, str, str]]:
    """Every code on every page: its format, its text as a scanner sends it, and its AIM identifier."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        found = []
        for page in document:
            picture = page.render(scale=DPI_SCALE, grayscale=True).to_numpy()
            picture = picture[:, :, 0] if picture.ndim == 3 else picture
            for code in zxingcpp.read_barcodes(picture, text_mode=zxingcpp.TextMode.Plain):
                found.append((str(code.format), code.text, code.symbology_identifier))
            page.close()
        return found
    finally:
        document.close()


@pytest.mark.parametrize("code", ["JD0042-77", SSCC, SERIAL, "RR123456785DE", "包裹-17 北京"])
def test_a_label_says_to_a_scanner_what_it_says_to_the_hub(code: str) -> None:
    found = read(print_sheet(plain_labels([code])))
    assert len(found) == (1 if code.startswith("包") else 2)
    for _, text, aim in found:
        assert identify(text.encode(), aim).key == identify(code.encode()).key


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
    desk.ships(order(7))
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
