"""A demo day for tests: a route, a manifest, facts, and an agent that is only a few dictionaries."""

from collections.abc import Callable
from typing import Any

from contract.cold_verdict import ColdVerdict
from contract.coldchain.assignments import COLDCHAIN_DOCUMENT, Assignment, ColdChainDocument, encode_assignments
from contract.coldchain.findings import Budget
from contract.coldchain.presets import PRESETS
from contract.event import Correction, Event, Fix, Lane, Outcome, Proof, Quantity, Scan, Step, Verdict
from contract.fact import Clock, Fact, encode_core, fact_id
from contract.local import (
    Answer,
    ColdState,
    CorrectScan,
    DeviceStatus,
    DocumentSlice,
    Done,
    Draft,
    DraftDrop,
    DraftGet,
    DraftPut,
    Drafts,
    GetDocument,
    GetOutbox,
    GetStatus,
    Kept,
    LaneStatus,
    ListDrafts,
    MeanScans,
    OutboxItem,
    OutboxPage,
    RecordProof,
    RecordScan,
    Refused,
    Request,
    SensorCold,
    SignOff,
    SignOn,
)
from contract.messages import LatestReading
from contract.route import (
    ROUTE_DOCUMENT,
    Check,
    Route,
    Stop,
    StopParcel,
    Task,
    TaskKind,
    Window,
    encode_route,
)

NOON_MS = 1_772_452_800_000
"""2026-03-02 12:00 UTC."""
HOUR_MS = 3_600_000
SENSOR = "van-12.probe.rear"
NAMES = (
    ("Wang Xiaoming", "Zhongshan North Road 275, 3-02"),
    (
        "Gärtnerei Schmidt-Oberhausen GmbH & Co. KG",
        "Donaudampfschifffahrtsgesellschaftsstraße 114a, Hinterhaus, 3. Etage links",
    ),
    ("欧阳娜娜·阿依古丽", "上海市黄浦区中山东一路外滩源三十三号北楼十二层一二〇三室"),
    ("Li Na", "Huaihai Middle Road 8"),
    ("Pharmacy at the Bund", "Zhongshan East 1st Road 18"),
)


def parcel(n: int, k: int = 0) -> str:
    return f"0034012345{n:05d}{k:02d}"


def stop(n: int, *, checks: tuple[Check, ...] = (), parcels: int = 1, **more: Any) -> Stop:
    name, address = NAMES[n % len(NAMES)]
    wares = ("Insulin, 2-8 °C", "Books", "Wine")
    return Stop(
        f"s{n}",
        name,
        address,
        lat_e7=312_300_000 + (n * 7_919 % 101) * 9_000,
        lon_e7=1_214_700_000 + (n * 104_729 % 97) * 11_000,
        window=Window(NOON_MS + n * 900_000, NOON_MS + n * 900_000 + 2 * HOUR_MS),
        parcels=tuple(StopParcel(parcel(n, k), wares[k % 3], checks) for k in range(parcels)),
        **more,
    )


def route(stops: int = 12) -> Route:
    made = [stop(n, parcels=1 + n % 2) for n in range(1, stops + 1)]
    made[0] = stop(
        1,
        parcels=2,
        checks=(Check.SIGNATURE, Check.PHOTO, Check.COLD),
        notes="Bell is broken, call.",
        phone="+86 21 5555 0101",
    )
    if stops > 2:
        made[2] = stop(
            3, checks=(Check.AGE, Check.SIGNATURE), tasks=(Task("t1", TaskKind.COLLECT, "Return of shoes", "RET-1"),)
        )
    return Route(
        "r7",
        "Route 7 North",
        "2026-03-02",
        "van 12",
        "Depot",
        312_200_000,
        1_214_650_000,
        NOON_MS - HOUR_MS,
        tuple(made),
    )


def fact(event: Event, n: int, *, at_ms: int | None = None, actor: str = "w.chen") -> Fact:
    at = NOON_MS + n * 1_000 if at_ms is None else at_ms
    return Fact(1, "van-12", b"i" * 16, b"b" * 16, n, n.to_bytes(8, "big"), at, n * 1_000, Clock.SYNCED, actor, event)


def scan_event(key: str, step: Step = Step.LOADED, verdict: Verdict = Verdict.EXPECTED) -> Scan:
    return Scan(key.encode(), "", "sscc", key, step, "van", "gun", verdict)


COLD = SensorCold(SENSOR, "pharma-2-8", ColdState.INSIDE, (Budget("warm", 3_600_000, 28_800_000),))
WARM = SensorCold(SENSOR, "pharma-2-8", ColdState.ABOVE, (Budget("warm", 28_800_000, 28_800_000),))


