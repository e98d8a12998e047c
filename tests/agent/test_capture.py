"""Capture: what a driver hears about a scan, and what is on disk by then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.capture import Capture, Port
from agent.drivers.frames import Code, Sample
from agent.drivers.frames import Fix as MeasuredFix
from agent.drivers.sink import Signal, Sink
from agent.guard import Keep, NoGuard
from agent.outbox import Outbox, SensorReading
from agent.store.errors import Cause, NotKept
from contract.event import (
    Alarm,
    Fix,
    Lane,
    Phase,
    Quantity,
    Readings,
    Scan,
    SensorContact,
    SignedOn,
    Status,
    Step,
    Verdict,
)
from contract.fact import Fact, decode_core
from contract.route import ScanCheck
from tests.agent.store.kit import DEVICE, Bench, everything

SSCC = Code(b"00340123450000000017", "]C1")
GTIN = Code(b"4006381333931", "]E0")
GUN = "scanner-line-1"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "device")
    yield bench
    bench.close()


@pytest.fixture
def outbox(bench: Bench) -> Outbox:
    return bench.open()


@pytest.fixture
def capture(bench: Bench, outbox: Outbox) -> Capture:
    return Capture(outbox, bench.clock, place="van", ports={GUN: Port(Step.LOADED)})


def facts(outbox: Outbox) -> list[Fact]:
    return [decode_core(p.core) for p in everything(outbox) if p.core is not None]


def scans(outbox: Outbox) -> list[Scan]:
    return [fact.event for fact in facts(outbox) if isinstance(fact.event, Scan)]


def test_capture_is_a_sink(capture: Capture) -> None:
    sink: Sink = capture
    assert sink is capture


def test_p1_kept_is_signalled_with_the_fact_on_disk(capture: Capture, outbox: Outbox) -> None:
    assert capture.code(GUN, SSCC) is Signal.KEPT

    (scan,) = scans(outbox)
    assert scan == Scan(
        code=SSCC.raw,
        aim="]C1",
        kind="sscc",
        parcel="00340123450000000017",
        step=Step.LOADED,
        place="van",
        port=GUN,
    )


def test_same_parcel_within_a_moment_is_one_fact(bench: Bench, capture: Capture, outbox: Outbox) -> None:
    assert capture.code(GUN, SSCC) is Signal.KEPT
    bench.time.elapsed_ms += 1_400
    assert capture.code(GUN, SSCC) is Signal.DUPLICATE
    bench.time.elapsed_ms += 1_400
    assert capture.code(GUN, SSCC) is Signal.DUPLICATE
    bench.time.elapsed_ms += 1_600
    assert capture.code(GUN, SSCC) is Signal.KEPT

    assert len(scans(outbox)) == 2
    assert capture.counts[f"{GUN}.duplicate"] == 2


def test_same_parcel_on_another_port_is_another_fact(capture: Capture, outbox: Outbox) -> None:
    capture.code(GUN, SSCC)

    assert capture.code("scanner-line-2", SSCC) is Signal.KEPT
    assert len(scans(outbox)) == 2


def test_plain_gtin_is_never_merged(capture: Capture, outbox: Outbox) -> None:
    capture.code(GUN, GTIN)

    assert capture.code(GUN, GTIN) is Signal.KEPT
    assert len(scans(outbox)) == 2


def test_counting_is_never_merged(capture: Capture, outbox: Outbox) -> None:
    capture.code(GUN, Code(b"HF:STEP:counted"))
    capture.code(GUN, SSCC)

    assert capture.code(GUN, SSCC) is Signal.KEPT
    assert len(scans(outbox)) == 2


def test_refused_scan_is_not_taken_for_kept_when_it_is_tried_again(
    capture: Capture, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise NotKept(Cause.FULL, "Not kept: full.")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "append", refuse)
        assert capture.code(GUN, SSCC) is Signal.REFUSED

    assert capture.code(GUN, SSCC) is Signal.KEPT
    assert capture.counts[f"{GUN}.not_kept.full"] == 1


def test_unforeseen_error_is_refused_and_counted(
    capture: Capture, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(outbox, "append", fail)

    assert capture.code(GUN, SSCC) is Signal.REFUSED
    capture.sample(GUN, Sample("air", Quantity.TEMPERATURE_C, 500))
    capture.lost(GUN, "unplugged")
    assert capture.counts[f"{GUN}.not_kept.error"] == 2


def test_f075_longest_code_is_kept_and_a_longer_one_refused(capture: Capture, outbox: Outbox) -> None:
    assert capture.code(GUN, Code(b"7" * 7_089)) is not Signal.REFUSED
    assert capture.code(GUN, Code(b"7" * 8_193)) is Signal.REFUSED

    assert [len(scan.code) for scan in scans(outbox)] == [7_089]


@pytest.mark.parametrize("raw", [b"", b"\x00\x1d\xff", b"\xed\xa0\x80", b'"><script>'])
def test_p8_f073_any_bytes_are_kept_as_they_came(capture: Capture, outbox: Outbox, raw: bytes) -> None:
    assert capture.code(GUN, Code(raw)) is not Signal.REFUSED

    assert [scan.code for scan in scans(outbox)] == [raw]


def test_damaged_label_is_kept_with_another_signal(capture: Capture, outbox: Outbox) -> None:
    assert capture.code(GUN, Code(b"00340123450000000018", "]C1")) is Signal.UNEXPECTED
    assert len(scans(outbox)) == 1


class OneForAnotherVan:
    def check(self, parcel: str, step: Step) -> ScanCheck:
        wrong = step is Step.LOADED and parcel.startswith("00")
        return ScanCheck(Verdict.WRONG_ROUTE, "van 31") if wrong else ScanCheck(Verdict.EXPECTED, "van 12")


def test_verdict_of_the_manifest_is_kept_and_heard(bench: Bench, outbox: Outbox) -> None:
    capture = Capture(outbox, bench.clock, ports={GUN: Port(Step.LOADED)}, plan=OneForAnotherVan())

    assert capture.code(GUN, SSCC) is Signal.UNEXPECTED
    assert capture.code(GUN, GTIN) is Signal.KEPT
    assert [scan.verdict for scan in scans(outbox)] == [Verdict.WRONG_ROUTE, Verdict.EXPECTED]


# -- cards -----------------------------------------------------------------------------------------------------------------


def test_cards_switch_what_following_scans_of_their_port_mean(capture: Capture, outbox: Outbox) -> None:
    for card in (b"HF:STEP:returned", b"HF:PLACE:dock-4", b"HF:ACTOR:w.chen"):
        assert capture.code(GUN, Code(card)) is Signal.KEPT
    capture.code(GUN, SSCC)
    capture.code("other", SSCC)

    signed, scan, other = facts(outbox)
    assert (signed.event, signed.actor) == (Status(SignedOn(on=True)), "w.chen")
    assert isinstance(scan.event, Scan)
    assert isinstance(other.event, Scan)
    assert (scan.event.step, scan.event.place, scan.actor) == (Step.RETURNED, "dock-4", "w.chen")
    assert (other.event.step, other.event.place, other.actor) == (Step.RECEIVED, "van", "")


def test_who_signs_on_at_the_device_is_the_actor_of_scans_also_over_a_restart(bench: Bench, capture: Capture) -> None:
    capture.sign_on("a.nowak")
    capture.code(GUN, SSCC)
    bench.close()
    outbox = bench.open()
    again = Capture(outbox, bench.clock, ports={GUN: Port(Step.LOADED)})
    again.code(GUN, GTIN)
    again.sign_off()
    again.code(GUN, Code(b"after"))

    assert [fact.actor for fact in facts(outbox)] == ["a.nowak", "a.nowak", "a.nowak", "a.nowak", ""]


def test_cards_hold_over_a_restart_unless_the_configuration_changed(bench: Bench, capture: Capture) -> None:
    capture.code(GUN, Code(b"HF:STEP:returned"))
    bench.close()
    outbox = bench.open()

    same = Capture(outbox, bench.clock, ports={GUN: Port(Step.LOADED)})
    changed = Capture(outbox, bench.clock, ports={GUN: Port(Step.ARRIVED)})

    assert same.port(GUN).step is Step.RETURNED
    assert changed.port(GUN).step is Step.ARRIVED


@pytest.mark.parametrize(
    "code",
    [
        # What looks like one of our cards, and labels that configure scanners (Zebra, Honeywell, Datalogic): a scanner that is
        # not locked obeys them itself; one that is locked hands them on.
        b"HF:STEP:flown",
        b"HF:STEP",
        b"HF:REBOOT:now",
        b"hf:step:loaded",
        b"N17F0D000000",
        b"\x16M\rBEPLVL0.",
        b"$CPSD01",
        b"\x1dFNC3.9A.01",
    ],
)
def test_f074_card_that_nobody_knows_is_data_and_switches_nothing(
    capture: Capture, outbox: Outbox, code: bytes
) -> None:
    before = capture.port(GUN)

    assert capture.code(GUN, Code(code)) is Signal.KEPT

    assert [scan.code for scan in scans(outbox)] == [code]
    assert capture.port(GUN) == before


# -- by hand ----------------------------------------------------------------------------------------------------------------


def test_scan_by_hand_is_one_fact_however_often_the_request_comes(capture: Capture, outbox: Outbox) -> None:
    first = capture.scan_by_hand(SSCC.raw, Step.DELIVERED, actor="w.chen", request_id=b"q" * 16)
    again = capture.scan_by_hand(SSCC.raw, Step.DELIVERED, actor="w.chen", request_id=b"q" * 16)

    assert (first.kind, first.parcel, first.problem) == ("sscc", "00340123450000000017", "")
    assert again.kept[0].fact_id == first.kept[0].fact_id
    assert again.kept[0].repeated
    (scan,) = scans(outbox)
    assert (scan.step, scan.port) == (Step.DELIVERED, "hand")


def test_scan_by_hand_tells_why_it_is_not_kept(capture: Capture) -> None:
    with pytest.raises(NotKept, match=r"^Not kept: "):
        capture.scan_by_hand(b"7" * 9_000, Step.DELIVERED)


# -- measurements -------------------------------------------------------------------------------------------------------------


def test_latest_fix_is_attached_with_its_age(bench: Bench, capture: Capture, outbox: Outbox) -> None:
    capture.code(GUN, GTIN)
    capture.fix("gps", MeasuredFix(525_000_000, 134_000_000, 8))
    bench.time.elapsed_ms += 90_000
    capture.code(GUN, GTIN)
    bench.time.elapsed_ms += 25 * 3_600_000
    capture.code(GUN, GTIN)

    assert [scan.fix for scan in scans(outbox)] == [None, Fix(525_000_000, 134_000_000, 8, 90), None]
    assert outbox.summary().unsealed == 1


def test_measurements_of_a_driver_are_kept_under_the_whole_sensor_id(bench: Bench, outbox: Outbox) -> None:
    capture = Capture(outbox, bench.clock, intervals_ms={"probe": 60_000})

    capture.sample("probe", Sample("air", Quantity.TEMPERATURE_C, 512))
    outbox.seal_due(in_contact=True, seal_ms=0)

    (position,) = everything(outbox, Lane.TELEMETRY)
    block = decode_core(position.core or b"").event
    assert isinstance(block, Readings)
    assert (block.sensor, block.interval_ms, block.count) == (f"{DEVICE}.probe.air", 60_000, 1)


class HighGuard(NoGuard):
    def judge(self, reading: SensorReading, keep: Keep) -> None:
        raised = Alarm("a1", Phase.RAISED, reading.sensor, "high", reading.stamp.at_ms, reading.value)
        if (reading.value or 0) > 800:
            keep([raised], lambda: None)
        else:
            keep((), None)


def test_alarm_is_kept_in_one_transaction_with_the_reading_that_started_it(bench: Bench, outbox: Outbox) -> None:
    told: list[str] = []
    capture = Capture(outbox, bench.clock, guard=HighGuard(), appended=lambda: told.append("appended"))

    capture.sample("probe", Sample("air", Quantity.TEMPERATURE_C, 500))
    assert told == []
    capture.sample("probe", Sample("air", Quantity.TEMPERATURE_C, 900))

    assert told == ["appended"]
    (alarm,) = facts(outbox)
    assert isinstance(alarm.event, Alarm)
    assert outbox.lane(Lane.TELEMETRY).head_n == 1
    assert outbox.summary().unsealed == 0


def test_lost_and_found_sensors_are_stated(capture: Capture, outbox: Outbox) -> None:
    capture.lost("probe", "unplugged" + "!" * 300)
    capture.found("probe")

    lost, found = [fact.event for fact in facts(outbox)]
    assert lost == Status(SensorContact("probe", found=False, why=("unplugged" + "!" * 300)[:256]))
    assert found == Status(SensorContact("probe", found=True))


def test_a_card_given_by_hand_is_refused_and_nothing_is_kept(capture: Capture, outbox: Outbox) -> None:
    with pytest.raises(NotKept, match="configuration card"):
        capture.scan_by_hand(b"HF:STEP:loaded", Step.LOADED)

    assert facts(outbox) == []
