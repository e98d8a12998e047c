"""The whole device in this process: scanners over pseudo-terminals, faults of one part, and the end."""

import contextlib
import os
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import agent.device
from agent.alone import desk_alone
from agent.config import load_config
from agent.device import Agent
from agent.drivers.scanner_line import LineScanner
from agent.socket import LocalClient
from agent.store.errors import FolderInUse
from agent.uplink import Uplink
from contract.event import Booted, Phase, Scan, SensorContact, Status, Step
from contract.local import (
    AddDriver,
    AlarmHappened,
    DeviceStatus,
    Done,
    DriverHappened,
    Drivers,
    GetDrivers,
    GetOutbox,
    GetStatus,
    Happening,
    LinkHappened,
    OutboxPage,
    ReadingsHappened,
    Refused,
    ScanHappened,
    Signal,
)
from contract.messages import Document
from tests.agent.agent_process import write_config
from tests.agent.cold_kit import document
from tests.agent.probe_line import probe_line
from tests.agent.store.kit import SENSOR

WAIT_S = 20.0


class Line:
    """A pseudo-terminal whose far end is written to by a test."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


def _scanner(path: str, step: str = "loaded") -> str:
    return f'[[drivers]]\nkind = "scanner_line"\nport = "{path}"\nstep = "{step}"\n'


@contextlib.contextmanager
def _started(config: Path) -> Iterator[Agent]:
    hook = threading.excepthook
    device = Agent(load_config(config), config)
    try:
        device.start()
        yield device
    finally:
        device.stop()
        threading.excepthook = hook


def _until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.01)


def _events(folder: Path) -> list[object]:
    with LocalClient(folder) as client:
        page = client.ask(GetOutbox(100))
    assert isinstance(page, OutboxPage)
    return [item.fact.event for item in reversed(page.items) if item.fact is not None]


def _codes(folder: Path) -> list[tuple[bytes, Step]]:
    return [(event.code, event.step) for event in _events(folder) if isinstance(event, Scan)]


def _next(story: Iterator[Happening], kind: type[Happening]) -> Happening:
    return next(happening for happening in story if isinstance(happening, kind))


def test_a_scan_on_a_line_is_kept_and_followers_hear_its_signal(tmp_path: Path, line: Line) -> None:
    config = write_config(tmp_path, drivers=_scanner(line.path))
    with _started(config), LocalClient(tmp_path) as client:
        story = client.follow()
        assert next(story) == LinkHappened("none", None)
        line.send(b"box 1\r\n")
        heard = _next(story, ScanHappened)
        assert _codes(tmp_path) == [(b"box 1", Step.LOADED)]

    assert isinstance(heard, ScanHappened)
    assert (heard.driver, heard.parcel, heard.signal) == ("scanner-line-1", "box 1", Signal.KEPT)


def test_the_start_and_the_drivers_contact_are_facts(tmp_path: Path, line: Line) -> None:
    config = write_config(tmp_path, drivers=_scanner(line.path) + _scanner("/dev/absent"))
    with _started(config):
        _until(lambda: sum(isinstance(e, Status) for e in _events(tmp_path)) == 3)
        details = [event.detail for event in _events(tmp_path) if isinstance(event, Status)]

    assert isinstance(details[0], Booted)
    assert {(d.driver, d.found) for d in details if isinstance(d, SensorContact)} == {
        ("scanner-line-1", True),
        ("scanner-line-2", False),
    }


def test_a_driver_is_added_while_the_agent_runs_with_its_own_step(tmp_path: Path, line: Line) -> None:
    config = write_config(tmp_path)
    with _started(config), LocalClient(tmp_path) as follower, LocalClient(tmp_path) as client:
        story = follower.follow()
        table = f'kind = "scanner_line"\nport = "{line.path}"\nstep = "returned"'
        assert client.ask(AddDriver(table)) == Done()
        assert _next(story, DriverHappened) == DriverHappened("scanner-line-1", found=True, why="")
        line.send(b"box 2\r\n")
        _next(story, ScanHappened)
        assert _codes(tmp_path) == [(b"box 2", Step.RETURNED)]
        listed = client.ask(GetDrivers())
        assert isinstance(listed, Drivers)
        assert [(d.name, d.state) for d in listed.drivers] == [("scanner-line-1", "open")]
        refused = client.ask(AddDriver('kind = "toaster"'))
        assert isinstance(refused, Refused)


def test_a_driver_that_crashes_is_started_again_and_the_others_never_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agent.device, "DRIVER_PAUSE_S", 0.1)
    monkeypatch.setattr(agent.device, "UPKEEP_S", 0.05)
    feed = LineScanner.feed

    def faulty(self: LineScanner, data: bytes, now_s: float) -> object:
        if b"poison" in data:
            raise RuntimeError("a fault of ours")
        return feed(self, data, now_s)

    monkeypatch.setattr(LineScanner, "feed", faulty)
    one, two = Line(), Line()
    config = write_config(tmp_path, drivers=_scanner(one.path) + _scanner(two.path, "returned"))
    with _started(config), LocalClient(tmp_path) as client:
        one.send(b"poison\r\n")
        two.send(b"box 1\r\n")
        _until(lambda: len(_codes(tmp_path)) == 1)

        def opened_again() -> bool:
            status = client.ask(GetStatus())
            assert isinstance(status, DeviceStatus)
            return [d.state for d in status.drivers] == ["open", "open"]

        _until(lambda: "driver_restarted" in capsys.readouterr().err)
        _until(opened_again)
        one.send(b"box 2\r\n")
        _until(lambda: len(_codes(tmp_path)) == 2)
        assert sorted(_codes(tmp_path)) == [(b"box 1", Step.RETURNED), (b"box 2", Step.LOADED)]
    one.close()
    two.close()


def test_a_fault_in_the_uplink_does_not_end_capture(
    tmp_path: Path, line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agent.device, "UPLINK_PAUSE_S", 0.01)
    turns = []

    def faulty(_self: Uplink) -> None:
        turns.append(1)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Uplink, "turn", faulty)
    config = write_config(tmp_path, hub="mqtt://127.0.0.1:1", drivers=_scanner(line.path))
    with _started(config):
        _until(lambda: len(turns) > 2)
        line.send(b"box 1\r\n")
        _until(lambda: len(_codes(tmp_path)) == 1)

    assert "uplink_crashed" in capsys.readouterr().err


def test_f016_a_disk_that_did_not_take_a_write_ends_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.device, "UPKEEP_S", 0.05)
    with _started(write_config(tmp_path)) as device:
        device._outbox.database.broken = True
        device.wait()
        device._outbox.database.broken = False

    assert device.failure is not None
    assert "disk" in device.failure


def test_f007_two_agents_do_not_open_one_folder(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with _started(config), pytest.raises(FolderInUse):
        Agent(load_config(config), config)


def test_profile_that_arrives_is_judged_by_at_once_and_its_withdrawal_ends_that(tmp_path: Path) -> None:
    with probe_line() as probe:
        probe.value = 1_600
        config = write_config(tmp_path, drivers=probe.driver())
        with _started(config) as device, LocalClient(tmp_path) as follower:
            story = follower.follow()
            _next(story, ReadingsHappened)
            assert device.status().cold == ()
            device._inbox.take(Document("coldchain", 1, 0, 1, document(from_ms=0).data))
            raised = _next(story, AlarmHappened)
            assert isinstance(raised, AlarmHappened)
            assert (raised.alarm.sensor, raised.alarm.limit) == (SENSOR, "hot")
            assert [sensor.profile for sensor in device.status().cold] == ["fridge"]
            device._inbox.take(Document("coldchain", 2, 0, 1, document(sensors=()).data))
            ended = _next(story, AlarmHappened)
            assert isinstance(ended, AlarmHappened)
            assert (ended.alarm.alarm, ended.alarm.phase) == (raised.alarm.alarm, Phase.ENDED)
            assert device.status().cold == ()


def test_what_the_agent_knew_is_told_when_it_no_longer_runs(tmp_path: Path, line: Line) -> None:
    config = write_config(tmp_path, drivers=_scanner(line.path))
    with _started(config):
        line.send(b"box 1\r\nbox 2\r\n")
        _until(lambda: len(_codes(tmp_path)) == 2)
    with desk_alone(load_config(config), config, write=False) as desk:
        status = desk.answer(GetStatus())

    assert isinstance(status, DeviceStatus)
    (driver,) = status.drivers
    assert driver.state == "closed"
    assert dict(driver.counters)["frames"] == 2
    assert driver.last_frame_at_ms is not None
