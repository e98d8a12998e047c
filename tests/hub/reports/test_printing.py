"""What is printed: charts, tables and words, with nothing of the data taken for a program."""

import re
import time
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pypdfium2  # type: ignore[import-untyped]  # has no stubs
import pytest
from msgspec.structs import replace

from contract.coldchain.engine import judge
from hub.reports import layout, printing
from hub.reports.content import ReportInput, WayPart
from hub.reports.drawing import POINTS, draw
from hub.reports.layout import MOST_CHARS, MOST_ROWS, Grid, Line, lay_out
from hub.reports.printing import chinese_font, print_report
from hub.reports.seal import seal_json
from hub.web.i18n import Words, catalogue
from tests.hub.reports.report_samples import NOON_MS, PROFILE, sensor_part, small_report, ten_days

HOSTILE = '#eval("1+1") #image("/etc/passwd") $x$ \\u{41} *b* <a> [c] "; #let f() = f()'


@cache
def long_report() -> ReportInput:
    return ten_days()


def pages_of(data: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(data)
    try:
        return [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()


def text_of(data: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(pages_of(data)))


def bare(text: str) -> str:
    """Without what breaks lines."""
    return re.sub(r"[\s\u200b\ufffe]|\\u200b", "", text)


def test_the_print_says_what_was_found_with_both_times() -> None:
    said = text_of(print_report(small_report(), "en")[1])
    for words in (
        "Limits exceeded; alarms: 1",
        "The data is not complete. 2026-09-21 15:32:20 to 2026-09-21 16:13:20 UTC: no data from van-12.probe.box",
        "pharma-2-8: above 8 > 8.00 °C (0:10:00 allowed, all times together); below 2 < 2.00 °C (alarm at once)",
        "2026-09-21, overdue",
        "behind the hub by 1 min",
        "2026-09-21 14:43:20 known 2026-09-21 15:43:20",
        "door open at the dock",
        "information, not the verdict",
        "storage_full",
    ):
        assert words in said, words


def test_a_sensor_without_a_place_has_no_line_for_it() -> None:
    report = small_report()
    somewhere, nowhere = (
        msgspec.json.encode(
            lay_out(replace(report, sensors=(replace(report.sensors[0], place=place),)), "seal", Words("en"))
        )
        for place in ("Van 12", "")
    )
    assert b'["Place","Van 12"]' in somewhere
    assert b'["Place"' not in nowhere


def test_every_page_has_its_number_and_the_seal() -> None:
    seal, data = print_report(replace(small_report(), sensors=small_report().sensors * 4), "en")
    pages = pages_of(data)
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert f"Seal {seal[:16]}" in page
        assert f"{number} / {len(pages)}" in page


def test_heads_of_the_chains_are_printed_whole() -> None:
    report = small_report()
    said = bare(text_of(print_report(report, "en")[1]))
    for run in report.runs:
        assert run.head in said


def test_a_chinese_report_is_printed_in_chinese() -> None:
    said = text_of(print_report(small_report("冷藏车 12"), "zh")[1])
    for words in ("温度报告", "冷藏车 12", "超出限值", "数据不完整"):
        assert words in said, words


def test_without_a_font_for_chinese_it_is_printed_in_english_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "CHINESE", ("No Such Font",))
    chinese_font.cache_clear()
    try:
        said = text_of(print_report(small_report(), "zh")[1])
    finally:
        chinese_font.cache_clear()
    assert "Temperature report No font for Chinese on this hub" in said


def test_names_that_look_like_programs_are_printed_as_they_are() -> None:
    said = text_of(print_report(small_report(title=HOSTILE, reason=HOSTILE), "en")[1])
    assert bare(said).count(bare(HOSTILE)) == 2


def test_a_chart_is_one_well_formed_picture_whatever_names_are_in_it() -> None:
    (part,) = small_report().sensors
    limit = replace(part.profile.limits[0], name="<script>&\"'")
    odd = replace(part, profile=replace(part.profile, limits=(limit,)))
    root = ET.fromstring(draw(odd))  # noqa: S314 - our own drawing
    assert "<script>&\"'" in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_chart_shows_no_data_hatched_late_lines_lighter_and_excursions_with_their_numbers() -> None:
    drawing = draw(small_report().sensors[0])
    assert drawing.count('fill="url(#hatch)"') == 1
    assert 'stroke="#8a8a8a"' in drawing
    assert ">1</text>" in drawing


def test_a_chart_draws_no_line_across_faults_and_silence() -> None:
    (part,) = small_report().sensors
    lines = re.findall(r'<path d="M([^"]+)" stroke="#(?:0b3d91|8a8a8a)"', draw(part))
    # on time, late, (a fault), on time, (silence), on time
    assert len(lines) == 4


def test_a_chart_of_many_readings_keeps_few_points_and_the_extreme() -> None:
    readings: list[tuple[int, int | None]] = [(NOON_MS + m * 60_000, 500) for m in range(100_000)]
    readings[77_777] = (readings[77_777][0], 2900)
    drawing = draw(sensor_part("van-1.probe.box", readings, readings[-1][0]))
    assert drawing.count(" ") < 6 * POINTS
    (line,) = re.findall(r'<path d="M([^"]+)" stroke="#0b3d91"', drawing)
    heights = sorted(float(y) for y in re.split("[ L]", line)[1::2])
    assert heights[0] < heights[1] - 100


@pytest.mark.parametrize(
    "readings", [[], [(NOON_MS, None)], [(NOON_MS, 520)], [(NOON_MS, -27_000), (NOON_MS + 1, 2**31 - 1)]]
)
def test_a_chart_of_next_to_nothing_is_drawn(readings: list[tuple[int, int | None]]) -> None:
    for to_ms in (NOON_MS, NOON_MS + 1, NOON_MS + 10 * 366 * 86_400_000):
        drawing = ET.fromstring(draw(sensor_part("van-1.probe.box", readings, to_ms)))  # noqa: S314 - our own drawing
        assert drawing.tag.endswith("svg")
        assert "nan" not in ET.tostring(drawing, encoding="unicode")


def test_a_report_of_a_parcel_shows_its_whole_way() -> None:
    report = small_report()
    part = report.sensors[0]
    way = WayPart(
        PROFILE, part.from_ms, part.to_ms, part.readings, judge(PROFILE, part.readings, part.from_ms, part.to_ms)
    )
    assert "The parcel's whole way" in text_of(print_report(replace(report, ways=(way,)), "en")[1]).replace("’", "'")


def test_long_tables_and_texts_are_cut_and_say_what_is_left_out() -> None:
    report = small_report(reason="why " * 500)
    part = report.sensors[0]
    many = replace(report, sensors=(replace(part, findings=part.findings * MOST_ROWS),))
    blocks = lay_out(many, seal_json(many)[0], Words("en")).blocks
    table = next(b for b in blocks if isinstance(b, Grid) and b.head[0] == "No.")
    assert len(table.rows) == MOST_ROWS
    assert max(len(cell) for row in table.rows for cell in row) <= MOST_CHARS + 60
    assert Line(f"{MOST_ROWS} more are in the attached file report.json.", strong=True) in blocks


def test_three_sensors_and_ten_days_are_printed_within_three_seconds() -> None:
    report = long_report()
    began_s = time.monotonic()
    print_report(report, "en")
    assert time.monotonic() - began_s < 3.0


def test_every_sentence_of_a_report_is_translated() -> None:
    source = Path(layout.__file__).read_text(encoding="utf-8")
    for report in (small_report(), replace(small_report(), gaps=(), runs=(), parcels=())):
        lay_out(report, "0" * 64, Words("zh"))
    said = set(re.findall(r'words\(\s*"([^"]+)"[,)]', source))
    assert len(said) > 40
    assert said - set(catalogue("zh").texts) == set()


def test_every_name_of_a_column_is_translated() -> None:
    class Noted(Words):
        """Words that remember what was not translated."""

        def __call__(self, text: str, **values: object) -> str:
            if text not in catalogue("zh").texts:
                missing.add(text)
            return super().__call__(text, **values)

    missing = set[str]()
    lay_out(small_report(), "0" * 64, Noted("zh"))
    assert missing == set()
