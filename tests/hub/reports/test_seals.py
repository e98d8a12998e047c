"""Any changed byte of a report is found, and said of which part it is."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contract.delivery.hub_view import StreamName
from contract.event import Decision, Lane
from contract.fact import next_hash, root_hash
from hub.reports.check import check_report
from hub.reports.content import ReportInput
from hub.reports.evidence import Hop, Rests, pack_run, unpack_run
from hub.reports.printing import print_report
from hub.reports.seal import Altered, attached_json, open_json, pdf_seal, seal_json, seal_pdf
from tests.hub.reports.report_samples import INCARNATION, NOON_MS, core, small_report


@cache
def json_report() -> bytes:
    return seal_json(small_report())[1]


@cache
def pdf_report() -> bytes:
    return print_report(small_report(), "en")[1]


def flipped(data: bytes, at: int, by: int) -> bytes:
    return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]


def parts_of(data: bytes) -> set[str]:
    return {wrong.part for wrong in check_report(data).wrong}


def test_f122_a_report_as_it_was_made_is_valid_in_both_forms() -> None:
    for data, kind in ((json_report(), "json"), (pdf_report(), "pdf")):
        checked = check_report(data)
        assert (checked.valid, checked.kind, checked.wrong, checked.unproven) == (True, kind, (), ())
        assert (checked.subject, checked.facts, len(checked.heads)) == ("trip-1", 12, 2)


def test_the_pdf_carries_the_very_json_report() -> None:
    assert attached_json(pdf_report()) == json_report()
    assert open_json(json_report())[1] == small_report()


def test_the_same_report_gives_the_same_bytes() -> None:
    assert print_report(small_report(), "en")[1] == pdf_report()


@settings(max_examples=1000)
@given(st.data(), st.integers(1, 255))
def test_f122_any_changed_byte_of_a_json_report_is_found(data: st.DataObject, by: int) -> None:
    at = data.draw(st.integers(0, len(json_report()) - 1))
    assert not check_report(flipped(json_report(), at, by)).valid


@settings(max_examples=1000)
@given(st.data(), st.integers(1, 255))
def test_f122_any_changed_byte_of_a_pdf_report_is_found(data: st.DataObject, by: int) -> None:
    at = data.draw(st.integers(0, len(pdf_report()) - 1))
    assert not check_report(flipped(pdf_report(), at, by)).valid


@pytest.mark.parametrize("data", [json_report(), pdf_report()], ids=["json", "pdf"])
def test_every_byte_of_the_seals_counts_and_nothing_may_follow(data: bytes) -> None:
    for at in (*range(120), *range(len(data) - 120, len(data))):
        assert not check_report(flipped(data, at, 0x20)).valid, at
    for more in (b"\n", b" ", data):
        assert parts_of(data + more) <= {"file", "seal", "print"}
        assert not check_report(data + more).valid


@given(st.data())
def test_a_report_that_is_cut_off_says_so(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([json_report(), pdf_report()]))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert parts_of(cut) == {"file"}


@given(st.binary(max_size=200))
def test_anything_else_is_no_report_and_raises_nothing(data: bytes) -> None:
    for begun in (data, b"%PDF-" + data, seal_pdf(b"%PDF-1.7" + data), json_report()[:110] + data):
        assert not check_report(begun).valid


def test_a_file_cut_in_half_is_told_plainly() -> None:
    half = pdf_report()[: len(pdf_report()) // 2]
    (wrong,) = check_report(half).wrong
    assert wrong.why == f"The PDF is cut off or was added to: its {len(half)} bytes do not end with a seal."


def test_a_print_that_was_changed_and_sealed_again_still_holds_the_old_content_and_has_another_seal() -> None:
    changed = pdf_report().rpartition(b"\n%holdfast")[0].replace(b"/Title", b"/Titel", 1)
    sealed = seal_pdf(changed)
    # Offline this is only another print of the same content; the hub knows the seals of those it made.
    assert pdf_seal(sealed) != pdf_seal(pdf_report())


def resealed(report: ReportInput) -> bytes:
    """What a forger would do who knows the format."""
    return seal_json(report)[1]


def test_readings_changed_by_one_who_seals_again_are_not_what_the_facts_say() -> None:
    report = small_report()
    (part,) = report.sensors
    cooler = tuple((at_ms, None if value is None else min(value, 700)) for at_ms, value in part.readings)
    forged = replace(report, sensors=(replace(part, readings=cooler),))
    assert parts_of(resealed(forged)) == {"readings", "judgement"}


def test_readings_left_out_by_one_who_seals_again_are_missed() -> None:
    report = small_report()
    (part,) = report.sensors
    forged = replace(report, sensors=(replace(part, readings=part.readings[:30]),))
    assert "readings are left out" in check_report(resealed(forged)).wrong[0].why


def test_a_verdict_changed_by_one_who_seals_again_does_not_follow_from_the_readings() -> None:
    report = small_report()
    (part,) = report.sensors
    kept = replace(part, judgement=replace(part.judgement, excursions=()))
    assert parts_of(resealed(replace(report, sensors=(kept,)))) == {"judgement"}


def test_a_mean_changed_by_one_who_seals_again_does_not_follow_from_the_readings() -> None:
    report = small_report()
    (part,) = report.sensors
    (mean,) = part.mkt
    better = replace(mean, result=replace(mean.result, value_c=5.0))
    assert parts_of(resealed(replace(report, sensors=(replace(part, mkt=(better,)),)))) == {"judgement"}


def test_facts_left_out_of_a_run_lead_to_another_head() -> None:
    report = small_report()
    run = report.runs[0]
    shorter = replace(run, links=report.runs[1].links)
    assert parts_of(resealed(replace(report, runs=(shorter, report.runs[1])))) == {"facts"}


def test_an_acknowledgement_that_no_fact_shows_is_named() -> None:
    report = replace(small_report(), runs=small_report().runs[:1])
    checked = check_report(resealed(report))
    assert checked.valid
    assert checked.unproven == ("that w.chen acknowledged exc-1",)


def test_an_acknowledgement_in_the_chain_of_another_device_proves_nothing() -> None:
    report = small_report()
    decision = Decision("excursion.acknowledge", (), "w.chen", "door open at the dock", "exc-1")
    for stated_by in ("van-12", "hub"):
        own = Rests(core(stated_by, 1, decision), NOON_MS)
        name = StreamName("van-12", INCARNATION, Lane.CUSTODY)
        run = pack_run(name, 1, root_hash("van-12", INCARNATION, Lane.CUSTODY), [own])
        checked = check_report(resealed(replace(report, runs=(report.runs[0], run))))
        assert checked.valid
        assert checked.unproven == ("that w.chen acknowledged exc-1",)


def test_a_hole_that_one_who_seals_again_passes_over_is_found() -> None:
    report = small_report()
    whole = tuple(replace(parcel, complete=True) for parcel in report.parcels)
    assert parts_of(resealed(replace(report, parcels=whole))) == {"judgement"}
    assert parts_of(resealed(replace(report, parcels=whole, incomplete=()))) == {"judgement"}
    assert parts_of(resealed(report)) == set()


def test_links_that_would_fill_memory_are_refused() -> None:
    report = small_report()
    bomb = replace(report.runs[0], links=b"\x78\x9c" + bytes(100))
    assert parts_of(resealed(replace(report, runs=(bomb,)))) == {"facts"}


def test_a_run_goes_on_behind_a_stated_gap() -> None:
    run = small_report().runs[0]
    core = next(unpack_run(run)).core
    stream = StreamName(run.device, bytes.fromhex(run.incarnation), run.lane)
    packed = pack_run(stream, 1, bytes(32), [Hop(9, bytes(32)), Rests(core, 5)])
    (placed,) = unpack_run(packed)
    assert (packed.last_n, placed.n) == (10, 10)
    assert packed.head == next_hash(bytes(32), 10, placed.fact_id).hex()


def test_what_is_no_report_is_refused_with_the_part_that_is_wrong() -> None:
    with pytest.raises(Altered, match="does not begin as one") as refused:
        open_json(b"{}")
    assert refused.value.part == "file"
