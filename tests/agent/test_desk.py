"""What local programs ask, done on a real outbox in a temporary folder."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from agent.capture import Capture, Port
from agent.clock import DeviceClock
from agent.desk import FORGOTTEN_AFTER_S, MOST_DRAFTS, Desk, delete_forgotten
from agent.drivers.frames import Fix as MeasuredFix
from agent.inbox import Inbox
from agent.outbox import Outbox
from agent.store.errors import Cause, NotKept
from contract.coldchain.findings import Budget
from contract.event import Alarm, Correction, Fix, Outcome, Phase, Proof, Scan, SignedOn, Status, Step
from contract.fact import Fact
from contract.local import (
    DOCUMENT_SLICE_BYTES,
    AcknowledgeAlarm,
    AddDriver,
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
    Drivers,
    Follow,
    GetDocument,
    GetDrivers,
    GetOutbox,
    GetStatus,
    Kept,
    ListDrafts,
    MeanScans,
    OutboxPage,
    RecordProof,
    RecordScan,
    Refused,
    SensorCold,
    Signal,
    SignOff,
    SignOn,
)
from contract.messages import Document
from tests.agent.store.kit import VirtualTime

PHOTO = b"\xff\xd8 a photo"


class QuietHouse:
    """No agent around; counts what it was told."""

    def __init__(self) -> None:
        self.records = 0
        self.added: list[str] = []
        self.alarms: list[Alarm] = []

    def status(self) -> DeviceStatus:
        raise OSError(28, "No space left on device")

    def drivers(self) -> Drivers:
        return Drivers(())

    def add_driver(self, toml: str) -> None:
        self.added.append(toml)

    def recorded(self) -> None:
        self.records += 1

    def stated(self, alarms: Sequence[Alarm]) -> None:
        self.alarms += alarms


class Room:
    """A desk with what stands behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.house = QuietHouse()
        self.clock = DeviceClock(b"b" * 16, VirtualTime())
        self.open()

    def open(self) -> None:
        folder = self.folder
        self.outbox = Outbox.open(folder, "van-1", clock=self.clock)
        self.inbox = Inbox(lambda: self.outbox.shelf)
        self.capture = Capture(self.outbox, self.clock, place="dock-4", appended=self.house.recorded)
        self.desk = Desk(outbox=self.outbox, capture=self.capture, clock=self.clock, inbox=self.inbox, house=self.house)

    def restart(self) -> None:
        self.outbox.close()
        self.open()

    def facts(self) -> list[Fact]:
        return [listed.fact for listed in reversed(self.outbox.listing(100)) if listed.fact is not None]

    def kept(self, request: RecordScan | RecordProof | SignOn | SignOff | AcknowledgeAlarm | CorrectScan) -> Kept:
        answer = self.desk.answer(request)
        assert isinstance(answer, Kept), answer
        return answer


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.outbox.close()


def _id(n: int) -> bytes:
    return n.to_bytes(16, "big")


def _scan(n: int, code: bytes = b"box 1") -> RecordScan:
    return RecordScan(_id(n), code, Step.LOADED)


def test_a_recorded_scan_is_in_the_outbox_when_it_is_answered(room: Room) -> None:
    kept = room.kept(_scan(1))

    (fact,) = room.facts()
    assert isinstance(fact.event, Scan)
    assert (fact.event.parcel, fact.event.place, kept.parcel) == ("box 1", "dock-4", "box 1")
    assert kept.signal is Signal.KEPT
    assert not kept.repeated
    assert room.house.records == 1


def test_p3_the_same_request_again_is_answered_with_the_first_result(room: Room) -> None:
    first = room.kept(_scan(1))
    again = room.kept(_scan(1))
    other = room.kept(_scan(2))

    assert again.repeated
    assert (again.fact_id, again.n) == (first.fact_id, first.n)
    assert other.fact_id != first.fact_id
    assert len(room.facts()) == 2


def test_p3_a_repeat_is_known_over_a_restart(room: Room) -> None:
    first = room.kept(_scan(1))
    room.restart()

    assert room.kept(_scan(1)).fact_id == first.fact_id


def test_a_malformed_code_is_kept_and_signalled_as_unexpected(room: Room) -> None:
    kept = room.kept(_scan(1, b"00340123450000000018"))

    assert kept.signal is Signal.UNEXPECTED
    assert "check digit" in kept.problem


def test_facts_are_stated_in_the_name_of_who_is_signed_on_also_after_a_restart(room: Room) -> None:
    room.kept(SignOn(_id(1), "w.chen"))
    room.kept(_scan(2))
    room.restart()
    room.kept(_scan(3))
    room.kept(SignOff(_id(4)))
    room.kept(_scan(5))

    facts = room.facts()
    assert [fact.actor for fact in facts] == ["w.chen", "w.chen", "w.chen", "w.chen", ""]
    assert facts[0].event == Status(SignedOn(on=True))
    assert facts[3].event == Status(SignedOn(on=False))


