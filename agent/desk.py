"""Does what local programs ask: the same code behind the socket of a running agent and in a command without one."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from agent.capture import Capture
from agent.clock import DeviceClock
from agent.config_error import ConfigError
from agent.inbox import Inbox, Shelf
from agent.outbox import Kept, Outbox
from agent.room import picture_room_bytes
from agent.store.errors import Cause, NotKept, StoreError
from agent.store.scribe import MISSING_SENTENCE, answered
from contract.cold_verdict import least_left_s, worst_verdict
from contract.event import Alarm, Correction, Event, Phase, Proof, Scan, Verdict
from contract.fact import encode_core
from contract.limits import KIB
from contract.local import (
    DOCUMENT_SLICE_BYTES,
    MAX_LISTED,
    AcknowledgeAlarm,
    AddDriver,
    Answer,
    CorrectScan,
    DeviceStatus,
    DocumentSlice,
    Done,
    Draft,
    DraftDrop,
    DraftGet,
    DraftPut,
    Drafts,
    Drivers,
    Follow,
    GetDocument,
    GetDrivers,
    GetOutbox,
    GetStatus,
    ListDrafts,
    MeanScans,
    OutboxItem,
    OutboxPage,
    RecordProof,
    RecordScan,
    Refused,
    Request,
    Signal,
    SignOff,
    SignOn,
)
from contract.local import Kept as KeptAnswer

DRAFTS: Final = "draft"
MIB: Final = 1024 * KIB
MOST_DRAFTS: Final = 200
PAGE_BYTES: Final = 512 * KIB
"""Of facts in one page of the outbox; the rest follows on the next."""
RECENT_PAGES: Final = 20
"""How far back an alarm or a scan is looked for: 10,000 facts."""
UNEXPECTED: Final = frozenset({Verdict.UNEXPECTED, Verdict.WRONG_ROUTE, Verdict.DUPLICATE})
FORGOTTEN_AFTER_S: Final = 7 * 24 * 3_600
"""Pictures in `incoming/` that nobody came back for."""


class House(Protocol):
    """What only a running agent, or the command in its place, can tell or do."""

    def status(self) -> DeviceStatus:
        """How the device is."""

    def drivers(self) -> Drivers:
        """How the drivers are."""

    def add_driver(self, toml: str) -> None:
        """Write it into the configuration and start it. Raises ConfigError."""

    def recorded(self) -> None:
        """Something was kept: send it."""

    def stated(self, alarms: Sequence[Alarm]) -> None:
        """Phases of alarms were kept: tell those who follow."""


class Desk:
    """Answers requests; may be used from many threads. Whatever goes wrong is an answer, too."""

    def __init__(self, *, outbox: Outbox, capture: Capture, clock: DeviceClock, inbox: Inbox, house: House) -> None:
        self._outbox = outbox
        self._capture = capture
        self._clock = clock
        self._inbox = inbox
        self._house = house

    def answer(self, request: Request) -> Answer:
        """Do what is asked; what was recorded is on disk when this returns."""
        try:
            return self._answer(request)
        except (StoreError, ConfigError) as error:
            return Refused(str(error))
        except OSError as error:
            return Refused(f"Not done: {error}.")

    def _answer(self, request: Request) -> Answer:
        match request:
            case RecordScan() | RecordProof() | SignOn() | SignOff() | AcknowledgeAlarm() | CorrectScan():
                return self._keep(request)
            case MeanScans(step):
                self._capture.mean(step)
                return Done()
            case DraftPut() | DraftGet() | DraftDrop() | ListDrafts():
                return self._draft(request)
            case GetStatus():
                return self._house.status()
            case GetOutbox(limit, before):
                return self._page(limit, before)
            case GetDrivers():
                return self._house.drivers()
            case AddDriver(toml):
                self._house.add_driver(toml)
                return Done()
            case GetDocument(kind, offset):
                return self._document(kind, offset)
            case Follow():
                return Refused("Only a running agent can be followed.")

    # -- recording -------------------------------------------------------------------------------------------------

    def _keep(self, request: RecordScan | RecordProof | SignOn | SignOff | AcknowledgeAlarm | CorrectScan) -> Answer:
        match request:
            case RecordScan():
                return self._scan(request)
            case RecordProof():
                return self._proof(request)
            case SignOn(request_id, actor):
                return _kept(self._capture.sign_on(actor, request_id=request_id))
            case SignOff(request_id):
                return _kept(self._capture.sign_off(request_id=request_id))
            case AcknowledgeAlarm():
                return self._acknowledge(request)
            case CorrectScan():
                return self._correct(request)

    def _scan(self, request: RecordScan) -> Answer:
        done = self._capture.scan_by_hand(
            request.code,
            request.step,
            actor=self._capture.person,
            place=request.place,
            aim=request.aim,
            request_id=request.request_id,
        )
        odd = done.kind == "malformed" or done.verdict in UNEXPECTED
        kept = done.kept[0]
        return KeptAnswer(
            fact_id=kept.fact_id,
            lane=kept.lane,
            n=kept.n,
            at_ms=kept.at_ms,
            signal=Signal.UNEXPECTED if odd else Signal.KEPT,
            repeated=kept.repeated,
            kind=done.kind,
            parcel=done.parcel,
            verdict=done.verdict,
            problem=done.problem,
            vehicle=done.vehicle,
        )

    def _proof(self, request: RecordProof) -> Answer:
        # Its pictures may be gone by now: whoever was told that they are kept may delete them.
        if before := self._before(request.request_id):
            return _kept(before)
        named = [*([request.signature] if request.signature is not None else []), *request.photos]
        self._refuse_beyond_room(named)
        digests = {name: self._adopt(name) for name in named}
        proof = msgspec.structs.replace(
            request.proof,
            signature=None if request.signature is None else digests[request.signature],
            photos=tuple(digests[name] for name in request.photos),
        )
        return self._record(self._witnessed(proof), request.request_id)

    def _before(self, request_id: bytes) -> tuple[Kept, ...]:
        return self._outbox.database.read(lambda connection: answered(connection, request_id))

    def _refuse_beyond_room(self, named: Sequence[str]) -> None:
        """Pictures of one day without network may be more than the device holds; scans must still be kept then."""
        incoming = self._outbox.files.incoming
        size = sum((incoming / name).stat().st_size for name in named if (incoming / name).is_file())
        if size > picture_room_bytes(self._outbox.used_bytes(), self._outbox.budget_bytes):
            raise NotKept(
                Cause.FULL,
                f"Not kept: no room on the device for {size / MIB:.1f} MiB of pictures. "
                "Leave some out, or wait until others are at the hub.",
            )

    def _witnessed(self, proof: Proof) -> Proof:
        """With what only the device knows, where the proof does not say it: its place and how its load stands."""
        cold = self._capture.guard.told()
        verdict = worst_verdict(cold)
        if not proof.cold_verdict and verdict is not None:
            proof = msgspec.structs.replace(proof, cold_verdict=verdict.value, cold_budget_s=least_left_s(cold))
        if proof.fix is None:
            proof = msgspec.structs.replace(proof, fix=self._capture.place_at(self._clock.stamp()))
        return proof

    def _adopt(self, name: str) -> bytes:
        """Take a picture over by another name, so that its own stays for a repeat of the request."""
        incoming = self._outbox.files.incoming
        source, beside = incoming / name, incoming / f".{name}"
        # Whatever else has a name there, a pipe or a link, may never end or be gone tomorrow.
        if source.is_symlink() or not source.is_file():
            raise NotKept(Cause.MALFORMED, MISSING_SENTENCE)
        beside.unlink(missing_ok=True)
        try:
            os.link(source, beside)
        except OSError:
            # A file system without hard links.
            shutil.copyfile(source, beside)
        return self._outbox.adopt_blob(beside)

    def _acknowledge(self, request: AcknowledgeAlarm) -> Answer:
        alarm = self._find_alarm(request.alarm)
        if alarm is None:
            return Refused(f"No alarm {request.alarm!r} is known on this device; nothing was acknowledged.")
        acknowledged = msgspec.structs.replace(
            alarm, phase=Phase.ACKNOWLEDGED, by=self._capture.person, why=request.why
        )
        answer = self._capture.guard.acknowledge(
            request.alarm, lambda beside: self._record(acknowledged, request.request_id, beside)
        )
        self._house.stated((acknowledged,))
        return answer

    def _find_alarm(self, name: str) -> Alarm | None:
        """As the guard has it while it lasts, else as it was kept last."""
        for sensor in self._capture.guard.told():
            for one in sensor.alarms:
                if one.alarm == name:
                    return Alarm(name, Phase.RAISED, sensor.sensor, one.limit, one.started_at_ms, one.extreme)
        for _, event in self._recent():
            if isinstance(event, Alarm) and event.alarm == name:
                return event
        return None

    def _correct(self, request: CorrectScan) -> Answer:
        # Its target may have left the device by now.
        if before := self._before(request.request_id):
            return _kept(before)
        target = next((event for identity, event in self._recent() if identity == request.fact_id), None)
        if not isinstance(target, Scan):
            return Refused("This is no scan that is still on this device; the hub can take it back.")
        return self._record(Correction(request.fact_id, request.why), request.request_id)

    def _recent(self) -> Iterator[tuple[bytes, Event]]:
        """What was kept last, newest first, where its content is whole."""
        before: int | None = None
        for _ in range(RECENT_PAGES):
            page = self._outbox.listing(MAX_LISTED, before)
            yield from ((listed.fact_id, listed.fact.event) for listed in page if listed.fact is not None)
            if not page:
                return
            before = page[-1].seq

    def _record(self, event: Event, request_id: bytes, beside: Callable[[], None] = lambda: None) -> Answer:
        kept = self._outbox.append(
            (event,), actor=self._capture.person, stamp=self._clock.stamp(), request_id=request_id, beside=beside
        )
        self._house.recorded()
        return _kept(kept)

    # -- beside the facts ------------------------------------------------------------------------------------------

    def _draft(self, request: DraftPut | DraftGet | DraftDrop | ListDrafts) -> Answer:
        shelf = self._outbox.shelf
        match request:
            case DraftPut(name, data):
                names = shelf.names(DRAFTS)
                if name not in names and len(names) >= MOST_DRAFTS:
                    return Refused(f"There are {MOST_DRAFTS} drafts already; finish or drop one of them.")
                shelf.put(DRAFTS, name, data)
                return Done()
            case DraftGet(name):
                return Draft(shelf.get(DRAFTS, name))
            case DraftDrop(name):
                shelf.drop(DRAFTS, name)
                return Done()
            case ListDrafts():
                return Drafts(tuple(shelf.names(DRAFTS)))

    def _page(self, limit: int, before: int | None) -> OutboxPage:
        listing = self._outbox.listing(limit, before)
        items: list[OutboxItem] = []
        room = PAGE_BYTES
        for listed in listing:
            room -= 0 if listed.fact is None else len(encode_core(listed.fact))
            if room < 0 and items:
                break
            items.append(OutboxItem(listed.fact_id, listed.lane, listed.n, listed.committed, listed.fact))
        more = len(items) < len(listing) or len(listing) == limit
        return OutboxPage(tuple(items), listing[len(items) - 1].seq if more and items else None)

    def _document(self, kind: str, offset: int) -> DocumentSlice:
        stored = self._inbox.get(kind)
        if stored is None:
            return DocumentSlice(kind, 0, 0, b"")
        data = stored.data[offset : offset + DOCUMENT_SLICE_BYTES]
        return DocumentSlice(kind, stored.version, len(stored.data), data)


def _kept(kept: Sequence[Kept]) -> KeptAnswer:
    first = kept[0]
    return KeptAnswer(first.fact_id, first.lane, first.n, first.at_ms, repeated=first.repeated)


def delete_forgotten(incoming: Path, shelf: Shelf, now_s: float) -> int:
    """Delete pictures that were never asked to be kept, or whose owner did not come back; how many there were.

    Those that a draft names stay: a clock that was set right makes a picture of today look years old.
    """
    drafts = [shelf.get(DRAFTS, name) or b"" for name in shelf.names(DRAFTS)]
    deleted = 0
    with os.scandir(incoming) as entries:
        for entry in entries:
            is_old = now_s - entry.stat(follow_symlinks=False).st_mtime > FORGOTTEN_AFTER_S
            if is_old and not any(os.fsencode(entry.name) in draft for draft in drafts):
                Path(entry.path).unlink(missing_ok=True)
                deleted += 1
    return deleted
