"""Real pseudo-terminals and pyserial at the other end, with virtual time: nothing waits for a clock."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from firmware_sim.adapters.feedback_port import FeedbackPort
from firmware_sim.adapters.line_scanner import LineScanner
from firmware_sim.adapters.modbus import crc, frame
from firmware_sim.adapters.modbus_probe import ModbusProbe
from firmware_sim.errors import JournalError, SimulatorError
from firmware_sim.hand import Habit
from firmware_sim.host import Host
from firmware_sim.journal import FileJournal
from firmware_sim.physics.codes import code_stream
from firmware_sim.physics.cold_box import ColdBox, DoorPlan
from tests.firmware_sim.virtual import MemoryJournal, VirtualClock


class Bench:
    """A host under virtual time."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.host = Host(self.clock)
        self.journal = MemoryJournal()
        self.link = folder / "port"

    def scanner(self, habit: Habit | None = None, unplug_s: float | None = None) -> LineScanner:
        device = LineScanner(code_stream(1), self.journal, seed=1, habit=habit)
        self.host.add(device, self.link, seed=1, unplug_s=unplug_s)
        return device

    def run(self, seconds: float, step_ms: int = 10) -> None:
        for _ in range(int(1000 * seconds / step_ms)):
            self.clock.advance(step_ms)
            self.host.step()

    def open(self) -> serial.Serial:
        return serial.Serial(str(self.link), timeout=1)

    def events(self) -> list[object]:
        return [record["event"] for record in self.journal.records if "event" in record]

    def sent(self) -> list[object]:
        return [record["sent"] for record in self.journal.records if "sent" in record]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.host.close()


def all_of(port: serial.Serial) -> bytes:
    # Not in_waiting: it misses what the kernel has yet to hand over; a read makes it do so.
    port.timeout = 0
    received = b""
    while more := port.read(10_000):
        received += more
    return received


def codes_in(port: serial.Serial) -> list[str]:
    return [line[3:].hex() for line in all_of(port).split(b"\r")[:-1]]


def test_pyserial_reads_every_code_of_a_scanner(bench: Bench) -> None:
    bench.scanner()
    bench.run(5)
    assert bench.sent() == []

    with bench.open() as port:
        bench.run(20)
        received = codes_in(port)

    assert len(received) > 10
    assert received == bench.sent()


def test_a_port_that_was_just_opened_stays_silent_for_a_moment(bench: Bench) -> None:
    bench.scanner()
    with bench.open() as port:
        bench.run(0.15)
        assert all_of(port) == b""
        bench.run(0.2)
        assert all_of(port) != b""


def test_scanning_pauses_while_nobody_listens_and_goes_on_with_the_next_code(bench: Bench) -> None:
    bench.scanner()
    with bench.open() as port:
        bench.run(5)
        first = codes_in(port)
    bench.run(10)
    with bench.open() as port:
        bench.run(5)
        second = codes_in(port)

    assert [*first, *second] == bench.sent()
    assert bench.events() == ["opened", "closed", "opened"]


def test_feedback_on_the_scanners_own_line_confirms_its_code(bench: Bench) -> None:
    bench.scanner(Habit(rate_hz=10.0, wait_feedback_ms=60_000))
    with bench.open() as port:
        bench.run(1)
        port.write(b"KEPT\r\n")
        bench.run(1)

    assert len(bench.sent()) == 2
    assert [record["beeped"] for record in bench.journal.records if "beeped" in record] == [1]


def test_the_last_words_of_a_host_that_has_just_gone_still_count(bench: Bench) -> None:
    bench.scanner(Habit(rate_hz=10.0, wait_feedback_ms=60_000))
    with bench.open() as port:
        bench.run(1)
        port.write(b"KEPT\r\n")
    bench.run(1)

    assert [record["beeped"] for record in bench.journal.records if "beeped" in record] == [1]


def test_a_feedback_port_confirms_the_codes_of_its_scanner(bench: Bench, tmp_path: Path) -> None:
    scanner = bench.scanner(Habit(rate_hz=10.0, wait_feedback_ms=60_000))
    bench.host.add(FeedbackPort(bench.journal, scanner.hand.signal), tmp_path / "lamp")
    with bench.open(), serial.Serial(str(tmp_path / "lamp")) as lamp:
        bench.run(1)
        lamp.write(b"UNEXPECTED\r\nHELLO\r\n")
        bench.run(1)

    assert {"feedback": "UNEXPECTED", "beeped": 1}.items() <= bench.journal.records[-3].items()
    assert [record["unknown"] for record in bench.journal.records if "unknown" in record] == [b"HELLO".hex()]


def test_a_feedback_port_alone_journals_signals(bench: Bench) -> None:
    bench.host.add(FeedbackPort(bench.journal), bench.link)
    with bench.open() as port:
        port.write(b"KEPT\r\nREFUSED\r\n")
        bench.run(0.1)

    assert [record["feedback"] for record in bench.journal.records if "feedback" in record] == ["KEPT", "REFUSED"]


