"""`holdfast-hub judge`: loggers' files as they really are, and what is told about them."""

import codecs
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contract.coldchain.presets import PHARMA_2_8
from contract.coldchain.profile_text import profile_json
from hub.cli import app
from hub.coldchain import logger_csv
from hub.coldchain.judge_file import find_profile, judge_file
from hub.coldchain.judge_telling import in_words
from hub.coldchain.logger_csv import How, LoggerFile, find_zone, read_logger_file, read_time
from hub.errors import Refused

PLAIN = "time,value\n2026-03-01T08:00:00Z,5.0\n2026-03-01T08:10:00Z,9.25\n2026-03-01T08:20:00Z,\n"
SEMICOLONS = """Serial;1234
Start time;2026-03-01 08:00
Temperature unit;°C

No.;Date;Time;Temperature [°C];Humidity [%RH];
1;2026-03-01;08:00:00;5,0;40;
2;2026-03-01;08:10:00;9,25;40;
3;2026-03-01;08:20:00;n/a;40;
"""
CHINESE = """序号,日期时间,温度(°C),湿度
1,2026-03-01 08:00:00,5.0,40
2,2026-03-01 08:10:00,9.25,40
3,2026-03-01 08:20:00,,40
"""
READ = [(1772352000000, 500), (1772352600000, 925), (1772353200000, None)]
HOUR_MS = 3_600_000


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "logger.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder: Path, content: str | bytes, how: How | None = None) -> LoggerFile:
    return read_logger_file(write(folder, content), how or How())


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.removeprefix("time,value\n"),
        "\n\n" + PLAIN.replace("\n", "\n\n"),
        PLAIN.rstrip("\n"),
        codecs.BOM_UTF8 + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "\t").replace(".", ","),
        PLAIN.replace("9.25", '"9,25"'),
        PLAIN.replace("9.25", " 9.25 °C"),
        PLAIN.replace("9.25", "+9.25C").replace("5.0", "5 ℃"),
        PLAIN.encode().replace(b"9.25", b"9.25 \xb0C"),
        PLAIN.replace("9.25", "9.2500000001"),
        PLAIN.replace("T", " ").replace("-", "/").replace(":00Z", ""),
        PLAIN.replace("08:", "09:").replace("Z", "+01:00"),
        PLAIN.replace("Z", ".000Z"),
        SEMICOLONS,
        CHINESE,
        "wann,was\n" + PLAIN.removeprefix("time,value\n"),
    ],
)
def test_logger_file_is_read_however_it_is_written(content: str | bytes, tmp_path: Path) -> None:
    file = read(tmp_path, content)

    assert list(file.readings()) == READ
    assert (file.bad, file.repeated, file.reordered) == ((), 0, False)


def test_export_of_the_hub_is_read_back(tmp_path: Path) -> None:
    file = read(tmp_path, "time,value\r\n2026-03-01T08:00:00.000Z,-0.07\r\n2026-03-01T08:00:01.500Z,\r\n")

    assert list(file.readings()) == [(1772352000000, -7), (1772352001500, None)]
    assert file.columns == ("time", "value")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            "2026-03-01T09:00:00Z,warm",
            "has 'warm' where the value should be; expected a number such as 4.5, or nothing",
        ),
        ("2026-03-01T09:00:00Z,1e9", "has '1e9' where the value should be"),
        ("2026-03-01T09:00:00Z,٤", "where the value should be"),
        ("2026-03-01T09:00:00Z,-273.15", None),
        ("2026-03-01T09:00:00Z,-273.16", "value '-273.16' cannot be; expected -274 to 2000 °C"),
        ("2026-03-01T09:00:00Z," + "9" * 400, "cannot be"),
        ("2026-03-01T09:00:00Z,41 F", "is in °F; expected °C, or --unit f for the whole file"),
        ("2026-03-01T09:00:00Z,5,25", "has 3 cells, expected 2; if the comma is decimal, separate columns by ;"),
        ("2026-03-01T09:00:00Z", "has 1 cells, expected 2 separated by ','"),
        ("01.03.2026 09:00,5.0", "has '01.03.2026 09:00' where the time should be; expected a time such as"),
        ("2026-13-01T09:00:00Z,5.0", "month must be in 1..12"),
        ("2026-02-30 09:00,5.0", "day is out of range for month"),
        ("1969-12-31T23:59:59Z,5.0", "is in the year 1969"),
        ("9999-12-31T23:59:59-12:00,5.0", "is in the year 9999"),
        ("2026-03-01T08:10:00Z,9.26", "another value for the same time as line 3, which holds"),
        ("\x00\x00,\x00", "where the time should be"),
        ('"2026-03-01T09:00:00Z,5.0', "has 1 cells"),
        ("x" * 200, "has 1 cells"),
    ],
)
def test_line_that_is_no_reading_is_named_and_the_others_are_read(line: str, why: str | None, tmp_path: Path) -> None:
    file = read(tmp_path, f"{PLAIN}{line}\n2026-03-01T10:00:00Z,4.0\n")

    if why is None:
        assert file.bad == ()
        return
    assert [bad.line for bad in file.bad] == [5]
    assert why in file.bad[0].why
    assert list(file.readings()) == [*READ, (READ[0][0] + 2 * HOUR_MS, 400)]


