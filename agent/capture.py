"""From what a driver read to a kept fact, and the signal that tells the person about it."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec

from agent.clock import DeviceClock, Stamp
from agent.drivers.frames import Code, Sample
from agent.drivers.frames import Fix as MeasuredFix
from agent.drivers.sink import Signal
from agent.guard import Beside, Guard, NoGuard
from agent.log import Log
from agent.manifest import NoPlan, Plan
from agent.outbox import Kept, Outbox, ReceiverPosition, SensorReading
from agent.store.errors import Cause, NotKept
from contract.event import Alarm, Fix, Scan, SensorContact, SignedOn, Status, Step, Verdict
from contract.identity import Identity, identify
from contract.limits import MAX_TEXT_CHARS
from contract.route import ScanCheck

log = Log("capture")

MERGE_MS: Final = 1_500
"""A scanner held a moment too long reads the same label again; a person cannot scan, think and scan that fast."""
HAND_PORT: Final = "hand"
DEFAULT_INTERVAL_MS: Final = 10_000
MAX_FIX_AGE_S: Final = 24 * 3_600
"""An older position says nothing about where a scan was."""
MAX_ACCURACY_M: Final = 100_000
"""What a fix can say at most."""
SHELF: Final = "port"
SESSION: Final = "session"
PERSON: Final = "actor"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Port:
    """What scans on one port mean now; configuration cards switch it."""

    step: Step = Step.RECEIVED
    place: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class HandScan:
    """What came of a scan by hand."""

    kept: tuple[Kept, ...]
    kind: str
    parcel: str
    verdict: Verdict
    problem: str
    vehicle: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a code from a scanner; without `fact_id` nothing new was kept."""

    signal: Signal
    verdict: Verdict = Verdict.UNKNOWN
    vehicle: str = ""
    step: Step | None = None
    fact_id: bytes | None = None


class _Remembered(msgspec.Struct, frozen=True, array_like=True):
    configured: Port
    now: Port


_port_encoder = msgspec.msgpack.Encoder()
_port_decoder = msgspec.msgpack.Decoder(_Remembered)


class _Line:
    """One scanner: its scans are kept one at a time, so that the second half of a double scan finds the first one kept."""

    def __init__(self) -> None:
        self.scanning = threading.Lock()
        # Not a plain dict, which takes longer to find its oldest entry the more were deleted before it.
        self._recent: OrderedDict[tuple[str, Step], int] = OrderedDict()
        """When a label was read last, oldest first."""

    def was_just_kept(self, parcel: str, step: Step, mono_ms: int) -> bool:
        """Whether this is the label of a moment ago. A label held before the scanner is still the same one."""
        recent = self._recent
        while recent and not 0 <= mono_ms - next(iter(recent.values())) <= MERGE_MS:
            recent.popitem(last=False)
        if (parcel, step) not in recent:
            return False
        self.note(parcel, step, mono_ms)
        return True

    def note(self, parcel: str, step: Step, mono_ms: int) -> None:
        """Remember a label that was read."""
        self._recent[parcel, step] = mono_ms
        self._recent.move_to_end((parcel, step))


@dataclass(frozen=True, slots=True)
class _LastFix:
    lat_e7: int
    lon_e7: int
    accuracy_m: int
    mono_ms: int

    def at(self, mono_ms: int) -> Fix | None:
        age_s = max(mono_ms - self.mono_ms, 0) // 1000
        return Fix(self.lat_e7, self.lon_e7, self.accuracy_m, age_s) if age_s <= MAX_FIX_AGE_S else None


