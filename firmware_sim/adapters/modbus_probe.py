"""A temperature and humidity probe on a Modbus RTU line."""

from collections.abc import Sequence
from dataclasses import dataclass

from firmware_sim.adapters.modbus import (
    MAX_REGISTERS,
    ExceptionCode,
    OtherRequest,
    ReadRequest,
    RequestReader,
    answer,
    refusal,
)
from firmware_sim.adapters.registers import DEFAULT_MAP, Register, parse_registers
from firmware_sim.chance import chance
from firmware_sim.device import Chunk, Device
from firmware_sim.faults import FaultPlan, in_pieces, with_noise
from firmware_sim.journal import Journal
from firmware_sim.physics.cold_box import ColdBox

# How long a probe takes to answer, and how long when it is late: past any sensible time-out.
ANSWER_MS = (4, 20)
LATE_MS = (1_500, 3_000)
SPLIT_MS = (2, 10)
# A DS18B20 holds this until its first conversion after power-on.
POWER_ON_C = 85.0
POWER_ON_MS = 2_000

SENSOR_FAULT = 0x0001
"""The bit of the status register that says the measurement cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the probe holds in its registers; None where it has no measurement."""

    temperature_c: float | None
    humidity_rh: float | None
    status: int

    def value(self, quantity: str) -> float | None:
        """Return one quantity by its name in the register map."""
        return {"temperature_c": self.temperature_c, "humidity_rh": self.humidity_rh, "status": self.status}[quantity]


class ModbusProbe(Device):
    """A slave that answers reads of its registers from a simulated cold box.

    Journal: one record per poll with ``poll``, ``function``, ``address``, ``registers`` as on the wire,
    the values behind them, and ``faults`` that hit this answer; ``refused`` for exception answers.
    """

    settle_ms = 0

    def __init__(
        self,
        box: ColdBox,
        journal: Journal,
        *,
        start_ms: int,
        seed: int = 0,
        unit: int = 1,
        registers: tuple[Register, ...] | None = None,
        conversion_ms: int = 1_000,
        time_scale: float = 1.0,
        faults: FaultPlan | None = None,
    ) -> None:
        """Put a probe into a box.

        Args:
            box: What is measured.
            journal: Where each value put on the wire is recorded.
            start_ms: When the box's time starts, epoch milliseconds.
            seed: Decides faults and answer times.
            unit: The slave address, 1 to 247.
            registers: The register map; ``DEFAULT_MAP`` unless given.
            conversion_ms: How often the element measures anew.
            time_scale: How many times faster than life the box's time runs.
            faults: Which of ``PROBE_FAULTS`` happen; ``unplug`` is the host's to do.
        """
        self._box = box
        self._journal = journal
        self._start_ms = start_ms
        self._unit = unit
        self._registers = parse_registers(DEFAULT_MAP) if registers is None else registers
        self._conversion_ms = conversion_ms
        self._time_scale = time_scale
        self._faults = faults or FaultPlan()
        self._wire = chance(seed, "wire")
        self._reader = RequestReader(unit)
        self._powered_ms = start_ms
        self._busy_until_ms = start_ms
        self._polls = 0

    def due_ms(self) -> int | None:
        """Return None: a slave speaks when it is spoken to."""
        return None

    def wake(self, now_ms: int) -> Sequence[Chunk]:  # noqa: ARG002 a slave has no schedule
        """Do nothing."""
        return ()

    def opened(self, now_ms: int) -> None:
        """Do nothing: a probe is powered from elsewhere."""

    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:  # noqa: ARG002 lost answers are asked for again
        """Forget half a request; a pulled cable takes the power with it."""
        self._reader = RequestReader(self._unit)
        if unplugged:
            self._powered_ms = now_ms

    def receive(self, data: bytes, now_ms: int) -> Sequence[Chunk]:
        """Take requests and return the answers."""
        out: list[Chunk] = []
        for request in self._reader.feed(data, now_ms):
            out.extend(self._answer(request, now_ms))
        return out

    def measure(self, now_ms: int) -> Measured:
        """Return what the probe holds at a time, before register faults."""
        since_ms = now_ms - self._start_ms
        since_ms -= since_ms % self._conversion_ms
        if self._faults.stuck is not None:
            since_ms = min(since_ms, int(1000 * self._faults.stuck))
        state = self._box.at(since_ms / 1000 * self._time_scale)
        just_on = self._faults.power_on_85 and now_ms - self._powered_ms < POWER_ON_MS
        return Measured(POWER_ON_C if just_on else state.temperature_c, state.humidity_rh, 0)

    def _answer(self, request: ReadRequest | OtherRequest, now_ms: int) -> Sequence[Chunk]:
        self._polls += 1
        rng, faults = self._wire, self._faults
        hit = {
            "fault_register": rng.random() < faults.fault_register,
            "late": rng.random() < faults.late,
            "noise": rng.random() < faults.noise,
            "split": rng.random() < faults.split,
        }
        measured = Measured(None, None, SENSOR_FAULT) if hit["fault_register"] else self.measure(now_ms)
        raw = self._reply(request, measured, now_ms, [name for name, is_hit in hit.items() if is_hit])
        if hit["noise"]:
            raw = with_noise(raw, rng)
        # One request after the other: a late answer holds up those behind it.
        delay_ms = rng.randint(*(LATE_MS if hit["late"] else ANSWER_MS))
        at_ms = max(now_ms, self._busy_until_ms) + delay_ms
        chunks: list[Chunk] = []
        for piece in in_pieces(raw, rng) if hit["split"] else [raw]:
            chunks.append(Chunk(at_ms, piece))
            at_ms += rng.randint(*SPLIT_MS)
        self._busy_until_ms = chunks[-1].at_ms
        return chunks

    def _reply(self, request: ReadRequest | OtherRequest, measured: Measured, now_ms: int, faults: list[str]) -> bytes:
        error = self._objection(request)
        if error is not None or isinstance(request, OtherRequest):
            error = error or ExceptionCode.ILLEGAL_FUNCTION
            self._journal.write(now_ms, poll=self._polls, function=request.function, refused=error.name.lower())
            return refusal(self._unit, request.function, error)
        bank = self._bank(measured)
        values = [bank[request.address + i] for i in range(request.count)]
        self._journal.write(
            now_ms,
            poll=self._polls,
            function=request.function,
            address=request.address,
            registers=values,
            temperature_c=_rounded(measured.temperature_c),
            humidity_rh=_rounded(measured.humidity_rh),
            faults=faults,
        )
        return answer(self._unit, request.function, values)

    def _objection(self, request: ReadRequest | OtherRequest) -> ExceptionCode | None:
        if isinstance(request, OtherRequest):
            return ExceptionCode.ILLEGAL_FUNCTION
        if not 1 <= request.count <= MAX_REGISTERS:
            return ExceptionCode.ILLEGAL_VALUE
        known = {r.address + i for r in self._registers for i in range(r.width)}
        if not known.issuperset(range(request.address, request.address + request.count)):
            return ExceptionCode.ILLEGAL_ADDRESS
        return None

    def _bank(self, measured: Measured) -> dict[int, int]:
        return {
            register.address + i: word
            for register in self._registers
            for i, word in enumerate(register.encode(measured.value(register.quantity)))
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