def test_lines_in_any_order_are_put_in_order_and_count_once(tmp_path: Path) -> None:
    lines = PLAIN.splitlines()[1:]

    file = read(tmp_path, "\n".join([*reversed(lines), lines[1]]))

    assert list(file.readings()) == READ
    assert (file.bad, file.repeated, file.reordered) == ((), 1, True)


def test_times_without_a_zone_are_of_the_zone_that_is_said_to_be_assumed(tmp_path: Path) -> None:
    berlin = How(zone=find_zone("Europe/Berlin"), zone_name="Europe/Berlin")

    file = read(tmp_path, "2026-03-01 09:00,5.0\n2026-03-01T08:10:00Z,5.0\n", berlin)

    assert [at for at, _ in file.readings()] == [READ[0][0], READ[1][0]]
    assert file.zone_assumed == "Europe/Berlin"
    assert read(tmp_path, PLAIN, berlin).zone_assumed is None


def test_hour_that_comes_twice_goes_on_and_the_hour_that_was_left_out_is_no_time(tmp_path: Path) -> None:
    berlin = How(zone=find_zone("Europe/Berlin"), zone_name="Europe/Berlin")
    autumn = "".join(
        f"2026-10-25 0{hour}:{minute:02},5.0\n" for hour, minute in ((1, 30), (2, 0), (2, 30), (2, 0), (2, 30), (3, 0))
    )

    file = read(tmp_path, autumn, berlin)

    assert [(at - file.times_ms[0]) * 2 / HOUR_MS for at in file.times_ms] == [0, 1, 2, 3, 4, 5]
    spring = read(tmp_path, "2026-03-29 01:30,5.0\n2026-03-29 02:30,5.0\n", berlin)
    assert [bad.line for bad in spring.bad] == [2]
    assert "was left out by the clocks of Europe/Berlin" in spring.bad[0].why


def test_fahrenheit_is_refused_until_it_is_asked_for(tmp_path: Path) -> None:
    content = "Time,Temperature (°F)\n2026-03-01T08:00:00Z,41\n2026-03-01T08:10:00Z,48.65 °F\n2026-03-01T08:20:00Z,\n"

    with pytest.raises(Refused, match=r"'Temperature \(°F\)' is in °F; give --unit f"):
        read(tmp_path, content)

    assert list(read(tmp_path, content, How(fahrenheit=True)).readings()) == READ


def test_column_is_chosen_where_several_may_be_the_value(tmp_path: Path) -> None:
    content = PLAIN.replace("time,value", "time,Temp 1,Temp 2").replace("9.25", "1.0,9.25").replace("5.0", "1.0,5.0")
    content = content.replace("08:20:00Z,", "08:20:00Z,1.0,")

    with pytest.raises(Refused, match="'Temp 1', 'Temp 2'; choose one with --column NAME"):
        read(tmp_path, content)
    with pytest.raises(Refused, match="no header with a time and 'Temp 3'"):
        read(tmp_path, content, How(column="Temp 3"))

    assert list(read(tmp_path, content, How(column="temp 2")).readings()) == READ