def test_a_word_said_by_opening_writing_and_closing_at_once_is_heard(bench: Bench) -> None:
    bench.host.add(FeedbackPort(bench.journal), bench.link)
    bench.run(0.1)
    bench.link.write_bytes(b"KEPT\r\n")
    bench.run(0.1)

    assert [record.get("feedback") for record in bench.journal.records] == [None, "KEPT", None]
    assert bench.events() == ["feedback_opened", "feedback_closed"]


def test_a_pulled_cable_breaks_the_port_and_it_comes_back_under_its_name(bench: Bench) -> None:
    bench.scanner(unplug_s=10.0)
    with bench.open() as port:
        while bench.link.is_symlink():
            bench.run(0.1)
        with pytest.raises((serial.SerialException, OSError)):
            port.read(100_000)
    for _ in range(100):
        if bench.link.is_symlink():
            break
        bench.run(0.1)
    with bench.open() as port:
        bench.run(2)
        assert codes_in(port)

    assert bench.events()[:3] == ["opened", "unplugged", "opened"]


def test_a_probe_answers_a_request_that_was_sent_at_once(bench: Bench) -> None:
    probe = ModbusProbe(ColdBox(DoorPlan(1, 0.0)), bench.journal, start_ms=bench.clock.ms)
    bench.host.add(probe, bench.link)
    with bench.open() as port:
        port.write(frame(1, bytes.fromhex("03 0000 0003")))
        bench.run(0.1)
        answer = all_of(port)

    assert answer[:3] == bytes.fromhex("01 03 06")
    assert crc(answer[:-2]) == answer[-2:]


def test_a_reader_that_does_not_read_gets_everything_in_order_later(bench: Bench) -> None:
    # More than the kernel's buffers hold.
    bench.scanner(Habit(rate_hz=1_000.0, count=5_000))
    received = b""
    with bench.open() as port:
        bench.run(10, step_ms=2)
        while more := all_of(port):
            received += more
            bench.run(0.1)

    assert [line[3:].hex() for line in received.split(b"\r")[:-1]] == bench.sent()
    assert len(bench.sent()) == 5_000


def test_the_line_is_raw_before_anyone_sets_it_up(bench: Bench) -> None:
    bench.scanner()
    plain = os.open(bench.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    bench.run(0.5)
    received = os.read(plain, 1_000)
    os.close(plain)

    assert received.endswith(b"\r")
    assert [code[3:].hex() for code in received.split(b"\r")[:-1]] == bench.sent()


def test_closing_removes_the_link_unless_another_took_it(bench: Bench) -> None:
    bench.scanner()
    assert bench.link.is_symlink()
    other = Host(bench.clock)
    other.add(FeedbackPort(bench.journal), bench.link)
    theirs = bench.link.readlink()

    bench.host.close()
    assert bench.link.readlink() == theirs
    other.close()
    assert not bench.link.is_symlink()


def test_a_file_in_the_way_is_not_replaced(bench: Bench) -> None:
    bench.link.write_text("precious")

    with pytest.raises(SimulatorError, match="exists and is no link"):
        bench.scanner()
    assert bench.link.read_text() == "precious"


def test_a_link_in_a_missing_folder_is_refused_and_leaves_no_descriptor(bench: Bench) -> None:
    bench.link = bench.link.parent / "missing" / "port"
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 only the number counts

    with pytest.raises(SimulatorError, match=r"cannot link .*: No such file or directory"):
        bench.scanner()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 only the number counts


def test_a_journal_on_disk_has_one_json_object_a_line_and_is_carried_on(tmp_path: Path) -> None:
    for n in (1, 2):
        journal = FileJournal(tmp_path / "journal", sync=True)
        journal.write(5, n=n, intact=True, harm=["noise"])
        journal.close()

    lines = (tmp_path / "journal").read_text().splitlines()
    assert lines[0] == '{"t_ms":5,"n":1,"intact":true,"harm":["noise"]}'
    assert [json.loads(line)["n"] for line in lines] == [1, 2]


def test_a_journal_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot open the journal .*: No such file or directory"):
        FileJournal(tmp_path / "missing" / "journal", sync=True)


def test_a_code_whose_record_cannot_be_written_is_not_sent(bench: Bench) -> None:
    full = FileJournal(Path("/dev/full"), sync=False)
    bench.host.add(LineScanner(code_stream(1), full), bench.link)
    with bench.open() as port:
        with pytest.raises(JournalError, match="No space left on device"):
            bench.run(5)
        assert all_of(port) == b""
    with pytest.raises(JournalError):
        bench.host.close()

    assert not bench.link.is_symlink()
    full.close()