class FakeAgent:
    """Answers as the agent does, from memory; `refusing` says why it keeps nothing."""

    def __init__(self, plan: Route | None = None) -> None:
        self.facts: list[Fact] = []
        self.requests: dict[bytes, Kept] = {}
        self.drafts: dict[str, bytes] = {}
        self.documents: dict[str, tuple[int, bytes]] = {}
        self.asked: list[Request] = []
        self.actor = ""
        self.step = Step.LOADED
        self.refusing = ""
        self.no_drops = ""
        self.silent = False
        self.vehicles: dict[str, str] = {}
        self.cold: tuple[SensorCold, ...] = (COLD,)
        self.waiting: list[tuple[Request, Callable[[Answer], None]]] = []
        if plan is not None:
            self.send_route(plan)
        profiles = ColdChainDocument({SENSOR: Assignment(PRESETS["pharma-2-8"], 0)})
        self.documents[COLDCHAIN_DOCUMENT] = (1, encode_assignments(profiles))

    def send_route(self, plan: Route) -> None:
        version, _ = self.documents.get(ROUTE_DOCUMENT, (0, b""))
        self.documents[ROUTE_DOCUMENT] = (version + 1, encode_route(plan))

    def ask(self, request: Request, done: Callable[[Answer], None] = lambda _answer: None) -> None:
        self.asked.append(request)
        if self.silent:
            self.waiting.append((request, done))
        else:
            done(self.answer(request))

    def speak(self) -> None:
        """Answer what was asked while it was silent."""
        self.silent = False
        waiting, self.waiting = self.waiting, []
        for request, done in waiting:
            done(self.answer(request))

    def keep(self, event: Event, request_id: bytes, **more: Any) -> Answer:
        if request_id in self.requests:
            before = self.requests[request_id]
            return Kept(before.fact_id, before.lane, before.n, before.at_ms, repeated=True)
        if self.refusing:
            return Refused(self.refusing)
        made = fact(event, len(self.facts) + 1, actor=self.actor)
        self.facts.append(made)
        kept = Kept(fact_id(encode_core(made)), Lane.CUSTODY, made.ord, made.at_ms, **more)
        self.requests[request_id] = kept
        return kept

    def answer(self, request: Request) -> Answer:
        match request:
            case RecordScan(request_id, code, step):
                key = code.decode()
                vehicle = self.vehicles.get(key, "")
                verdict = Verdict.WRONG_ROUTE if vehicle else Verdict.EXPECTED
                return self.keep(
                    scan_event(key, step, verdict),
                    request_id,
                    kind="sscc",
                    parcel=key,
                    verdict=verdict,
                    vehicle=vehicle,
                )
            case RecordProof(request_id, proof):
                return self.keep(proof, request_id)
            case CorrectScan(request_id, target, why):
                return self.keep(Correction(target, why), request_id)
            case SignOn(request_id, actor):
                self.actor = actor
                return self.keep(scan_event("sign"), request_id)
            case SignOff(request_id):
                self.actor = ""
                return self.keep(scan_event("sign"), request_id)
            case MeanScans(step):
                self.step = step
                return Done()
            case DraftPut(name, data):
                if self.refusing:
                    return Refused(self.refusing)
                self.drafts[name] = data
                return Done()
            case DraftGet(name):
                return Draft(self.drafts.get(name))
            case DraftDrop(name):
                if self.no_drops:
                    return Refused(self.no_drops)
                self.drafts.pop(name, None)
                return Done()
            case ListDrafts():
                return Drafts(tuple(self.drafts))
            case GetDocument(kind, offset):
                version, data = self.documents.get(kind, (0, b""))
                return DocumentSlice(kind, version, len(data), data[offset : offset + 512 * 1024])
            case GetStatus():
                return self.status()
            case GetOutbox(limit, before):
                return self.page(limit, before)
        raise AssertionError(request)

    def page(self, limit: int, before: int | None) -> OutboxPage:
        end = len(self.facts) if before is None else before
        start = max(end - limit, 0)
        items = [
            OutboxItem(fact_id(encode_core(f)), Lane.CUSTODY, f.ord, committed=False, fact=f)
            for f in self.facts[start:end]
        ]
        return OutboxPage(tuple(reversed(items)), start or None)

    def status(self) -> DeviceStatus:
        n = len(self.facts)
        return DeviceStatus(
            device="van-12",
            running=True,
            version="1",
            incarnation=b"i" * 16,
            lanes=(LaneStatus(Lane.CUSTODY, n, n // 2, n // 3, 0),),
            unsealed=0,
            blobs_pending=2,
            oldest_unsent_at_ms=NOON_MS,
            storage="ok",
            used_bytes=1_000_000,
            room_bytes=400_000_000,
            room_s=137_000,
            link="offline",
            last_contact_at_ms=NOON_MS - HOUR_MS,
            actor=self.actor,
            drivers=(),
            cold=self.cold,
        )

    def proofs(self) -> list[Proof]:
        return [f.event for f in self.facts if isinstance(f.event, Proof)]


READING = LatestReading(SENSOR, Quantity.TEMPERATURE_C, NOON_MS, 540)
__all__ = ["ColdVerdict", "Fix", "Outcome"]