def test_times_of_another_form_are_read_when_it_is_given(tmp_path: Path) -> None:
    content = "Datum;Wert\n01.03.2026 08:00;5,0\n01.03.2026 08:10;9,25\n01.03.2026 08:20;\n2026-03-01 08:30;5\n"

    file = read(tmp_path, content, How(time_format="%d.%m.%Y %H:%M"))

    assert list(file.readings()) == READ
    assert [bad.line for bad in file.bad] == [5]
    assert "expected '%d.%m.%Y %H:%M'" in file.bad[0].why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "the file has no reading: it has no lines of readings"),
        ("time,value\n", "the file has no reading: it has no lines of readings"),
        ("time,value\nnow,5\n", "the file has no reading: line 2: has 'now' where the time should be"),
        (bytes(range(256)) * 8, "the file has no reading"),
        ("%PDF-1.7\n1 0 obj\n", "the file has no reading"),
        ("1," * 10_000, "line 1 is longer than 10000 characters"),
        ("time,value\n" + "x,y\n" * 1_001, "more than 1000 lines are no readings, the first is line 2"),
    ],
)
def test_file_that_is_no_table_of_readings_is_refused(content: str | bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="^" + why):
        read(tmp_path, content)


def test_file_that_ends_within_a_character_has_its_last_line_named(tmp_path: Path) -> None:
    file = read(tmp_path, PLAIN.encode("utf-16")[:-1])

    assert list(file.readings()) == READ[:2]
    assert [bad.line for bad in file.bad] == [4]


def test_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: No such file"):
        read_logger_file(tmp_path / "none.csv", How())
    with pytest.raises(Refused, match="cannot be read: Is a directory"):
        read_logger_file(tmp_path, How())


def test_file_of_too_many_readings_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger_csv, "MAX_READINGS", 2)

    with pytest.raises(Refused, match="more than 2 readings; cut it into pieces"):
        read(tmp_path, PLAIN)


@pytest.mark.parametrize("text", ["yesterday", "12026-01-01T00:00:00Z", "0001-01-01 00:00", "9999-01-01 00:00", ""])
def test_time_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="expected a time such as"):
        read_time(text, How(zone=find_zone("Asia/Shanghai"), zone_name="Asia/Shanghai"))


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "", "/etc/passwd", "a\0b"])
def test_zone_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="is not known; expected a name such as Europe/Berlin"):
        find_zone(name)


def test_profile_is_a_preset_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(profile_json(PHARMA_2_8), encoding="utf-8")

    assert find_profile("pharma-2-8") == find_profile(str(file)) == PHARMA_2_8
    with pytest.raises(Refused, match="is no preset and no file; expected pharma-2-8, crt-20-25"):
        find_profile("pharma-2-9")
    file.write_text("{", encoding="utf-8")
    with pytest.raises(Refused, match=r"own.json: the profile cannot be read"):
        find_profile(str(file))


# -- the command -------------------------------------------------------------------------------------------------------

DAY = "time,value\n" + "".join(
    f"2026-03-01T{minute // 60:02}:{minute % 60:02}:00Z,{9.5 if 600 <= minute < 660 else 5.0}\n"
    for minute in range(0, 24 * 60, 10)
    if not 900 < minute < 960
)


