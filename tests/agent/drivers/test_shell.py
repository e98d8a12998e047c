"""The shell over a scripted port and a virtual clock, without its thread."""

from collections import deque

import pytest

from agent.config import DriverConfig, ModbusProbeConfig, RegisterConfig, ScannerLineConfig, ScannerSsiConfig
from agent.drivers.frames import Code, Fix, Reason, Sample
from agent.drivers.health import RejectionHealth, State
from agent.drivers.modbus_rtu import Read, crc16
from agent.drivers.port import Port, PortGone
from agent.drivers.registry import build_decoder
from agent.drivers.scanner_ssi import ACK
from agent.drivers.shell import REOPEN_CAP_S, Driver, DriverShell
from agent.drivers.sink import Signal
from agent.drivers.ssi_packet import checksum
from contract.event import Quantity

LINE = ScannerLineConfig(name="dock", port="/dev/scanner", feedback=True)
QUIET_LINE = ScannerLineConfig(name="dock", port="/dev/scanner")
SSI = ScannerSsiConfig(name="dock", port="/dev/scanner")
PROBE = ModbusProbeConfig(
    name="box", port="/dev/probe", registers=(RegisterConfig(quantity=Quantity.TEMPERATURE_C, address=0, scale=0.1),)
)


class ScriptedPort:
    """Gives what the test put in, in virtual time; `None` in the script is a pulled cable."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def read(self, timeout_s: float) -> bytes:
        if not self._world.script:
            self._world.now_s += timeout_s
            return b""
        data = self._world.script.popleft()
        if data is None:
            raise PortGone("unplugged")
        return data

    def write(self, data: bytes) -> bool:
        self._world.log.append(("written", data))
        if self._world.write_gone:
            raise PortGone("unplugged while writing")
        return self._world.takes_writes

    def close(self) -> None:
        self._world.log.append(("closed",))


class World:
    """Port, sink, feedback port and clock of one driver, with everything that happened in order."""

    def __init__(self, config: DriverConfig) -> None:
        self.script: deque[bytes | None] = deque()
        self.plugged = True
        self.takes_writes = True
        self.write_gone = False
        self.now_s = 1000.0
        self.signal = Signal.KEPT
        self.log: list[tuple[object, ...]] = []
        driver = Driver(config.name, config.kind, config.port, build_decoder(config), self._open)
        self.shell = DriverShell(driver, self, feedback=self._feedback, clock=lambda: self.now_s)

    def _open(self) -> Port:
        if not self.plugged:
            raise PortGone("no such port")
        return ScriptedPort(self)

    def _feedback(self, signal: Signal) -> None:
        self.log.append(("feedback", signal))

    def code(self, driver: str, code: Code) -> Signal:
        self.log.append(("kept", driver, code))
        return self.signal

    def sample(self, driver: str, sample: Sample) -> None:
        self.log.append(("sample", driver, sample))

    def fix(self, driver: str, fix: Fix) -> None:
        self.log.append(("fix", driver, fix))

    def lost(self, driver: str, why: str) -> None:
        self.log.append(("lost", driver, why))

    def found(self, driver: str) -> None:
        self.log.append(("found", driver))

    def turns(self, *script: bytes | None) -> None:
        """Open if need be, then run until the script is used up."""
        self.script.extend(script)
        while self.script:
            self.now_s += self.shell.turn()


def test_a_code_is_kept_before_the_scanner_is_told() -> None:
    world = World(LINE)
    world.turns(b"]C1ABC\r")
    assert world.log == [("found", "dock"), ("kept", "dock", Code(b"ABC", "]C1")), ("written", b"KEPT\r\n")]


def test_a_scanner_that_cannot_tell_leaves_it_to_the_feedback_port() -> None:
    world = World(QUIET_LINE)
    world.signal = Signal.UNEXPECTED
    world.turns(b"ABC\r")
    assert world.log[-1] == ("feedback", Signal.UNEXPECTED)


def test_an_ssi_scanner_is_acknowledged_after_the_commit_only() -> None:
    world = World(SSI)
    body = bytes((8, 0xF3, 0, 0, 3)) + b"ABC"
    world.turns(body + checksum(body).to_bytes(2, "big"))
    assert [entry[0] for entry in world.log] == ["found", "kept", "written"]
    assert world.log[-1] == ("written", ACK + bytes.fromhex("05e6040000ff11"))


def test_a_broken_scan_is_told_as_refused() -> None:
    world = World(QUIET_LINE)
    world.turns(b"HALF")
    for _ in range(8):
        world.shell.turn()
    assert world.log == [("found", "dock"), ("feedback", Signal.REFUSED)]


def test_codes_behind_one_whose_answer_fails_are_kept_too() -> None:
    world = World(LINE)
    world.write_gone = True
    world.turns(b"A\rB\r", None)
    assert [entry[2] for entry in world.log if entry[0] == "kept"] == [Code(b"A"), Code(b"B")]
    assert world.shell.health().writes_failed == 2


def test_unplugging_is_said_once_and_the_port_is_opened_again_with_growing_pauses() -> None:
    world = World(LINE)
    world.turns(b"A\r")
    world.plugged = False
    world.turns(None)
    pauses = []
    for _ in range(6):
        pauses.append(world.shell.turn())
        world.now_s += pauses[-1]
    assert pauses == [0.4, 0.8, 1.6, REOPEN_CAP_S, REOPEN_CAP_S, REOPEN_CAP_S]
    assert world.shell.health().state is State.MISSING
    world.plugged = True
    world.turns(b"B\r")
    assert [entry[0] for entry in world.log] == [
        "found", "kept", "written", "closed", "lost", "found", "kept", "written",
    ]  # fmt: skip
    health = world.shell.health()
    assert (health.state, health.opened, health.problem) == (State.OPEN, 2, "no such port")


def test_a_port_that_opens_but_is_dead_is_not_reported_found_each_time() -> None:
    world = World(LINE)
    world.turns(None, None, None, None)
    assert [entry for entry in world.log if entry[0] in {"lost", "found"}] == [("lost", "dock", "unplugged")]
    assert world.shell.turn() == 0.0
    assert world.shell.health().opened == 5


def test_a_probe_is_polled_and_its_silence_is_told() -> None:
    world = World(PROBE)
    body = bytes((1, 3, 2, 0, 40))
    world.shell.turn()
    world.shell.turn()
    world.turns(body + crc16(body))
    assert world.log == [
        ("found", "box"),
        ("written", Read(1, 3, 0, 1).frame),
        ("sample", "box", Sample("temperature_c", Quantity.TEMPERATURE_C, 400)),
    ]
    start_s = world.now_s
    while world.now_s < start_s + 40:
        world.shell.turn()
    assert world.log[-1] == ("written", Read(1, 3, 0, 1).frame)
    assert ("lost", "box", "no answer") in world.log
    assert world.shell.health().silent
    world.turns(body + crc16(body))
    assert not world.shell.health().silent
    assert world.log[-2:] == [("found", "box"), ("sample", "box", Sample("temperature_c", Quantity.TEMPERATURE_C, 400))]


def test_health_counts_and_keeps_the_last_rejection_of_each_reason() -> None:
    world = World(ScannerLineConfig(name="dock", port="/dev/scanner", aim=True))
    world.turns(b"]C1A\r", b"NO AIM\r", b"NO\x1b[2J\xff\r")
    world.now_s += 5
    health = world.shell.health()
    assert (health.name, health.kind, health.port) == ("dock", "scanner_line", "/dev/scanner")
    assert (health.bytes_read, health.frames, health.rejected, health.noise_bytes) == (20, 1, 2, 13)
    assert (health.last_frame_age_s, health.state_age_s) == (5.0, 5.0)
    assert health.rejections == (RejectionHealth(Reason.NO_AIM, 2, "NO\\x1b[2J\\xff"),)


def test_a_device_that_takes_no_feedback_is_counted_and_still_read() -> None:
    world = World(LINE)
    world.takes_writes = False
    world.turns(b"A\rB\r")
    assert world.shell.health().writes_failed == 2
    assert world.shell.health().frames == 2


def test_the_thread_ends_when_asked_and_closes_the_port() -> None:
    world = World(LINE)
    world.shell.start()
    assert world.shell.wait_tried(5.0)
    world.shell.stop()
    world.shell.join()
    assert world.shell.health().state is State.CLOSED
    assert world.log[-1] == ("closed",)


@pytest.mark.parametrize("config", [LINE, SSI, PROBE])
def test_a_missing_port_at_start_is_told_once(config: DriverConfig) -> None:
    world = World(config)
    world.plugged = False
    for _ in range(3):
        world.shell.turn()
    assert world.log == [("lost", config.name, "no such port")]
