"""The world outside: all simulated hands, probes and receivers of the demo, in one thread, each with its journal."""

import contextlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from firmware_sim.adapters.gps_receiver import GpsReceiver
from firmware_sim.adapters.line_scanner import LineScanner
from firmware_sim.adapters.modbus_probe import ModbusProbe
from firmware_sim.adapters.ssi_scanner import SsiScanner
from firmware_sim.checker import Courier, Fate, Probe, Record, Scanner, promised, read_journal, sends
from firmware_sim.clock import SystemClock
from firmware_sim.demo.cast import CAST, DOCK, PROBE_TIMEOUT_MS, VANS, WITH_SCANNER, Box, Member, Ports
from firmware_sim.demo.failing_probe import FailingProbe, Health
from firmware_sim.demo.handheld import Handheld
from firmware_sim.demo.pace import Act, Cue, Pace
from firmware_sim.demo.parcels import DockShift, Shift, VanShift
from firmware_sim.demo.visits import Visit
from firmware_sim.device import Chunk, Device
from firmware_sim.errors import SimulatorError
from firmware_sim.faults import FaultPlan
from firmware_sim.hand import Habit
from firmware_sim.host import Host
from firmware_sim.journal import FileJournal, Journal, JsonValue
from firmware_sim.physics.cold_box import BoxDesign, ColdBox, DoorPlan, HeldDoor
from firmware_sim.physics.van import ROTTERDAM, Van

# Longer than a device ever takes to keep a scan, also on a busy machine: a late beep must not be taken for the next one's.
WAIT_FEEDBACK_MS = 10_000
# Everyday trouble on serial lines.
LINE_FAULTS = FaultPlan(split=0.05)
SSI_FAULTS = FaultPlan(split=0.05, lost_ack=0.005, noise=0.005)
BROKEN_ELEMENT = FaultPlan(fault_register=1.0)
HEALTH = {Act.BREAK_PROBE: Health.BROKEN, Act.SILENCE_PROBE: Health.DEAD, Act.REPLACE_PROBE: Health.WELL}
PARK_S = 10.0


@dataclass(slots=True)
class Counts:
    """What happened so far, in earlier runs too, for the line that people read; the proof counts for itself."""

    scans: int = 0
    readings: int = 0
    proofs: int = 0


class HandJournal:
    """A hand's journal that tells the step meant by each code, and lets the person know what beeped."""

    def __init__(self, journal: Journal, shift: Shift, counts: Counts) -> None:
        self._journal = journal
        self._shift = shift
        self._counts = counts

    def write(self, t_ms: int, /, **fields: JsonValue) -> None:
        """Keep one record, then act on it."""
        if "sent" in fields and self._shift.step is not None:
            fields["step"] = self._shift.step
        self._journal.write(t_ms, **fields)
        if fields.get("event") == "opened":
            self._shift.came_back()
        if isinstance(number := fields.get("beeped"), int):
            task = self._shift.beeped(number)
            self._counts.scans += task is not None and task.step is not None


class ProbeJournal:
    """A probe's journal that counts readings as it goes."""

    def __init__(self, journal: Journal, quantities: int, counts: Counts) -> None:
        self._journal = journal
        self._quantities = quantities
        self._counts = counts

    def write(self, t_ms: int, /, **fields: JsonValue) -> None:
        """Keep one record."""
        self._journal.write(t_ms, **fields)
        self._counts.readings += self._quantities


class AtWork(Device):
    """A scanner in a hand that sometimes has nothing to scan."""

    def __init__(self, scanner: LineScanner | SsiScanner, shift: Shift) -> None:
        self._scanner = scanner
        self._shift = shift

    def due_ms(self) -> int | None:
        """Return when the scanner has something to do; None while nothing lies there."""
        due_ms, hand = self._scanner.due_ms(), self._scanner.hand
        draws = hand.pending is None and due_ms == hand.due_ms()
        return None if draws and not self._shift.has_work else due_ms

    def wake(self, now_ms: int) -> Sequence[Chunk]:
        """Do what is due."""
        return self._scanner.wake(now_ms)

    def receive(self, data: bytes, now_ms: int) -> Sequence[Chunk]:
        """Take bytes from the device."""
        return self._scanner.receive(data, now_ms)

    def opened(self, now_ms: int) -> None:
        """Pick the scanner up."""
        self._scanner.opened(now_ms)

    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:
        """Put it down."""
        self._scanner.closed(now_ms, unplugged=unplugged, unsent=unsent)


