import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.columns import Reading, pack_readings
from contract.event import Quantity, Readings, Scan, Step
from contract.fact import Clock, Fact
from firmware_sim.adapters.modbus_probe import ModbusProbe
from firmware_sim.adapters.registers import Register
from firmware_sim.checker import (
    AFTER_MS,
    DOUBT_MS,
    Comparison,
    JournalUnreadable,
    Polled,
    Probe,
    Scanner,
    Tally,
    align,
    centi,
    compare,
    polled,
    read_journal,
)
from firmware_sim.physics.cold_box import ColdBox, DoorPlan
from tests.firmware_sim.virtual import MemoryJournal

SENSOR = "van-1.modbus-probe-1.temperature_c"
TEMPERATURE = Register("temperature_c", 0, "s16", 0.01)
ORDS: Iterator[int] = iter(range(1, 1_000_000))


def sent(n: int, code: bytes, **more: Any) -> dict[str, Any]:
    return {"t_ms": 1_000 * n, "n": n, "sent": code.hex(), "aim": "]C0", "intact": True, **more}


def beeped(n: int, feedback: str = "KEPT") -> dict[str, Any]:
    return {"t_ms": 1_000 * n + 5, "feedback": feedback, "beeped": n}


def polls(values: list[int], *, every_ms: int = 100) -> list[dict[str, Any]]:
    return [
        {"t_ms": i * every_ms, "poll": i + 1, "address": 0, "registers": [value & 0xFFFF], "faults": []}
        for i, value in enumerate(values)
    ]


def fact(event: Scan | Readings, device: str = "van-1") -> Fact:
    return Fact(1, device, b"i" * 16, b"b" * 16, next(ORDS), b"s" * 8, 0, 0, Clock.SYNCED, "", event)


def scan(code: bytes, step: Step = Step.LOADED, device: str = "van-1") -> Fact:
    return fact(Scan(code, "]C0", "plain", code.decode(), step, "", "scanner-line-1"), device)


def block(values: list[int], base_ms: int = 0, sensor: str = SENSOR) -> Fact:
    columns = pack_readings([Reading(100 * i, value) for i, value in enumerate(values)], 100)
    return fact(Readings(sensor, Quantity.TEMPERATURE_C, base_ms, base_ms, 100, len(values), columns))


def of_scans(records: list[dict[str, Any]], facts: list[Fact]) -> Tally:
    return compare([Scanner("van-1", records)], [], facts).scans


def of_readings(
    records: list[dict[str, Any]], facts: list[Fact], breaks_ms: tuple[int, ...] = (), register: Register = TEMPERATURE
) -> Tally:
    return compare([], [Probe({SENSOR: register}, records, breaks_ms)], facts).readings


# -- a whole run -------------------------------------------------------------------------------------------------

VALUES = [500, 501, 501, 502, 501, 501]


def run() -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Fact]]:
    """What a scanner and a probe did, and all that the hub has of it."""
    codes = [b"A", b"B", b"C"]
    scans = [record for n, code in enumerate(codes, 1) for record in (sent(n, code), beeped(n))]
    facts = [*map(scan, codes), block(VALUES[:4]), block(VALUES[4:], base_ms=400)]
    return scans, polls(VALUES), facts


def outcome(scans: list[dict[str, Any]], readings: list[dict[str, Any]], facts: list[Fact]) -> Comparison:
    return compare([Scanner("van-1", scans)], [Probe({SENSOR: TEMPERATURE}, readings)], facts)


def test_complete_run_is_right() -> None:
    scans, readings, facts = run()

    assert outcome(scans, readings, facts) == Comparison(Tally(3, 3), Tally(6, 6))
    assert outcome(scans, readings, facts).is_right


@pytest.mark.parametrize("row", range(5))
def test_each_deleted_ledger_row_is_seen_as_lost(row: int) -> None:
    scans, readings, facts = run()
    values = facts[row].event.count if isinstance(facts[row].event, Readings) else 1
    del facts[row]

    result = outcome(scans, readings, facts)

    assert not result.is_right
    assert (result.total.lost, result.total.doubled) == (values, 0)
    assert result.total.committed == 9 - values
    assert len(result.complaints) == 1


@pytest.mark.parametrize("row", range(5))
def test_each_doubled_ledger_row_is_seen_as_doubled(row: int) -> None:
    scans, readings, facts = run()
    values = facts[row].event.count if isinstance(facts[row].event, Readings) else 1
    facts.append(facts[row])

    result = outcome(scans, readings, facts)

    assert (result.total.lost, result.total.doubled) == (0, values)