def test_a_proof_takes_its_pictures_over(room: Room) -> None:
    (room.incoming / "sign.png").write_bytes(b"signature")
    (room.incoming / "p1.jpg").write_bytes(PHOTO)
    room.kept(RecordProof(_id(1), Proof("stop-1", Outcome.DELIVERED, ("box 1",)), "sign.png", ("p1.jpg",)))

    (fact,) = room.facts()
    assert isinstance(fact.event, Proof)
    assert fact.event.signature is not None
    assert set(fact.blobs) == {fact.event.signature, *fact.event.photos}
    (photo,) = fact.event.photos
    assert room.outbox.blob_chunk(photo, 0, 100) == PHOTO


def test_p3_a_proof_can_be_asked_again_after_a_crash_between_its_commit_and_its_answer(room: Room) -> None:
    (room.incoming / "p1.jpg").write_bytes(PHOTO)
    request = RecordProof(_id(1), Proof("stop-1", Outcome.DELIVERED), None, ("p1.jpg",))
    first = room.kept(request)
    again = room.kept(request)

    assert again.repeated
    assert again.fact_id == first.fact_id
    assert len(room.facts()) == 1


def test_p3_a_proof_asked_again_is_said_to_be_kept_also_when_its_pictures_were_deleted_since(room: Room) -> None:
    photo = room.incoming / "p1.jpg"
    photo.write_bytes(PHOTO)
    request = RecordProof(_id(1), Proof("stop-1", Outcome.DELIVERED), None, ("p1.jpg",))
    first = room.kept(request)
    photo.unlink()

    assert room.kept(request) == msgspec.structs.replace(first, repeated=True)


def test_a_proof_whose_picture_is_missing_is_refused_and_nothing_is_kept(room: Room) -> None:
    answer = room.desk.answer(RecordProof(_id(1), Proof("s", Outcome.DELIVERED), None, ("absent.jpg",)))

    assert answer == Refused("Not kept: an attachment of it is missing on the device. Take it again.")
    assert room.facts() == []


