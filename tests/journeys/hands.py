"""Devices with a scanner in somebody's hand and a probe in a box, each with its journal."""

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from contract.identity import identify
from firmware_sim.adapters.line_scanner import LineScanner
from firmware_sim.adapters.modbus_probe import ModbusProbe
from firmware_sim.adapters.registers import FAULT_VALUE, Register
from firmware_sim.checker import Probe, Record, Scanner, read_journal
from firmware_sim.clock import SystemClock
from firmware_sim.demo.outside import AtWork, Counts, HandJournal
from firmware_sim.demo.parcels import Shift, Task, card
from firmware_sim.errors import SimulatorError
from firmware_sim.hand import Habit
from firmware_sim.host import Host
from firmware_sim.journal import FileJournal
from firmware_sim.physics.codes import Code, code_stream
from firmware_sim.physics.cold_box import BoxDesign, ColdBox, DoorPlan
from firmware_sim.signals import Signal

TEMPERATURE = Register("temperature_c", 0, "s16", 0.01)
STEPS = ("received", "loaded", "out_for_delivery", "delivered")
PARCELS_A_ROUND = 3
SCANS_HZ = 5.0
PROBE_INTERVAL_S = 0.2
PROBE_TIMEOUT_MS = 2_000
SEAL_S = 2
WAIT_FEEDBACK_MS = 30_000
"""Longer than a device ever takes: a late beep must not be taken for the next code's."""
TIME_SCALE = 60
"""The box ages a minute a second, so that neighbouring readings differ."""


class Rounds(Shift):
    """Takes new parcels through all steps, a few at a time, until told to stop."""

    def __init__(self, person: str, codes: Iterator[tuple[int, Code]]) -> None:
        super().__init__(person, first_number=1)
        self._codes = codes
        self.closing = False

    def more(self) -> Sequence[Task]:
        if self.closing:
            return ()
        parcels = [code for _, code in itertools.islice(self._codes, PARCELS_A_ROUND)]
        return [task for step in STEPS for task in (card("STEP", step), *(Task(p, step) for p in parcels))]

    def done(self, task: Task) -> None:
        """Go on with the next one."""


@dataclass
class Bench:
    """What is plugged into one device."""

    device: str
    folder: Path
    seed: int
    breaks_ms: list[int] = field(default_factory=list)
    """When the device died."""

    def __post_init__(self) -> None:
        self.shift = Rounds(f"person-{self.seed}", code_stream(self.seed))
        self.scans = FileJournal(self._journal("scanner"), sync=True)
        self.polls = FileJournal(self._journal("probe"), sync=False)

    @property
    def toml(self) -> str:
        """What the device must know of it."""
        return f"""
[uplink]
seal_s = {SEAL_S}

[[drivers]]
kind = "scanner_line"
name = "scanner"
port = "{self.folder / f"{self.device}-scanner"}"
aim = true
feedback = true

[[drivers]]
kind = "modbus_probe"
name = "probe"
port = "{self.folder / f"{self.device}-probe"}"
interval_s = {PROBE_INTERVAL_S}
timeout_ms = {PROBE_TIMEOUT_MS}

[[drivers.registers]]
quantity = "{TEMPERATURE.quantity}"
address = {TEMPERATURE.address}
scale = {TEMPERATURE.scale}
fault_value = {FAULT_VALUE}
"""

    @property
    def sensor(self) -> str:
        """Its only sensor."""
        return f"{self.device}.probe.{TEMPERATURE.quantity}"

    def plug_into(self, host: Host, clock: SystemClock) -> None:
        """Connect both."""
        journal = HandJournal(self.scans, self.shift, Counts())
        scanner = LineScanner(self.shift, journal, seed=self.seed, habit=Habit(SCANS_HZ, WAIT_FEEDBACK_MS))
        host.add(AtWork(scanner, self.shift), self.folder / f"{self.device}-scanner")
        probe = ModbusProbe(
            ColdBox(DoorPlan(self.seed), design=BoxDesign()),
            self.polls,
            start_ms=clock.now_ms(),
            seed=self.seed,
            registers=(TEMPERATURE,),
            conversion_ms=round(1000 * PROBE_INTERVAL_S),
            time_scale=TIME_SCALE,
        )
        host.add(probe, self.folder / f"{self.device}-probe")

    def close(self) -> None:
        """Close the journals."""
        self.scans.close()
        self.polls.close()

    # -- what happened ---------------------------------------------------------------------------------------------

    def scanner(self) -> Scanner:
        """The scanner's journal, for the checker."""
        return Scanner(self.device, read_journal(self._journal("scanner")))

    def probe(self) -> Probe:
        """The probe's journal, for the checker."""
        silence_ms = round(1000 * PROBE_INTERVAL_S) + PROBE_TIMEOUT_MS
        return Probe({self.sensor: TEMPERATURE}, read_journal(self._journal("probe")), self.breaks_ms, silence_ms)

    def last_steps(self) -> dict[str, str]:
        """The step that beeped last, by parcel."""
        return dict(self.beeped())

    def beeped(self) -> list[tuple[str, str]]:
        """Parcels with the steps that were kept, as they beeped."""
        sent: dict[int, Record] = {}
        steps: list[tuple[str, str]] = []
        for record in self.scanner().records:
            if "sent" in record:
                sent[record["n"]] = record
            elif "beeped" in record and Signal(record["feedback"]).is_kept and "step" in sent[record["beeped"]]:
                send = sent[record["beeped"]]
                steps.append((identify(bytes.fromhex(send["sent"]), send["aim"]).key, send["step"]))
        return steps

    def _journal(self, what: str) -> Path:
        return self.folder / f"{self.device}-{what}.jsonl"


class Outside:
    """Runs all hands and probes in one thread. Use as a context manager."""

    def __init__(self, benches: Sequence[Bench]) -> None:
        self._benches = benches
        self._clock = SystemClock()
        self._host = Host(self._clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outside", daemon=True)
        self.failures: deque[SimulatorError] = deque()

    def __enter__(self) -> Self:
        for bench in self._benches:
            bench.plug_into(self._host, self._clock)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        for bench in self._benches:
            bench.close()

    def unplug(self) -> None:
        """Pull all cables, for good."""
        self._stop.set()
        self._thread.join(20)

    def _run(self) -> None:
        try:
            self._host.run(self._stop)
        except SimulatorError as error:
            self.failures.append(error)
