"""The messages of the local socket: round trips, limits, and framing of a stream in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.coldchain.findings import Budget
from contract.errors import Malformed, TooLarge
from contract.event import Alarm, Lane, Outcome, Phase, Proof, Quantity, Step, Verdict
from contract.local import (
    MAX_DRAFT_BYTES,
    MAX_FRAME_BYTES,
    AcknowledgeAlarm,
    AddDriver,
    AlarmHappened,
    Answer,
    ColdHappened,
    ColdState,
    CorrectScan,
    DeviceStatus,
    Done,
    Draft,
    DraftPut,
    Drivers,
    DriverStatus,
    Follow,
    FrameReader,
    GetStatus,
    Happening,
    Kept,
    LaneStatus,
    MeanScans,
    OpenAlarm,
    OutboxItem,
    OutboxPage,
    ReadingsHappened,
    RecordProof,
    RecordScan,
    Refused,
    Request,
    ScanHappened,
    SensorCold,
    Signal,
    SignOff,
    SignOn,
    decode_answer,
    decode_request,
    frame,
)
from contract.messages import LatestReading

ID = bytes(range(16))
DIGEST = bytes(32)
REQUESTS: list[Request] = [
    RecordScan(ID, b"\x1d]C1code", Step.LOADED, "]C1", "dock-4"),
    RecordProof(ID, Proof("stop-1", Outcome.DELIVERED, delivered=("a",)), "sign.png", ("p1.jpg", "p2.jpg")),
    SignOn(ID, "w.chen"),
    SignOff(ID),
    AcknowledgeAlarm(ID, "alarm-1", "door was open"),
    CorrectScan(ID, DIGEST, "the wrong box"),
    MeanScans(Step.LOADED),
    DraftPut("stop-1", b"\x00\x01"),
    AddDriver('kind = "scanner_line"'),
    GetStatus(),
    Follow(),
]
ANSWERS: list[Answer | Happening] = [
    Kept(DIGEST, Lane.CUSTODY, 7, 1_700_000_000_000, Signal.UNEXPECTED, repeated=True),
    Refused("disk full"),
    Done(),
    Draft(None),
    DeviceStatus(
        device="van-1",
        running=True,
        version="1",
        incarnation=ID,
        lanes=(LaneStatus(Lane.CUSTODY, 3, 2, 1, 0),),
        unsealed=0,
        blobs_pending=0,
        oldest_unsent_at_ms=None,
        storage="ok",
        used_bytes=1,
        room_bytes=2,
        room_s=None,
        link="offline",
        last_contact_at_ms=None,
        actor="",
        drivers=(DriverStatus("s", "scanner_line", "/dev/x", "open", None, (("frames", 1),)),),
    ),
    OutboxPage((OutboxItem(DIGEST, Lane.CUSTODY, 1, committed=False, fact=None),), 1),
    Drivers((), (("/dev/ttyACM0", "a scanner"),)),
    ScanHappened("s", b"abc", "", "plain", "abc", Signal.KEPT, 0),
    ScanHappened("s", b"a", "", "plain", "a", Signal.UNEXPECTED, 0, Verdict.WRONG_ROUTE, "van 31", Step.LOADED, DIGEST),
    ReadingsHappened((LatestReading("a.b.c", Quantity.TEMPERATURE_C, 0, None),)),
    AlarmHappened(Alarm("a1", Phase.RAISED, "a.b.c", "high", 0, 900)),
    ColdHappened(
        (
            SensorCold(
                "a.b.c",
                "fridge",
                ColdState.ABOVE,
                (Budget("high", 1, 2),),
                (OpenAlarm("a1", "high", 0, 900, acknowledged=True),),
            ),
        )
    ),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: type(r).__name__)
def test_a_request_is_read_as_it_was_written(request_: Request) -> None:
    (body,) = FrameReader().feed(frame(request_))

    assert decode_request(body) == request_


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: type(a).__name__)
def test_an_answer_is_read_as_it_was_written(answer: Answer | Happening) -> None:
    (body,) = FrameReader().feed(frame(answer))

    assert decode_answer(body) == answer


@given(cuts=st.lists(st.integers(min_value=1, max_value=40), max_size=60))
def test_messages_survive_any_cutting_of_the_stream(cuts: list[int]) -> None:
    stream = b"".join(frame(request) for request in REQUESTS)
    reader = FrameReader()
    bodies = []
    for size in cuts:
        bodies += reader.feed(stream[:size])
        stream = stream[size:]
    bodies += reader.feed(stream)

    assert [decode_request(body) for body in bodies] == REQUESTS


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_malformed(body: bytes) -> None:
    try:
        request = decode_request(body)
    except Malformed:
        return
    assert decode_request(frame(request)[4:]) == request


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_malformed(body: bytes) -> None:
    try:
        answer = decode_answer(body)
    except Malformed:
        return
    assert decode_answer(frame(answer)[4:]) == answer


def test_f065_a_length_beyond_the_limit_is_refused_before_its_bytes_come() -> None:
    with pytest.raises(TooLarge, match="announced"):
        FrameReader().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))


def test_a_message_that_would_be_too_long_is_not_written() -> None:
    with pytest.raises(TooLarge):
        frame(Draft(bytes(MAX_FRAME_BYTES)))


def test_the_longest_draft_fits_a_message() -> None:
    assert decode_request(frame(DraftPut("d", bytes(MAX_DRAFT_BYTES)))[4:]) == DraftPut("d", bytes(MAX_DRAFT_BYTES))


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a\n", "a" * 129])
def test_f086_a_file_name_that_could_leave_its_folder_is_malformed(name: str) -> None:
    body = frame(RecordProof(ID, Proof("s", Outcome.DELIVERED), None, (name,)))[4:]

    with pytest.raises(Malformed):
        decode_request(body)


def test_a_request_id_of_another_length_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_request(frame(SignOff(b"short"))[4:])