def command(*words: str) -> tuple[int, str, str]:
    ran = subprocess.run(
        [sys.executable, "-c", "from hub.cli import main; main()", "judge", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


def judged(path: Path, *words: str) -> dict[str, Any]:
    ran = CliRunner().invoke(app, ["judge", str(path), "--json", *words], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_findings_are_told_as_json(tmp_path: Path) -> None:
    path = write(tmp_path, DAY)

    found = judged(path, "--profile", "pharma-2-8")

    assert found["excursions"] == [
        {
            "limit": "above 8",
            "side": "above",
            "threshold": 8.0,
            "started_at": "2026-03-01T10:00:00Z",
            "alarm_at": "2026-03-01T10:30:00Z",
            "ended_at": "2026-03-01T11:00:00Z",
            "extreme": 9.5,
            "beyond_s": 3600.0,
        }
    ]
    assert found["no_data"] == [
        {"from_at": "2026-03-01T15:00:00Z", "to_at": "2026-03-01T16:00:00Z", "no_data_s": 3600.0}
    ]
    sums = {name: found[f"{name}_s"] for name in ("inside", "above", "below", "no_data", "ignored")}
    assert sums == {"inside": 21 * 3600.0 + 50 * 60, "above": 3600.0, "below": 0.0, "no_data": 3600.0, "ignored": 0.0}
    assert (found["alarmed"], found["complete"], found["zone_assumed"], found["unit"]) == (True, False, None, "°C")
    assert (found["readings"], found["faults"], found["low"], found["high"]) == (139, 0, 5.0, 9.5)
    whole = found["mkt"][-1]
    assert (whole["window"], whole["delta_h_kj_per_mol"], whole["known_s"]) == ("whole", 83.144, 22 * 3600.0 + 50 * 60)
    assert 5.0 < whole["value"] < 6.0
    assert whole["no_data"] == [{"from_at": "2026-03-01T15:00:00Z", "to_at": "2026-03-01T16:00:00Z"}]


def test_only_the_time_that_is_asked_for_is_judged(tmp_path: Path) -> None:
    path = write(tmp_path, DAY)
    times = ("--from", "2026-03-01 11:15", "--to", "2026-03-01T13:00+01:00", "--zone", "Europe/Berlin")

    found = judged(path, "--profile", "pharma-2-8", *times)

    assert (found["from_at"], found["to_at"]) == ("2026-03-01T10:15:00Z", "2026-03-01T12:00:00Z")
    assert [excursion["started_at"] for excursion in found["excursions"]] == ["2026-03-01T10:15:00Z"]
    assert (found["above_s"], found["complete"]) == (45 * 60.0, True)


def test_longer_steps_are_no_gap_where_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, DAY)

    assert judged(path, "--profile", "pharma-2-8", "--no-data", "1h")["no_data"] == []


def test_means_of_the_last_day_and_month_are_told_of_longer_histories(tmp_path: Path) -> None:
    lines = [f"2026-{month:02}-{day:02}T00:00Z,{month}.0\n" for month in (1, 2, 3) for day in range(1, 29)]

    found = judged(write(tmp_path, "".join(lines)), "--profile", "pharma-2-8", "--no-data", "4d")

    assert [mean["window"] for mean in found["mkt"]] == ["24h", "30d", "whole"]
    assert found["mkt"][0]["value"] == 3.0
    assert found["mkt"][2]["value"] < found["mkt"][1]["value"] < 3.0


def test_findings_are_told_in_words(tmp_path: Path) -> None:
    path = write(tmp_path, DAY.replace("Z,", ","))

    words = in_words(judge_file(path, PHARMA_2_8, How()))

    for told in (
        "ALARM: 1 of 1 excursions used more than is allowed; INCOMPLETE: not all of the time is known",
        "above 8    2026-03-01 10:00:00  2026-03-01 10:30:00  2026-03-01 11:00:00  1 h          9.50",
        "1 h      2026-03-01 15:00:00  2026-03-01 16:00:00",
        "inside 21 h 50 min, above 1 h, below 0 s, no data 1 h, ignored 0 s",
        "mean kinetic temperature, whole: 5.",
        "times without a zone were taken as UTC; --zone says another",
    ):
        assert told in words


def test_steps_longer_than_the_profile_allows_are_explained(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN.replace("08:10", "08:30").replace("08:20", "09:00"))

    words = in_words(judge_file(path, PHARMA_2_8, How()))

    assert "readings come every 30 min, but behind 15 min without one the profile says no data; --no-data" in words


@pytest.mark.slow
def test_lines_that_are_no_readings_are_printed_and_end_with_exit_code_1(tmp_path: Path) -> None:
    path = write(tmp_path, DAY + "2026-03-02T00:00:00Z,hot\nend of file\n")

    code, out, err = command(str(path), "--profile", "pharma-2-8", "--json")

    assert code == 1
    assert [bad["line"] for bad in json.loads(out)["bad_lines"]] == [141, 142]
    assert err.startswith(
        "lines that are no readings, and are not judged: 2; line 141 has 'hot' where the value should be"
    )
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("--profile", "none"), 1, "profile 'none' is no preset and no file"),
        (
            ("--profile", "pharma-2-8", "--from", "2026-03-02T00:00Z", "--to", "2026-03-01T00:00Z"),
            1,
            "exchange --from and --to",
        ),
        (("--profile", "pharma-2-8", "--to", "12026-03-01T00:00Z"), 1, "where the time should be"),
        (("--profile", "pharma-2-8", "--no-data", "8d"), 1, "expected 1 s to 7 days"),
        (("--profile", "pharma-2-8", "--zone", "Nowhere"), 1, "time zone 'Nowhere' is not known"),
        ((), 2, "Missing option '--profile'"),
        (("--profile", "pharma-2-8", "--unit", "k"), 2, "'k' is not one of 'c', 'f'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(
    words: tuple[str, ...], code: int, why: str, tmp_path: Path
) -> None:
    found, out, err = command(str(write(tmp_path, DAY)), *words)

    assert (found, out) == (code, "")
    assert why in err
    assert "Traceback" not in err
