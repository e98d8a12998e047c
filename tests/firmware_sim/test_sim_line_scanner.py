from collections.abc import Iterator
from itertools import pairwise

import pytest

from firmware_sim.adapters.line_scanner import SUFFIXES, Framing, LineScanner
from firmware_sim.device import Chunk, Device
from firmware_sim.faults import FaultPlan
from firmware_sim.hand import Habit
from firmware_sim.journal import JsonValue
from firmware_sim.physics.codes import Code, code_stream
from tests.firmware_sim.virtual import MemoryJournal, VirtualClock

SSCC = Code(b"00095200000100000014", "]C1")
ITEM = Code(b"0109520000010058172806\x1d21X", "]d2")


def numbered(*codes: Code) -> Iterator[tuple[int, Code]]:
    return iter(enumerate(codes, 1))


def drive(device: Device, clock: VirtualClock, seconds: float) -> list[Chunk]:
    """Run a device through virtual time and return what it put on the line."""
    out: list[Chunk] = []
    end_ms = clock.ms + int(1000 * seconds)
    while (due_ms := device.due_ms()) is not None and due_ms <= end_ms:
        clock.ms = max(clock.ms, due_ms)
        out.extend(device.wake(clock.ms))
    clock.ms = end_ms
    return out


def wire(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.data for chunk in chunks)


def sent(journal: MemoryJournal) -> list[dict[str, JsonValue]]:
    return [record for record in journal.records if "sent" in record]


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        (Framing(), b"]C100095200000100000014\r"),
        (Framing(aim=False, suffix=b"\r\n"), b"00095200000100000014\r\n"),
        (Framing(stx=True, etx=True, suffix=b""), b"\x02]C100095200000100000014\x03"),
        (Framing(preamble=b"GATE7:", suffix=b"\t"), b"GATE7:]C100095200000100000014\t"),
        (
            Framing(stx=True, preamble=b"P", etx=True, suffix=SUFFIXES["crlf"]),
            b"\x02P]C100095200000100000014\x03\r\n",
        ),
    ],
)
def test_a_frame_is_byte_exact(framing: Framing, expected: bytes) -> None:
    clock, scanner = VirtualClock(), LineScanner(numbered(SSCC), MemoryJournal(), framing=framing)
    scanner.opened(clock.ms)

    assert wire(drive(scanner, clock, 10)) == expected


def test_nothing_is_sent_before_anyone_listens() -> None:
    clock, scanner = VirtualClock(), LineScanner(code_stream(1), MemoryJournal())

    assert drive(scanner, clock, 60) == []


def test_a_code_is_journaled_with_its_number_and_symbology() -> None:
    clock, journal = VirtualClock(1_000), MemoryJournal()
    scanner = LineScanner(numbered(SSCC, Code(b"HF:STEP:loaded", is_card=True)), journal)
    scanner.opened(1_000)
    drive(scanner, clock, 10)

    assert sent(journal)[0] == {
        "t_ms": 1_000,
        "n": 1,
        "sent": SSCC.data.hex(),
        "aim": "]C1",
        "intact": True,
    }
    assert sent(journal)[1]["card"] is True


def test_scans_come_at_the_rate_and_stop_at_the_count() -> None:
    clock, journal = VirtualClock(), MemoryJournal()
    scanner = LineScanner(code_stream(4), journal, habit=Habit(rate_hz=2.0, count=100))
    start_ms = clock.ms
    scanner.opened(start_ms)
    drive(scanner, clock, 600)
    last_ms = sent(journal)[-1]["t_ms"]

    assert len(sent(journal)) == 100
    assert isinstance(last_ms, int)
    assert 45_000 < last_ms - start_ms < 55_000
    assert journal.records[-1] == {"t_ms": last_ms, "event": "done", "sent_codes": 100}


def test_with_waiting_each_signal_belongs_to_one_code() -> None:
    clock, journal = VirtualClock(0), MemoryJournal()
    scanner = LineScanner(numbered(SSCC, ITEM, SSCC), journal, habit=Habit(10.0, wait_feedback_ms=5_000))
    scanner.opened(0)

    first = drive(scanner, clock, 3)
    scanner.receive(b"KE", clock.ms)
    scanner.receive(b"PT\r\n", clock.ms)
    second = drive(scanner, clock, 1)
    scanner.receive(b"REFUSED\r\n", clock.ms)
    third = drive(scanner, clock, 30)

    assert [chunk.codes for chunk in (*first, *second, *third)] == [(1,), (2,), (3,)]
    assert [record for record in journal.records if "feedback" in record or "unanswered" in record] == [
        {"t_ms": 3_000, "feedback": "KEPT", "beeped": 1},
        {"t_ms": 4_000, "feedback": "REFUSED", "refused": 2},
        {"t_ms": 9_000, "unanswered": 3},
    ]