class Capture:
    """The drivers' sink. Nothing is signalled as kept before it is on disk; nothing is raised to a driver."""

    def __init__(
        self,
        outbox: Outbox,
        clock: DeviceClock,
        *,
        place: str = "",
        ports: Mapping[str, Port] | None = None,
        intervals_ms: Mapping[str, int] | None = None,
        plan: Plan | None = None,
        guard: Guard | None = None,
        appended: Callable[[], None] = lambda: None,
    ) -> None:
        """Build the sink.

        Args:
            outbox: Where facts go.
            clock: Stamps them.
            place: Where this device stands, until a card says otherwise.
            ports: What scans mean at first, by driver name.
            intervals_ms: How often a driver measures, by its name.
            plan: What was planned for parcels.
            guard: Judges each reading; the alarms that it starts or ends are kept in the same transaction.
            appended: Told after each commit that there is something to send.
        """
        self._outbox = outbox
        self._clock = clock
        self._place = place
        self._configured = dict(ports or {})
        self._ports: dict[str, Port] = {}
        self._intervals_ms = dict(intervals_ms or {})
        self._person: str | None = None
        self.plan: Plan = plan or NoPlan()
        self.guard: Guard = guard or NoGuard()
        self._appended = appended
        self._fix: _LastFix | None = None
        self._lines: dict[str, _Line] = {}
        self.counts: Counter[str] = Counter()
        """`driver.what` by number, such as `scanner-line-1.duplicate` and `probe.not_kept.full`."""

    # -- the drivers' sink -----------------------------------------------------------------------------------------

    def code(self, driver: str, code: Code) -> Signal:
        """Keep a scan, or do what a configuration card says; returns after the commit, or REFUSED."""
        return self.heard(driver, code).signal

    def heard(self, driver: str, code: Code) -> Heard:
        """The same, with what is known of the scan."""
        return self._guarded(driver, lambda: self._code(driver, code), Heard(Signal.REFUSED))

    def sample(self, driver: str, sample: Sample) -> None:
        """Keep a measurement, with the alarms that it starts or ends."""
        self._guarded(driver, lambda: self._sample(driver, sample), None)

    def fix(self, driver: str, fix: MeasuredFix) -> None:
        """Keep a position; it is also attached to the scans that follow."""
        self._guarded(driver, lambda: self._position(driver, fix), None)

    def lost(self, driver: str, why: str) -> None:
        """Keep that a sensor or scanner is gone."""
        contact = SensorContact(driver[:MAX_TEXT_CHARS], found=False, why=why[:MAX_TEXT_CHARS])
        self._guarded(driver, lambda: self._state(contact), None)

    def found(self, driver: str) -> None:
        """Keep that it is back."""
        self._guarded(driver, lambda: self._state(SensorContact(driver[:MAX_TEXT_CHARS], found=True)), None)

    def _guarded(self, driver: str, job: Callable[[], T], refused: T) -> T:
        """Run a job for a driver thread, which must go on whatever happens."""
        try:
            return job()
        except NotKept as error:
            self.counts[f"{driver}.not_kept.{error.cause}"] += 1
            log.warning("not_kept", driver=driver, why=error)
        except Exception as error:  # noqa: BLE001 whatever it was, the person hears REFUSED and the driver goes on
            self.counts[f"{driver}.not_kept.error"] += 1
            log.error("not_kept", driver=driver, why=repr(error))  # noqa: TRY400 this log writes one line per event
        return refused

    # -- scans -----------------------------------------------------------------------------------------------------

    def _code(self, driver: str, code: Code) -> Heard:
        identity = identify(code.raw, code.aim)
        if identity.kind == "control":
            self._switch(driver, identity.elements[0])
            return Heard(Signal.KEPT)
        line = self._lines.setdefault(driver, _Line())
        with line.scanning:
            port, stamp = self.port(driver), self._clock.stamp()
            merges = _merges(identity, port.step)
            if merges and line.was_just_kept(identity.key, port.step, stamp.mono_ms):
                self.counts[f"{driver}.duplicate"] += 1
                return Heard(Signal.DUPLICATE)
            scan, check = self._scan(code, identity, port, driver, stamp)
            (kept,) = self._outbox.append([scan], actor=port.actor or self.person, stamp=stamp)
            if merges:
                line.note(identity.key, port.step, stamp.mono_ms)
        self.counts[f"{driver}.kept"] += 1
        self._appended()
        return Heard(_signal(identity, scan.verdict), scan.verdict, check.vehicle, port.step, kept.fact_id)

    def _scan(self, code: Code, identity: Identity, port: Port, name: str, stamp: Stamp) -> tuple[Scan, ScanCheck]:
        check = self.plan.check(identity.key, port.step)
        scan = Scan(
            code=code.raw,
            aim=code.aim,
            kind=identity.kind,
            parcel=identity.key,
            step=port.step,
            place=port.place or self._place,
            port=name[:MAX_TEXT_CHARS],
            verdict=check.verdict,
            fix=self.place_at(stamp),
            cold_budget_s=self.guard.budget_s(),
        )
        return scan, check

    def place_at(self, stamp: Stamp) -> Fix | None:
        """Where the device was measured last, if that still says something."""
        return None if self._fix is None else self._fix.at(stamp.mono_ms)

    def scan_by_hand(
        self,
        code: bytes,
        step: Step,
        *,
        actor: str = "",
        place: str = "",
        aim: str = "",
        request_id: bytes | None = None,
    ) -> HandScan:
        """Keep one scan that a person typed or an app made; returns after the commit.

        A code typed on purpose is never merged; `request_id` makes a repeat of the same request one fact.

        Raises:
            NotKept: nothing is on disk; the message is a sentence for the person.
        """
        identity, stamp = identify(code, aim), self._clock.stamp()
        if identity.kind == "control":
            card = "Not kept: this is a configuration card; read it with the scanner that it shall switch."
            raise NotKept(Cause.MALFORMED, card)
        scan, check = self._scan(Code(code, aim), identity, Port(step, place, actor), HAND_PORT, stamp)
        kept = self._outbox.append([scan], actor=actor, stamp=stamp, request_id=request_id)
        self._appended()
        return HandScan(kept, identity.kind, identity.key, scan.verdict, identity.problem, check.vehicle)

    # -- configuration cards ---------------------------------------------------------------------------------------

    def port(self, driver: str) -> Port:
        """What scans on a port mean now."""
        if driver not in self._ports:
            self._ports[driver] = self._recalled(driver)
        return self._ports[driver]

    def _recalled(self, driver: str) -> Port:
        """As cards left it before a restart, unless the configuration was changed since."""
        configured = self._configured.get(driver, Port())
        body = self._outbox.shelf.get(SHELF, driver)
        try:
            remembered = None if body is None else _port_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            remembered = None
        return remembered.now if remembered is not None and remembered.configured == configured else configured

    def mean(self, step: Step) -> None:
        """All scanners mean this step from now on, as if each had read its card.

        Raises:
            NotKept: some of them may still mean what they meant.
        """
        for driver in tuple(self._configured):
            self._switch(driver, ("HF:STEP", step.value))

    def _switch(self, driver: str, card: tuple[str, str]) -> None:
        word, value = card
        before = self.port(driver)
        match word:
            case "HF:STEP":
                after = replace(before, step=Step(value))
            case "HF:ACTOR":
                after = replace(before, actor=value)
            case _:
                after = replace(before, place=value)
        if after == before:
            return
        if after.actor != before.actor:
            self._state(SignedOn(on=True), actor=after.actor)
        remembered = _Remembered(self._configured.get(driver, Port()), after)
        self._outbox.shelf.put(SHELF, driver, _port_encoder.encode(remembered))
        self._ports[driver] = after

    @property
    def person(self) -> str:
        """Who is signed on at this device, also over restarts; empty when nobody is. A card at one port goes before."""
        if self._person is None:
            self._person = (self._outbox.shelf.get(SESSION, PERSON) or b"").decode("utf-8", "replace")
        return self._person

    def sign_on(self, person: str, *, request_id: bytes | None = None) -> tuple[Kept, ...]:
        """A person takes the device.

        Raises:
            NotKept: nothing is on disk.
        """
        kept = self._state(
            SignedOn(on=True),
            actor=person,
            request_id=request_id,
            beside=lambda: self._outbox.shelf.put(SESSION, PERSON, person.encode()),
        )
        self._person = person
        return kept

    def sign_off(self, *, request_id: bytes | None = None) -> tuple[Kept, ...]:
        """The person leaves the device.

        Raises:
            NotKept: nothing is on disk.
        """
        kept = self._state(
            SignedOn(on=False),
            actor=self.person,
            request_id=request_id,
            beside=lambda: self._outbox.shelf.drop(SESSION, PERSON),
        )
        self._person = ""
        return kept

    def add_port(self, driver: str, port: Port | None, interval_ms: int | None) -> None:
        """A driver was added to the configuration; `port` is what its scans mean, if it scans."""
        if port is not None:
            self._configured[driver] = port
        if interval_ms is not None:
            self._intervals_ms[driver] = interval_ms

    def counts_of(self, driver: str) -> tuple[tuple[str, int], ...]:
        """What became of a driver's frames: kept, duplicate, and each cause of not keeping."""
        start = f"{driver}."
        return tuple((k.removeprefix(start), n) for k, n in sorted(self.counts.items()) if k.startswith(start))

    # -- measurements ----------------------------------------------------------------------------------------------

    def _sample(self, driver: str, sample: Sample) -> None:
        reading = SensorReading(
            sensor=f"{self._outbox.device}.{driver}.{sample.sensor}",
            quantity=sample.quantity,
            stamp=self._clock.stamp(),
            value=sample.value,
            interval_ms=self._intervals_ms.get(driver, DEFAULT_INTERVAL_MS),
        )

        def keep(alarms: Sequence[Alarm], beside: Beside | None) -> None:
            if beside is None:
                self._outbox.add_readings([reading])
            else:
                self._outbox.append(alarms, actor="", stamp=reading.stamp, readings=[reading], beside=beside)
            if alarms:
                self._appended()

        self.guard.judge(reading, keep)

    def _position(self, driver: str, fix: MeasuredFix) -> None:
        stamp = self._clock.stamp()
        self._fix = _LastFix(fix.lat_e7, fix.lon_e7, min(fix.accuracy_m, MAX_ACCURACY_M), stamp.mono_ms)
        self._outbox.add_positions(
            [
                ReceiverPosition(
                    receiver=f"{self._outbox.device}.{driver}",
                    stamp=stamp,
                    interval_ms=self._intervals_ms.get(driver, DEFAULT_INTERVAL_MS),
                    lat_e7=fix.lat_e7,
                    lon_e7=fix.lon_e7,
                    accuracy_m=fix.accuracy_m,
                    speed_cm_s=fix.speed_cm_s,
                    heading_c=fix.heading_c,
                )
            ]
        )

    def _state(
        self,
        detail: SensorContact | SignedOn,
        *,
        actor: str = "",
        request_id: bytes | None = None,
        beside: Callable[[], None] = lambda: None,
    ) -> tuple[Kept, ...]:
        stamp = self._clock.stamp()
        kept = self._outbox.append([Status(detail)], actor=actor, stamp=stamp, request_id=request_id, beside=beside)
        self._appended()
        return kept


def _merges(identity: Identity, step: Step) -> bool:
    """Only what names one single thing can be the same thing again, and counting means every beep."""
    return identity.serialised and step is not Step.COUNTED


def _signal(identity: Identity, verdict: Verdict) -> Signal:
    if identity.kind == "malformed" or verdict in (Verdict.UNEXPECTED, Verdict.WRONG_ROUTE, Verdict.DUPLICATE):
        return Signal.UNEXPECTED
    return Signal.KEPT