class Outside:
    """Runs everything that is plugged into the demo's devices. Use as a context manager; `park` ends it early."""

    def __init__(self, folder: Path, pace: Pace, seed: int) -> None:
        """Describe the world.

        Args:
            folder: The demo's data folder.
            pace: How fast everything goes.
            seed: Decides everything that is left to chance.
        """
        self.counts = Counts()
        self.failure: SimulatorError | None = None
        """Why the world stood still, if it did."""
        self._folder = folder
        self._pace = pace
        self._seed = seed
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outside", daemon=True)
        self._journals: list[FileJournal] = []
        self._host = Host(self._clock)
        self._doors: dict[tuple[str, str], HeldDoor] = {}
        self._probes: dict[tuple[str, str], FailingProbe] = {}
        self._handhelds: dict[str, Handheld] = {}
        self._vans: dict[str, VanShift] = {}
        self._dock: DockShift | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(self._close)
            self._furnish()
            undo.pop_all()
        self._thread.start()
        for handheld in self._handhelds.values():
            handheld.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.park()
        self._close()

    def park(self) -> None:
        """End the day: unplug everything."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(PARK_S)
        for handheld in self._handhelds.values():
            handheld.stop()

    @property
    def trouble(self) -> SimulatorError | None:
        """Why the world, or one courier in it, stands still; None while all is well."""
        return self.failure or next((h.failure for h in self._handhelds.values() if h.failure is not None), None)

    @property
    def proofs(self) -> int:
        """How many proofs are kept so far, in earlier runs too."""
        return self.counts.proofs + sum(handheld.kept for handheld in self._handhelds.values())

    def give(self, device: str, tour: Iterable[Visit]) -> None:
        """Tell a van's courier which stops come next, and the dock what comes for them; may be called from any thread."""
        visits = tuple(tour)
        # First the stops: the dock must not wait for a courier who knows of nothing.
        self._vans[device].take(visits)
        if self._dock is not None:
            self._dock.expect(self._vans[device], (code for visit in visits for code in visit.codes))

    @property
    def is_idle(self) -> bool:
        """Whether all couriers have done all they were told."""
        return all(van.is_done for van in self._vans.values())

    def happens(self, cue: Cue) -> None:
        """Let something happen to a box: its door is left open or closed, its probe fails or is replaced."""
        box = cue.device, cue.box
        if cue.act in HEALTH:
            self._probes[box].health = HEALTH[cue.act]
        else:
            self._doors[box].left_open = cue.act is Act.OPEN_DOOR

    def scanners(self) -> list[Scanner]:
        """Return what all scanners did, from their journals."""
        return [Scanner(member.device, read_journal(self._journal_path(member, "scanner"))) for member in WITH_SCANNER]

    def couriers(self) -> list[Courier]:
        """Return what all couriers had proved, from their journals."""
        return [Courier(van.device, self._earlier(van, "proofs")) for van in VANS]

    def probes(self, breaks_ms: dict[str, list[int]]) -> list[Probe]:
        """Return what all probes said, from their journals; `breaks_ms` are the times at which devices died."""
        return [
            Probe(
                member.sensors(box),
                read_journal(self._journal_path(member, box.name)),
                breaks_ms.get(member.device, ()),
                silence_ms=round(1000 * self._pace.probe_interval_s) + PROBE_TIMEOUT_MS,
            )
            for member in CAST
            for box in member.boxes
        ]

    def _run(self) -> None:
        try:
            self._host.run(self._stop)
        except SimulatorError as error:
            self.failure = error

    def _close(self) -> None:
        self._host.close()
        for journal in self._journals:
            journal.close()

    def _furnish(self) -> None:
        earlier = {member: self._earlier(member, "scanner") for member in WITH_SCANNER}
        next_numbers = {
            member: 1 + max((record["n"] for record in records if "n" in record), default=0)
            for member, records in earlier.items()
        }
        self.counts.scans = sum(send.fate is Fate.KEPT for records in earlier.values() for send in sends(records))
        self.counts.readings = sum(
            len(box.registers) * len(self._earlier(member, box.name)) for member in CAST for box in member.boxes
        )
        self.counts.proofs = sum(promised(courier.records) for courier in self.couriers())
        self._vans = {van.device: self._courier(van, next_numbers[van]) for van in VANS}
        self._dock = DockShift(
            DOCK.person, list(self._vans.values()), first_number=next_numbers[DOCK], room=2 * self._pace.load
        )
        shifts: dict[Member, Shift] = {DOCK: self._dock, **{van: self._vans[van.device] for van in VANS}}
        for index, member in enumerate(CAST):
            ports = Ports(self._folder / "ports", member.device)
            seed = 10 * self._seed + index
            if member in shifts:
                self._host.add(self._scanner(member, shifts[member], seed), ports.scanner)
            for number, box in enumerate(member.boxes):
                self._host.add(self._probe(member, box, 2 * seed + number), ports.probe(box))
            if member.gps:
                self._host.add(self._gps(member, seed), ports.gps)

    def _courier(self, van: Member, first_number: int) -> VanShift:
        journal = self._journal(van, "proofs", sync=True)
        handheld = Handheld(self._folder / "devices" / van.device, van.person, journal, self._clock)
        self._handhelds[van.device] = handheld
        pace = self._pace
        return VanShift(
            van.person,
            handheld.prove,
            first_number=first_number,
            load=pace.load,
            drive_s=pace.drive_s,
            door_s=pace.door_s,
        )

    def _scanner(self, member: Member, shift: Shift, seed: int) -> Device:
        journal = HandJournal(self._journal(member, "scanner", sync=True), shift, self.counts)
        habit = Habit(self._pace.scans_hz, WAIT_FEEDBACK_MS)
        if member.scanner == "scanner_ssi":
            return AtWork(SsiScanner(shift, journal, seed=seed, habit=habit, faults=SSI_FAULTS), shift)
        return AtWork(LineScanner(shift, journal, seed=seed, habit=habit, faults=LINE_FAULTS), shift)

    def _probe(self, member: Member, box: Box, seed: int) -> Device:
        door = HeldDoor(DoorPlan(seed))
        cold_box = ColdBox(door, design=BoxDesign())
        journal = ProbeJournal(self._journal(member, box.name, sync=False), len(box.registers), self.counts)
        well, broken = (
            ModbusProbe(
                cold_box,
                journal,
                start_ms=self._clock.now_ms(),
                seed=seed,
                registers=box.registers,
                conversion_ms=round(1000 * self._pace.probe_interval_s),
                time_scale=self._pace.time_scale,
                faults=faults,
            )
            for faults in (FaultPlan(), BROKEN_ELEMENT)
        )
        probe = FailingProbe(well, broken)
        self._doors[member.device, box.name], self._probes[member.device, box.name] = door, probe
        return probe

    def _gps(self, member: Member, seed: int) -> Device:
        latitude_deg, longitude_deg = ROTTERDAM
        return GpsReceiver(
            Van(seed, latitude_deg=latitude_deg, longitude_deg=longitude_deg),
            self._journal(member, "gps", sync=False),
            start_ms=self._clock.now_ms(),
            seed=seed,
        )

    def _journal_path(self, member: Member, what: str) -> Path:
        return self._folder / "journals" / f"{member.device}-{what}.jsonl"

    def _journal(self, member: Member, what: str, *, sync: bool) -> Journal:
        journal = FileJournal(self._journal_path(member, what), sync=sync)
        self._journals.append(journal)
        return journal

    def _earlier(self, member: Member, what: str) -> list[Record]:
        path = self._journal_path(member, what)
        return read_journal(path) if path.exists() else []
