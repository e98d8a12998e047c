"""Checks a report without any database: seals, then facts against their chain, then readings and judgement against facts.

What follows from facts is computed again and compared. What only the hub can know (when it learnt of something, what a sensor
is called) rests on the seal, and on the hub's word that it gave this seal (`hub.reports.record`).
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from contract.coldchain.coverage import Covering, Uncovered, Watch, uncovered
from contract.coldchain.engine import judge
from contract.coldchain.mkt import Mkt, mkt
from contract.columns import unpack_readings
from contract.errors import ContractError
from contract.event import Decision, Readings
from contract.fact import Fact, decode_core
from hub.accounts.audit import ANCHOR
from hub.reports.content import Finding, ParcelPart, ReportInput, SensorPart, SubjectKind, TrailEnd, WayPart
from hub.reports.evidence import Placed, unpack_run, withheld_in
from hub.reports.seal import MAX_REPORT_BYTES, PDF_START, Altered, attached_json, check_pdf, open_json, pdf_seal
from hub.voice import HUB_DEVICE

ACKNOWLEDGE = "excursion.acknowledge"
"""The action of decisions that take note of a finding."""


SAME_C = 1e-6
"""Exponentials of two machines may differ in their last places."""


class Wrong(Struct, frozen=True):
    """Something that is not as it was made. `part`: `file print attachment seal content facts readings judgement`."""

    part: str
    why: str


class Head(Struct, frozen=True):
    """The hash at one position of a device's stream (hex)."""

    device: str
    lane: str
    n: int
    hash: str