@pytest.mark.parametrize("line", range(6))
def test_each_deleted_scanner_journal_line_changes_the_counts(line: int) -> None:
    scans, readings, facts = run()
    was_sent = "sent" in scans[line]
    del scans[line]

    tally = outcome(scans, readings, facts).scans

    # Without the send nothing explains the fact; without the beep nobody was promised it.
    assert tally == (Tally(2, 2, doubled=1) if was_sent else Tally(2, 3, doubtful=1))


@pytest.mark.parametrize("line", range(6))
def test_each_deleted_probe_journal_line_changes_the_counts(line: int) -> None:
    scans, readings, facts = run()
    del readings[line]

    assert outcome(scans, readings, facts).readings == Tally(5, 5, doubled=1)


# -- scans -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [0, 1])
def test_unanswered_code_may_be_there_or_not(facts: int) -> None:
    assert of_scans([sent(1, b"A")], [scan(b"A")] * facts) == Tally(0, facts, doubtful=1)


def test_unanswered_code_may_not_be_there_twice() -> None:
    assert of_scans([sent(1, b"A")], [scan(b"A")] * 2).doubled == 1


@pytest.mark.parametrize(("facts", "tally"), [(1, Tally(1, 1, doubtful=1)), (2, Tally(1, 2, doubtful=1))])
def test_person_who_scans_again_after_silence_may_make_a_second_fact(facts: int, tally: Tally) -> None:
    assert of_scans([sent(1, b"A"), sent(2, b"A"), beeped(2)], [scan(b"A")] * facts) == tally


def test_duplicate_signal_promises_no_second_fact() -> None:
    records = [sent(1, b"A"), beeped(1), sent(2, b"A"), beeped(2, "DUPLICATE")]

    assert of_scans(records, [scan(b"A")]) == Tally(1, 1)
    assert of_scans(records, [scan(b"A")] * 2) == Tally(1, 1, doubled=1)


def test_duplicate_signal_promises_that_the_unanswered_send_before_is_kept() -> None:
    records = [sent(1, b"A"), sent(2, b"A"), beeped(2, "DUPLICATE")]

    assert of_scans(records, []) == Tally(1, 0, lost=1, doubtful=1)
    assert of_scans(records, [scan(b"A")]) == Tally(1, 1, doubtful=1)


def test_unexpected_code_is_kept_as_well() -> None:
    assert of_scans([sent(1, b"A"), beeped(1, "UNEXPECTED")], []).lost == 1


def test_refused_code_makes_no_fact() -> None:
    refused = {"t_ms": 5, "feedback": "REFUSED", "refused": 1}

    assert of_scans([sent(1, b"A"), refused], []) == Tally()
    assert of_scans([sent(1, b"A"), refused], [scan(b"A")]).doubled == 1


def test_card_makes_no_fact() -> None:
    records = [sent(1, b"HF:STEP:loaded", card=True), beeped(1)]

    assert of_scans(records, []) == Tally()
    assert of_scans(records, [scan(b"HF:STEP:loaded")]).doubled == 1


def test_code_that_nobody_sent_is_doubled() -> None:
    assert of_scans([], [scan(b"A")]) == Tally(doubled=1)


def test_same_code_on_two_devices_is_two_scans() -> None:
    scanners = [Scanner(device, [sent(1, b"A"), beeped(1)]) for device in ("dock", "van-1")]

    result = compare(scanners, [], [scan(b"A", device="dock")] * 2)

    assert result.scans == Tally(2, 1, lost=1, doubled=1)


def test_step_must_be_the_one_that_was_meant_where_the_journal_tells_it() -> None:
    records = [sent(1, b"A", step="loaded"), beeped(1), sent(2, b"A", step="delivered"), beeped(2)]

    assert of_scans(records, [scan(b"A"), scan(b"A", Step.DELIVERED)]) == Tally(2, 2)
    assert of_scans(records, [scan(b"A"), scan(b"A")]) == Tally(2, 1, lost=1, doubled=1)


def test_code_harmed_on_the_wire_is_expected_as_it_went_out() -> None:
    records = [sent(1, b"A\x1dB", intact=False, harm=["drop_gs"], wire=b"AB".hex()), beeped(1)]

    assert of_scans(records, [scan(b"AB")]) == Tally(1, 1)


# -- readings ----------------------------------------------------------------------------------------------------


def test_values_before_a_break_may_be_there_or_not_and_others_must() -> None:
    values = list(range(500, 540))
    break_ms = 2_000
    in_doubt = [v for i, v in enumerate(values) if break_ms - DOUBT_MS <= 100 * i <= break_ms + AFTER_MS]
    certain = [v for v in values if v not in in_doubt]

    assert of_readings(polls(values), [block(values)], (break_ms,)) == Tally(19, 40, doubtful=21)
    assert of_readings(polls(values), [block(certain)], (break_ms,)) == Tally(19, 19, doubtful=21)
    assert of_readings(polls(values), [block(certain[1:])], (break_ms,)).lost == 1