def test_a_signal_that_no_code_waits_for_confirms_nothing() -> None:
    clock, journal = VirtualClock(0), MemoryJournal()
    scanner = LineScanner(numbered(SSCC), journal)
    scanner.opened(0)
    drive(scanner, clock, 1)
    scanner.receive(b"UNEXPECTED\r\nnonsense\r\n", 1_000)

    assert journal.records[-1] == {"t_ms": 1_000, "feedback": "UNEXPECTED"}


def test_what_was_sent_just_before_the_line_went_away_is_doubtful() -> None:
    clock, journal = VirtualClock(0), MemoryJournal()
    scanner = LineScanner(code_stream(1), journal, habit=Habit(rate_hz=1.0))
    scanner.opened(0)
    drive(scanner, clock, 10)
    recent = [record["n"] for record in sent(journal) if int(str(record["t_ms"])) >= 9_000]
    stuck = Chunk(0, b"x", (3,))
    scanner.closed(10_000, unplugged=True, unsent=[stuck])

    assert recent
    assert journal.records[-1] == {"t_ms": 10_000, "event": "unplugged", "doubtful": [3, *recent]}
    assert scanner.due_ms() is None


def test_a_confirmed_code_and_an_old_one_are_not_doubtful_but_a_held_one_is() -> None:
    clock, journal = VirtualClock(0), MemoryJournal()
    careful = LineScanner(numbered(SSCC), journal, habit=Habit(wait_feedback_ms=5_000))
    careful.opened(0)
    drive(careful, clock, 0)
    careful.receive(b"KEPT\r\n", 10)
    careful.closed(20, unplugged=False, unsent=[])
    holding = LineScanner(numbered(ITEM), journal, faults=FaultPlan(merge=1.0))
    holding.opened(0)
    holding.wake(0)
    holding.closed(3_000, unplugged=True, unsent=[])

    assert [record["doubtful"] for record in journal.records if "doubtful" in record] == [[], [1]]


def test_the_code_in_flight_is_given_up_when_the_line_goes() -> None:
    clock, journal = VirtualClock(0), MemoryJournal()
    scanner = LineScanner(code_stream(1), journal, habit=Habit(wait_feedback_ms=5_000))
    scanner.opened(0)
    drive(scanner, clock, 0)
    scanner.closed(10, unplugged=False, unsent=[])
    scanner.receive(b"KEPT\r\n", 20)

    assert {"t_ms": 10, "unanswered": 1} in journal.records
    assert journal.records[-1] == {"t_ms": 20, "feedback": "KEPT"}


def test_faults_repeat_with_their_seed() -> None:
    def run(seed: int) -> tuple[list[Chunk], list[dict[str, JsonValue]]]:
        clock, journal = VirtualClock(), MemoryJournal()
        plan = FaultPlan(noise=0.2, split=0.3, merge=0.2, drop_gs=0.5)
        scanner = LineScanner(code_stream(9), journal, seed=seed, faults=plan)
        scanner.opened(clock.ms)
        return drive(scanner, clock, 300), journal.records

    assert run(9) == run(9)
    assert run(9) != run(10)


def test_every_intact_code_can_be_cut_out_at_the_terminator() -> None:
    clock, journal = VirtualClock(), MemoryJournal()
    plan = FaultPlan(noise=0.2, split=0.5, merge=0.5, drop_gs=0.5)
    scanner = LineScanner(code_stream(9), journal, faults=plan, habit=Habit(rate_hz=5.0, count=500))
    scanner.opened(clock.ms)
    chunks = drive(scanner, clock, 600)
    frames = [frame[3:] for frame in wire(chunks).split(b"\r")[:-1]]
    expected = [bytes.fromhex(str(record["sent"] if record["intact"] else record["wire"])) for record in sent(journal)]

    assert frames == expected
    assert 80 < sum(not record["intact"] for record in sent(journal)) < 250
    assert any(len(chunk.codes) == 2 for chunk in chunks)
    assert {str(record.get("harm")) for record in sent(journal)} == {
        "None",
        "['noise']",
        "['drop_gs']",
        "['drop_gs', 'noise']",
    }


def test_a_lone_held_frame_goes_out_after_a_while() -> None:
    clock = VirtualClock(0)
    scanner = LineScanner(numbered(SSCC), MemoryJournal(), faults=FaultPlan(merge=1.0))
    scanner.opened(0)

    assert wire(drive(scanner, clock, 4.9)) == b""
    assert wire(drive(scanner, clock, 0.2)) == b"]C1" + SSCC.data + b"\r"


def test_pieces_of_an_unterminated_frame_come_close_together() -> None:
    clock = VirtualClock()
    framing = Framing(suffix=b"")
    scanner = LineScanner(code_stream(2), MemoryJournal(), framing=framing, faults=FaultPlan(split=1.0))
    scanner.opened(clock.ms)
    chunks = drive(scanner, clock, 60)
    gaps = [b.at_ms - a.at_ms for a, b in pairwise(chunks) if a.codes == b.codes]

    assert gaps
    assert max(gaps) <= 10
