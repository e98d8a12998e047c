import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial

from firmware_sim import uinput_scanner
from firmware_sim.arguments import given_codes
from firmware_sim.cli import main
from firmware_sim.errors import SimulatorError
from firmware_sim.physics.codes import Code

COMMANDS = ("scanner", "ssi", "hid", "probe", "gps", "feedback")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])

    assert left.value.code == 0
    assert f"holdfast-sim {command} --link" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "COMMAND"),
        (["scanner"], "--link"),
        (["scanner", "--link", "x", "--seed", "1000000"], "expected a whole number from 0 to 999999"),
        (["scanner", "--link", "x", "--rate", "0"], "expected a number above 0"),
        (["scanner", "--link", "x", "--faults", "late=1"], "unknown fault 'late'"),
        (["scanner", "--link", "x", "--suffix", "dot"], "invalid choice"),
        (["probe", "--link", "x", "--registers", "speed@0"], "unknown quantity"),
        (["probe", "--link", "x", "--door", "9-3"], "expected seconds FROM-TO"),
        (["gps", "--link", "x", "--centre", "north"], "expected LATITUDE,LONGITUDE"),
        (["gps", "--link", "x", "--centre", "89,0"], "expected LATITUDE,LONGITUDE"),
    ],
)
def test_wrong_usage_says_what_was_expected(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)

    assert left.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def kept_signals() -> object:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("kept_signals")
@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "hid"])
def test_what_cannot_be_done_is_one_plain_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--link", str(tmp_path / "missing" / "port")]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"holdfast-sim: cannot link {tmp_path}/missing/port: No such file or directory\n"


@pytest.mark.usefixtures("kept_signals")
def test_without_uinput_no_keyboard_is_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uinput_scanner, "UINPUT", tmp_path / "uinput")
    assert main(["hid", "--link", str(tmp_path / "port")]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"holdfast-sim: this machine has no {tmp_path}/uinput")
    assert not (tmp_path / "port").exists()


def test_codes_are_given_as_text_hex_or_file(tmp_path: Path) -> None:
    file = tmp_path / "codes"
    file.write_bytes(b"plain\r\n\n]d201X<GS>21Y\n")

    assert given_codes(["]C100"], file, is_hex=False) == [
        Code(b"00", "]C1"),
        Code(b"plain"),
        Code(b"01X\x1d21Y", "]d2"),
    ]
    assert given_codes(["]C11d00"], None, is_hex=True) == [Code(b"\x1d\x00", "]C1")]


def test_codes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="expected hex"):
        given_codes(["xyz"], None, is_hex=True)
    with pytest.raises(SimulatorError, match="empty code"):
        given_codes([""], None, is_hex=False)
    with pytest.raises(SimulatorError, match="cannot read the codes"):
        given_codes([], tmp_path / "missing", is_hex=False)


def start(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "firmware_sim.cli", *words], stdout=subprocess.PIPE)


@pytest.mark.slow
def test_a_scanner_process_is_ready_sends_journals_and_leaves_no_link(tmp_path: Path) -> None:
    link, journal = tmp_path / "port", tmp_path / "journal"
    words = ["--count", "5", "--rate", "50", "--wait-feedback", "10", "--faults", "split=0.5"]
    with start("scanner", "--link", str(link), "--journal", str(journal), *words) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"event": "ready", "link": str(link)}
        with serial.Serial(str(link), timeout=10) as port:
            received = []
            for _ in range(5):
                received.append(port.read_until(b"\r")[3:-1].hex())
                port.write(b"KEPT\r\n")
            port.flush()
            deadline = time.monotonic() + 10
            while '"done"' not in journal.read_text() and time.monotonic() < deadline:
                time.sleep(0.01)
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [record["sent"] for record in records if "sent" in record] == received
    assert [record["beeped"] for record in records if "beeped" in record] == [1, 2, 3, 4, 5]
    assert not link.is_symlink()


@pytest.mark.slow
def test_a_probe_process_speaks_to_pymodbus(tmp_path: Path) -> None:
    from pymodbus.client import ModbusSerialClient  # noqa: PLC0415 slow to import

    link = tmp_path / "port"
    with start("probe", "--link", str(link), "--unit", "3") as process:
        assert process.stdout is not None
        process.stdout.readline()
        client = ModbusSerialClient(str(link), timeout=5)
        assert client.connect()
        good = client.read_input_registers(0, count=3, device_id=3)
        bad = client.read_holding_registers(7, count=1, device_id=3)
        client.close()
        process.send_signal(signal.SIGINT)

        assert process.wait(10) == 0
    assert good.registers[2] == 0
    assert 30 < good.registers[0] < 70
    assert bad.isError()
    assert bad.exception_code == 2
