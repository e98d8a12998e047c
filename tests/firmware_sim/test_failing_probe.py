from pathlib import Path

from firmware_sim.adapters.modbus import frame
from firmware_sim.adapters.modbus_probe import ModbusProbe
from firmware_sim.adapters.registers import FAULT_VALUE
from firmware_sim.demo.cast import TEMPERATURE
from firmware_sim.demo.failing_probe import FailingProbe, Health
from firmware_sim.demo.outside import BROKEN_ELEMENT
from firmware_sim.faults import FaultPlan
from firmware_sim.journal import FileJournal
from firmware_sim.physics.cold_box import ColdBox, DoorPlan, HeldDoor


def answered(probe: FailingProbe, now_ms: int) -> bytes:
    read_one = frame(1, bytes([3, 0, 0, 0, 1]))
    return b"".join(chunk.data for chunk in probe.receive(read_one, now_ms))


def test_probe_breaks_falls_silent_and_is_replaced(tmp_path: Path) -> None:
    box, journal = ColdBox(HeldDoor(DoorPlan(1))), FileJournal(tmp_path / "probe.jsonl", sync=False)
    well, broken = (
        ModbusProbe(box, journal, start_ms=0, registers=(TEMPERATURE,), faults=faults)
        for faults in (FaultPlan(), BROKEN_ELEMENT)
    )
    probe = FailingProbe(well, broken)

    said = []
    for number, health in enumerate((Health.WELL, Health.BROKEN, Health.DEAD, Health.WELL)):
        probe.health = health
        said.append(answered(probe, 1_000 * number)[3:5])
    journal.close()

    assert said == [b"\x01\xf4", FAULT_VALUE.to_bytes(2), b"", b"\x01\xf4"]


def test_box_warms_while_its_door_is_left_open() -> None:
    door = HeldDoor(DoorPlan(1, openings_per_hour=0))
    box = ColdBox(door)
    door.left_open = True
    warm_c = box.at(300).temperature_c
    door.left_open = False

    assert warm_c > 8
    assert box.at(900).temperature_c < 8