def test_order_of_values_counts() -> None:
    assert of_readings(polls([1, 2, 3]), [block([1, 3, 2])]) == Tally(3, 2, lost=1, doubled=1)


def test_blocks_are_put_in_the_order_of_the_devices_clock() -> None:
    assert of_readings(polls([1, 2, 3, 4]), [block([3, 4], base_ms=200), block([1, 2])]) == Tally(4, 4)


@pytest.mark.parametrize("fault", ["late", "noise"])
def test_answer_that_the_device_must_refuse_is_doubtful(fault: str) -> None:
    records = polls([1, 2, 3])
    records[1]["faults"] = [fault]

    assert of_readings(records, [block([1, 3])]) == Tally(2, 2, doubtful=1)


def test_poll_before_a_silence_and_the_last_one_are_doubtful_where_the_pace_is_known() -> None:
    records = polls([1, 2, 3, 4])
    for record in records[2:]:
        record["t_ms"] += 3_000
    probe = Probe({SENSOR: TEMPERATURE}, records, silence_ms=1_000)

    assert [p.is_doubtful for p in polled(probe, TEMPERATURE)] == [False, True, False, True]


def test_polls_of_other_registers_are_left_out() -> None:
    assert of_readings(polls([1, 2]), [], register=replace(TEMPERATURE, address=5)) == Tally()


@pytest.mark.parametrize(
    ("register", "words", "value"),
    [
        (Register("temperature_c", 0, "s16", 0.1), [52], 520),
        (Register("temperature_c", 0, "s16", 0.01), [0xFFFF], -1),
        (Register("temperature_c", 0, "s16", 0.1), [0x8000], None),
        (Register("humidity_rh", 0, "u16", 0.1), [455], 4550),
        (Register("temperature_c", 0, "f32"), [0x40A0, 0x0000], 500),
        (Register("temperature_c", 0, "f32sw"), [0x0000, 0x40A0], 500),
        (Register("temperature_c", 0, "f32"), [0x7FC0, 0x0000], None),
    ],
)
def test_registers_are_read_as_the_device_should(register: Register, words: list[int], value: int | None) -> None:
    assert centi(register, words) == value


def test_reads_the_journal_that_a_probe_writes() -> None:
    journal = MemoryJournal()
    probe = ModbusProbe(ColdBox(DoorPlan(1)), journal, start_ms=0, registers=(TEMPERATURE,))
    read_holding_register_0 = bytes.fromhex("010300000001840a")
    [answer] = probe.receive(read_holding_register_0, 1_000)
    on_wire = int.from_bytes(answer.data[3:5], "big", signed=True)

    assert of_readings(json.loads(json.dumps(journal.records)), [block([on_wire])]) == Tally(1, 1)


certain_values = st.lists(st.integers(0, 2), max_size=12)


@given(certain_values, st.data())
def test_alignment_finds_the_fewest_differences(values: list[int], data: st.DataObject) -> None:
    doubtful = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    ledger = data.draw(certain_values)

    tally = align([Polled(v, is_doubtful=d) for v, d in zip(values, doubtful, strict=True)], ledger)

    assert tally.lost + tally.doubled == fewest_differences(values, doubtful, ledger)
    assert tally.committed == len(ledger) - tally.doubled
    assert tally.captured == doubtful.count(False)


def fewest_differences(values: list[int], doubtful: list[bool], ledger: list[int]) -> int:
    costs = list(range(len(ledger) + 1))
    for value, is_doubtful in zip(values, doubtful, strict=True):
        above, costs[0] = costs[:], costs[0] + (not is_doubtful)
        for j, there in enumerate(ledger, 1):
            same = above[j - 1] if value == there else len(values) + len(ledger)
            costs[j] = min(same, above[j] + (not is_doubtful), costs[j - 1] + 1)
    return costs[-1]


# -- journals ----------------------------------------------------------------------------------------------------


def test_journal_that_is_damaged_or_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scans.jsonl"
    with pytest.raises(JournalUnreadable, match="cannot read the journal"):
        read_journal(path)
    path.write_text('{"t_ms":1,"event":"opened"}\n{"t_ms":')
    with pytest.raises(JournalUnreadable, match="cannot read the journal"):
        read_journal(path)
    path.write_text('{"t_ms":1,"event":"opened"}\n')

    assert read_journal(path) == [{"t_ms": 1, "event": "opened"}]