def test_p1_what_could_not_be_kept_is_refused_with_the_stores_sentence(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise NotKept(Cause.FULL, "Not kept: the device's storage is full.")

    monkeypatch.setattr(room.outbox, "append", full)

    assert room.desk.answer(_scan(1)) == Refused("Not kept: the device's storage is full.")
    assert room.desk.answer(SignOn(_id(2), "w.chen")) == Refused("Not kept: the device's storage is full.")
    assert room.capture.person == ""


def test_an_alarm_is_acknowledged_by_name_and_reason(room: Room) -> None:
    alarm = Alarm("a-1", Phase.RAISED, "van-1.probe.temperature_c", "above 8", 5, 950)
    room.outbox.append((alarm,), actor="", stamp=room.clock.stamp())
    room.kept(SignOn(_id(1), "w.chen"))
    room.kept(AcknowledgeAlarm(_id(2), "a-1", "door was open"))

    event = room.facts()[-1].event
    assert event == Alarm(
        "a-1", Phase.ACKNOWLEDGED, "van-1.probe.temperature_c", "above 8", 5, 950, "w.chen", "door was open"
    )
    assert room.house.alarms == [event]


def test_an_unknown_alarm_is_refused(room: Room) -> None:
    answer = room.desk.answer(AcknowledgeAlarm(_id(1), "a-9", ""))

    assert isinstance(answer, Refused)
    assert "'a-9'" in answer.why


def test_drafts_are_kept_replaced_and_dropped(room: Room) -> None:
    ask = room.desk.answer
    assert ask(DraftPut("stop-1", b"1")) == Done()
    assert ask(DraftPut("stop-1", b"2")) == Done()
    assert ask(DraftGet("stop-1")) == Draft(b"2")
    assert ask(ListDrafts()) == Drafts(("stop-1",))
    assert ask(DraftDrop("stop-1")) == Done()
    assert ask(DraftDrop("stop-1")) == Done()
    assert ask(DraftGet("stop-1")) == Draft(None)


def test_drafts_are_bounded(room: Room) -> None:
    for n in range(MOST_DRAFTS):
        assert room.desk.answer(DraftPut(f"d{n}", b"")) == Done()

    assert isinstance(room.desk.answer(DraftPut("one-more", b"")), Refused)
    assert room.desk.answer(DraftPut("d0", b"new")) == Done()


def test_pages_of_the_outbox_fit_one_message_and_lose_nothing(room: Room) -> None:
    for n in range(90):
        room.kept(_scan(n, b"%d" % n + b"x" * 7_000))
    seen: list[int] = []
    pages = 0
    before = None
    while True:
        page = room.desk.answer(GetOutbox(100, before))
        assert isinstance(page, OutboxPage)
        seen += [item.n for item in page.items]
        pages += 1
        before = page.next_before
        if before is None:
            break

    assert seen == list(range(90, 0, -1))
    assert pages > 1


def test_a_document_is_given_slice_by_slice(room: Room) -> None:
    data = os.urandom(DOCUMENT_SLICE_BYTES // 8) * 9
    size = 60_000
    parts = [data[i : i + size] for i in range(0, len(data), size)]
    for i, part in enumerate(parts):
        room.inbox.take(Document("route", 4, i, len(parts), part))

    first = room.desk.answer(GetDocument("route"))
    assert isinstance(first, DocumentSlice)
    rest = room.desk.answer(GetDocument("route", len(first.data)))
    assert isinstance(rest, DocumentSlice)
    assert (first.version, first.size) == (4, len(data))
    assert first.data + rest.data == data
    assert room.desk.answer(GetDocument("manifest")) == DocumentSlice("manifest", 0, 0, b"")


def test_what_goes_wrong_is_an_answer_too(room: Room) -> None:
    assert isinstance(room.desk.answer(GetStatus()), Refused)
    assert isinstance(room.desk.answer(Follow()), Refused)
    assert room.desk.answer(GetDrivers()) == Drivers(())
    assert room.desk.answer(AddDriver("kind = 'x'")) == Done()


def test_forgotten_pictures_are_deleted_after_a_week(room: Room) -> None:
    old, new = room.incoming / "old.jpg", room.incoming / "new.jpg"
    old.write_bytes(b"1")
    new.write_bytes(b"2")
    os.utime(old, (1_000_000, 1_000_000))

    assert delete_forgotten(room.incoming, room.outbox.shelf, 1_000_000 + FORGOTTEN_AFTER_S + 1) == 1
    assert not old.exists()
    assert new.exists()


def test_a_picture_of_a_draft_is_not_deleted_when_the_clock_is_set_right(room: Room) -> None:
    photo = room.incoming / "p1.jpg"
    photo.write_bytes(PHOTO)
    os.utime(photo, (0, 0))
    assert room.desk.answer(DraftPut("proof-1", b"\x91\xa6p1.jpg")) == Done()

    assert delete_forgotten(room.incoming, room.outbox.shelf, 1_800_000_000) == 0
    assert photo.read_bytes() == PHOTO
    assert room.desk.answer(DraftDrop("proof-1")) == Done()
    assert delete_forgotten(room.incoming, room.outbox.shelf, 1_800_000_000) == 1


# -- taking back, switching, and what the device itself knows of a proof ---------------------------------------------


def test_a_wrong_scan_is_taken_back_by_a_fact_and_stays(room: Room) -> None:
    wrong = room.kept(RecordScan(os.urandom(16), b"box 1", Step.LOADED))
    request = CorrectScan(os.urandom(16), wrong.fact_id, "the wrong box")

    first, again = room.kept(request), room.kept(request)

    assert [fact.event for fact in room.facts()][1:] == [Correction(wrong.fact_id, "the wrong box")]
    assert (again.fact_id, again.repeated) == (first.fact_id, True)


def test_a_correction_asked_again_is_said_to_be_kept_also_when_its_scan_is_out_of_sight(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = CorrectScan(os.urandom(16), room.kept(_scan(1)).fact_id, "the wrong box")
    first = room.kept(request)
    monkeypatch.setattr("agent.desk.RECENT_PAGES", 0)

    assert room.kept(request).fact_id == first.fact_id


def test_only_a_scan_of_this_device_can_be_taken_back(room: Room) -> None:
    proof = room.kept(RecordProof(os.urandom(16), Proof("7", Outcome.ATTEMPTED)))

    for identity in (proof.fact_id, bytes(32)):
        assert isinstance(room.desk.answer(CorrectScan(os.urandom(16), identity, "why")), Refused)
    assert len(room.facts()) == 1


def test_what_scanners_mean_is_switched_and_outlives_a_restart(room: Room) -> None:
    room.capture.add_port("gun", Port(Step.LOADED), None)
    assert room.desk.answer(MeanScans(Step.RETURNED)) == Done()
    room.restart()
    room.capture.add_port("gun", Port(Step.LOADED), None)

    assert room.capture.port("gun").step is Step.RETURNED


def test_a_proof_says_where_the_device_is_and_how_its_load_stands(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    warm = SensorCold("van-1.probe.air", "fridge", ColdState.ABOVE, (Budget("warm", 60_000, 600_000),))
    monkeypatch.setattr(room.capture.guard, "told", lambda: (warm,))
    room.capture.fix("gps", MeasuredFix(1, 2, 3))
    room.kept(RecordProof(os.urandom(16), Proof("7", Outcome.DELIVERED, delivered=("a",))))
    room.kept(RecordProof(os.urandom(16), Proof("7", Outcome.DELIVERED, cold_verdict="inside", fix=Fix(9, 9))))

    stated = [fact.event for fact in room.facts() if isinstance(fact.event, Proof)]
    assert [(p.cold_verdict, p.cold_budget_s, p.fix) for p in stated] == [
        ("above", 540, Fix(1, 2, 3)),
        ("inside", None, Fix(9, 9)),
    ]