class Checked(Struct, frozen=True):
    """What a check found.

    Attributes:
        kind: `pdf` or `json`.
        bytes: how long the file is.
        seal: of the content; empty where it cannot be told.
        facts: how many are inside.
        withheld: of how many more the report has only the identity, because personal data in them was withheld.
        heads: the chain heads that they lead to, to compare with the hub's or the devices'.
        pdf: the seal of the print; empty for JSON.
        trail: the end of the hub's audit trail that it states.
        wrong: what was changed; empty: the report is as it was made.
        unproven: what no fact inside shows, and only the seal holds.
    """

    kind: str
    bytes: int
    seal: str = ""
    subject: str = ""
    title: str = ""
    made_ms: int | None = None
    made_by: str = ""
    pdf: str = ""
    facts: int = 0
    withheld: int = 0
    heads: tuple[Head, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    trail: TrailEnd | None = None
    unproven: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing was changed."""
        return not self.wrong


def check_report(data: bytes) -> Checked:
    """Check the bytes of a PDF or JSON report; says what is wrong, and never raises for what the bytes are."""
    kind = "pdf" if data.startswith(PDF_START) else "json"
    if len(data) > MAX_REPORT_BYTES:
        return Checked(
            kind, len(data), wrong=(Wrong("file", f"Larger than any report: at most {MAX_REPORT_BYTES} bytes."),)
        )
    wrong: list[Wrong] = []
    try:
        if kind == "pdf":
            wrong += _print(data)
            # Of a file that is not whole nothing more is worth telling.
            if any(each.part == "file" for each in wrong):
                return Checked(kind, len(data), wrong=tuple(wrong))
            data_json = attached_json(data)
        else:
            data_json = data
        seal, report = open_json(data_json)
    except Altered as error:
        return Checked(kind, len(data), wrong=(*wrong, Wrong(error.part, str(error))))
    placed, broken = _facts(report)
    unproven: tuple[str, ...] = ()
    withheld = 0
    if not broken:
        withheld = sum(map(withheld_in, report.runs))
        known = _decoded(placed)
        stated = _stated(known)
        broken += [Wrong("readings", why) for part in report.sensors for why in _readings(part, stated)]
        begins = {stay.from_ms for parcel in report.parcels for stay in parcel.stays}
        broken += [Wrong("readings", why) for way in report.ways for why in _readings_of_way(way, stated, begins)]
        unproven = tuple(_unproven(report, known))
    judged: list[SensorPart | WayPart] = [*report.sensors, *report.ways]
    broken += [Wrong("judgement", why) for part in judged for why in _judgement(part)]
    broken += [Wrong("judgement", why) for parcel in report.parcels for why in _verdict(report, parcel)]
    broken += [Wrong("judgement", why) for why in _completeness(report)]
    return Checked(
        kind=kind,
        bytes=len(data),
        seal=seal,
        subject=report.subject,
        title=report.title,
        made_ms=report.made_ms,
        made_by=report.made_by,
        pdf=pdf_seal(data) if kind == "pdf" else "",
        facts=len(placed),
        withheld=withheld,
        heads=tuple(Head(run.device, run.lane.value, run.last_n, run.head) for run in report.runs),
        trail=report.trail,
        wrong=(*wrong, *broken),
        unproven=unproven,
    )


def _print(data: bytes) -> Iterator[Wrong]:
    try:
        check_pdf(data)
    except Altered as error:
        yield Wrong(error.part, str(error))


def _facts(report: ReportInput) -> tuple[list[Placed], list[Wrong]]:
    placed: list[Placed] = []
    wrong: list[Wrong] = []
    for run in report.runs:
        try:
            placed += unpack_run(run)
        except ContractError as error:
            wrong.append(Wrong("facts", str(error)))
    return placed, wrong


class _Known(Struct, frozen=True):
    """A fact of the report, read."""

    fact: Fact
    placed: Placed


def _decoded(placed: Sequence[Placed]) -> list[_Known]:
    known = []
    for each in placed:
        try:
            known.append(_Known(decode_core(each.core), each))
        except ContractError:
            # It is kept as evidence and proves its place in the chain; it tells no reading.
            continue
    return known


Stated = dict[str, dict[int, set[int | None]]]
"""What facts say, by sensor and instant; two facts may differ, and then the hub shows one."""


def _stated(known: Sequence[_Known]) -> Stated:
    stated: Stated = defaultdict(lambda: defaultdict(set))
    for each in known:
        event = each.fact.event
        if isinstance(event, Readings) and event.sensor.startswith(f"{each.placed.device}."):
            base_ms = event.base_at_ms + each.placed.shift_ms
            for offset_ms, value in _unpacked(event):
                stated[event.sensor][base_ms + offset_ms].add(value)
    return stated


def _readings(part: SensorPart, stated: Stated) -> Iterator[str]:
    """Every reading is stated by a fact, and none that a fact states is left out."""
    own = stated.get(part.id, {})
    yield from _strange(part.id, [at_ms for at_ms, value in part.readings if value not in own.get(at_ms, ())])
    listed = dict(part.readings)
    left_out = [at_ms for at_ms in own if part.from_ms <= at_ms <= part.to_ms and at_ms not in listed]
    if left_out:
        yield f"{part.id}: {len(left_out)} readings are left out, the first at {min(left_out)} ms"


def _readings_of_way(way: WayPart, stated: Stated, begins: Container[int]) -> Iterator[str]:
    """Every reading is stated by a fact of some sensor, or held at a stay's begin."""
    allowed_ms = way.profile.no_data_s * 1000
    strange = [
        at_ms
        for at_ms, value in way.readings
        if all(value not in told.get(at_ms, ()) for told in stated.values())
        and not (at_ms in begins and any(value in _held(told, at_ms, allowed_ms) for told in stated.values()))
    ]
    yield from _strange(f"way by {way.profile.name}", strange)


def _held(told: Mapping[int, set[int | None]], at_ms: int, allowed_ms: int) -> set[int | None]:
    """What the last value before an instant was, if it may hold so long; a fault says nothing."""
    known = {when: values - {None} for when, values in told.items() if at_ms - allowed_ms <= when < at_ms}
    return known[max(whens)] if (whens := [when for when, values in known.items() if values]) else set()


def _strange(whose: str, strange: Sequence[int]) -> Iterator[str]:
    if strange:
        yield f"{whose}: {len(strange)} readings that no fact states, the first at {strange[0]} ms"


def _unpacked(event: Readings) -> list[tuple[int, int | None]]:
    try:
        readings = unpack_readings(event.columns, event.count, event.interval_ms)
    except ContractError:
        return []
    return [(reading.offset_ms, reading.value) for reading in readings]


def _judgement(part: SensorPart | WayPart) -> Iterator[str]:
    whose = part.id if isinstance(part, SensorPart) else "way"
    try:
        again = judge(part.profile, part.readings, part.from_ms, part.to_ms)
        means = [(told.result, _mean_again(part, told.result)) for told in part.mkt]
    except (ContractError, ValueError, OverflowError) as error:
        yield f"{whose}: its readings cannot be judged: {error}"
        return
    if again != part.judgement:
        yield f"{whose}: judging its readings again by {part.profile.name} gives another result"
    if not all(_same_mean(told, mean) for told, mean in means):
        yield f"{whose}: another mean kinetic temperature follows from its readings"


def _verdict(report: ReportInput, parcel: ParcelPart) -> Iterator[str]:
    """A parcel's word is what its way says; of a trip, where its part of the readings is not told, no more than the trip's."""
    alarmed = any(part.judgement.alarmed for part in report.ways or report.sensors)
    if parcel.alarmed != alarmed if report.kind is SubjectKind.PARCEL else parcel.alarmed > alarmed:
        yield f"{parcel.id}: {'an' if parcel.alarmed else 'no'} alarm is stated, and another verdict follows from its readings"
    if report.kind is SubjectKind.PARCEL and parcel.complete and report.incomplete:
        yield f"{parcel.id}: it is stated to be complete, and the report says what is missing"


def _completeness(report: ReportInput) -> Iterator[str]:
    """What is stated to be complete is: no moment of it is uncovered by the readings of the report."""
    holes = list(uncovered(list(_watches(report))))
    if not holes:
        return
    at_ms = holes[0].from_ms
    if report.complete:
        yield f"the record is stated to be complete, and nothing that counts was measured from {at_ms} ms on"
    for parcel in report.parcels:
        if parcel.complete and any(_meets(hole, parcel, report) for hole in holes):
            yield f"{parcel.id}: it is stated to be complete, and nothing that counts was measured in part of its time"


def _watches(report: ReportInput) -> Iterator[Watch]:
    """The stays of a parcel, or a whole trip."""
    if report.kind is SubjectKind.TRIP:
        yield Watch(report.from_ms, report.to_ms, _covering(report.sensors, report.from_ms, report.to_ms))
        return
    for parcel in report.parcels:
        for stay in parcel.stays:
            to_ms = report.to_ms if stay.to_ms is None else stay.to_ms
            own = [part for part in report.sensors if part.id in stay.sensors and part.from_ms == stay.from_ms]
            # Beyond what is judged nothing is told, and the report says so.
            judged_ms = max((part.to_ms for part in own), default=to_ms)
            yield Watch(stay.from_ms, min(to_ms, judged_ms), _covering(own, stay.from_ms, to_ms))


def _covering(parts: Iterable[SensorPart], from_ms: int, to_ms: int) -> list[Covering]:
    """What is measured at the end belongs to the next stay."""
    return [
        Covering(part.profile, [at for at, value in part.readings if value is not None and from_ms <= at < to_ms])
        for part in parts
    ]


def _meets(hole: Uncovered, parcel: ParcelPart, report: ReportInput) -> bool:
    ends = [(stay.from_ms, report.to_ms if stay.to_ms is None else stay.to_ms) for stay in parcel.stays]
    return any(hole.from_ms < to_ms and hole.to_ms > from_ms for from_ms, to_ms in ends)


def _mean_again(part: SensorPart | WayPart, told: Mkt) -> Mkt:
    if told.from_ms < part.from_ms:
        # The window reaches further back than the readings of the report.
        return told
    return mkt(
        part.readings,
        told.from_ms,
        told.to_ms,
        no_data_s=part.profile.no_data_s,
        delta_h_kj_per_mol=told.delta_h_kj_per_mol,
    )


def _same_mean(told: Mkt, mean: Mkt) -> bool:
    if told.value_c is None or mean.value_c is None:
        return told == mean
    return replace(told, value_c=mean.value_c) == mean and abs(told.value_c - mean.value_c) < SAME_C


def _unproven(report: ReportInput, known: Sequence[_Known]) -> Iterator[str]:
    stated = [
        event
        for each in known
        # What people decide is a fact of the hub; a device may state anything, and proves it only of itself.
        if isinstance(event := each.fact.event, Decision) and each.placed.device == each.fact.device == HUB_DEVICE
    ]
    decisions = {(event.subject, event.who, event.why) for event in stated if event.action == ACKNOWLEDGE}
    anchored = {(event.action, event.subject, event.detail) for event in stated}
    for finding in _findings(report):
        ack = finding.acknowledgement
        if ack is not None and (finding.id, ack.who, ack.why) not in decisions:
            yield f"that {ack.who} acknowledged {finding.id}"
    if report.trail and (ANCHOR, str(report.trail.number), report.trail.hash) not in anchored:
        yield f"that the hub's audit trail ended with row {report.trail.number}"


def _findings(report: ReportInput) -> Iterator[Finding]:
    for part in report.sensors:
        yield from part.findings
