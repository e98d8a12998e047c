"""Real pseudo-terminals: what pyserial and the kernel do when a cable is pulled."""

import os
import pty
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.config import ScannerHidConfig, ScannerLineConfig
from agent.drivers.frames import Code, Fix, Sample
from agent.drivers.health import State
from agent.drivers.port import DescriptorPort, Port, PortGone, PortSeen, open_hid, open_serial, ports_seen
from agent.drivers.registry import build_driver
from agent.drivers.shell import DriverShell
from agent.drivers.sink import Signal

PATIENCE_S = 5.0


class Cable:
    """A pseudo-terminal linked at a path, as a simulated device would be."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master = -1

    def plug(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.link.symlink_to(os.ttyname(slave))
        # The far end stays closed here, so that closing the master is a pulled cable.
        os.close(slave)

    def unplug(self) -> None:
        self.link.unlink()
        os.close(self.master)
        self.master = -1

    def receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += os.read(self.master, size - len(data))
        return data


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path / "scanner")
    cable.plug()
    yield cable
    if cable.master >= 0:
        cable.unplug()


class WaitingSink:
    """Lets a test wait for what a driver's thread delivers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.seen: list[object] = []

    def _see(self, what: object) -> None:
        with self._changed:
            self.seen.append(what)
            self._changed.notify()

    def wait_for(self, what: object, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.seen.count(what) >= times, PATIENCE_S), self.seen

    def code(self, driver: str, code: Code) -> Signal:
        self._see((driver, code))
        return Signal.KEPT

    def sample(self, driver: str, sample: Sample) -> None:
        self._see((driver, sample))

    def fix(self, driver: str, fix: Fix) -> None:
        self._see((driver, fix))

    def lost(self, driver: str, why: str) -> None:
        self._see((driver, "lost"))

    def found(self, driver: str) -> None:
        self._see((driver, "found"))


def test_a_scanner_is_read_answered_unplugged_and_read_again(cable: Cable) -> None:
    sink = WaitingSink()
    shell = DriverShell(build_driver(ScannerLineConfig(name="dock", port=str(cable.link), feedback=True)), sink)
    shell.start()
    try:
        sink.wait_for(("dock", "found"))
        os.write(cable.master, b"]d2010\x1dA\r")
        sink.wait_for(("dock", Code(b"010\x1dA", "]d2")))
        assert cable.receive(6) == b"KEPT\r\n"
        cable.unplug()
        sink.wait_for(("dock", "lost"))
        assert shell.health().state is State.MISSING
        cable.plug()
        sink.wait_for(("dock", "found"), times=2)
        os.write(cable.master, b"AFTER\r\n")
        sink.wait_for(("dock", Code(b"AFTER")))
        assert cable.receive(6) == b"KEPT\r\n"
    finally:
        shell.stop()
        shell.join()
    assert shell.health().opened == 2


def test_reading_a_silent_line_gives_nothing_after_the_timeout(cable: Cable) -> None:
    port = open_serial(str(cable.link), 9600)
    assert port.read(0.01) == b""
    port.close()


@pytest.mark.parametrize(
    "act", [lambda port: port.read(1.0), lambda port: port.write(b"KEPT\r\n")], ids=["read", "write"]
)
def test_a_pulled_cable_is_port_gone(cable: Cable, act: Callable[[Port], object]) -> None:
    port = open_serial(str(cable.link), 115_200)
    cable.unplug()
    with pytest.raises(PortGone):
        act(port)
    port.close()


def test_a_read_error_of_the_kernel_is_port_gone(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    port = DescriptorPort(descriptor, lambda: os.close(descriptor))
    with pytest.raises(PortGone, match="Is a directory"):
        port.read(0.0)
    port.close()
    port.close()


def test_a_device_that_reads_nothing_holds_up_for_half_a_second_at_most(cable: Cable) -> None:
    port = open_serial(str(cable.link), 9600)
    began_s = time.monotonic()
    assert port.write(b"x" * 100_000) is False
    assert time.monotonic() - began_s < PATIENCE_S
    port.close()


def test_a_port_is_opened_once_only(cable: Cable) -> None:
    port = open_serial(str(cable.link), 9600)
    with pytest.raises(PortGone):
        open_serial(str(cable.link), 9600)
    port.close()


def test_ports_that_are_not_there_or_no_ports_are_gone(tmp_path: Path) -> None:
    with pytest.raises(PortGone, match=r"nothing: No such file or directory$"):
        open_serial(str(tmp_path / "nothing"), 9600)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(PortGone):
        open_serial(str(file), 9600)


def test_an_input_device_that_cannot_be_grabbed_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "event0"
    file.touch()
    with pytest.raises(PortGone, match="cannot be grabbed"):
        open_hid(ScannerHidConfig(name="hid", port=str(file)))


def keyboard(folder: Path, event: str, name: str, vendor: int, keys: str) -> None:
    device = folder / event / "device"
    (device / "id").mkdir(parents=True)
    (device / "capabilities").mkdir()
    (device / "name").write_text(name + "\n")
    (device / "id" / "vendor").write_text(f"{vendor:04x}\n")
    (device / "id" / "product").write_text("1200\n")
    (device / "capabilities" / "key").write_text(keys + "\n")


def test_keyboards_are_found_by_vendor_and_name_and_mice_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters, buttons = "10000 fffffffffffffffe", "70000 0 0 0 0"
    keyboard(tmp_path, "event0", "Acme Mouse", 0x1111, buttons)
    keyboard(tmp_path, "event1", "Acme Keyboard", 0x1111, letters)
    keyboard(tmp_path, "event2", "Zebra Bar Code Scanner", 0x05E0, letters)
    monkeypatch.setattr("agent.drivers.port.INPUT_CLASS", tmp_path)
    monkeypatch.setattr("agent.drivers.port.INPUT_FOLDER", tmp_path / "dev")
    seen = {port.path: port for port in ports_seen()}
    assert seen[str(tmp_path / "dev/event2")] == PortSeen(
        str(tmp_path / "dev/event2"), "Zebra Bar Code Scanner", 0x05E0, 0x1200
    )
    assert str(tmp_path / "dev/event0") not in seen
    for wanted in ({"vendor": 0x05E0}, {"device_name": "Bar Code"}):
        with pytest.raises(PortGone, match="event2"):
            open_hid(ScannerHidConfig(name="hid", **wanted))
    with pytest.raises(PortGone, match="no input device has the configured vendor"):
        open_hid(ScannerHidConfig(name="hid", vendor=0x9999))


def test_configured_links_that_exist_are_listed(cable: Cable) -> None:
    seen = {port.path: port.description for port in ports_seen((str(cable.link), "/nowhere"))}
    assert seen[str(cable.link)] == str(cable.link.resolve())
    assert "/nowhere" not in seen


def test_grabbing_asks_the_kernel_for_what_input_h_says() -> None:
    # _IOW('E', 0x90, int): direction write in the top bits, size 4, type 'E', number 0x90.
    assert struct.pack("<I", 0x40044590) == bytes((0x90, ord("E"), 4, 0x40))
