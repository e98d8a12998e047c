"""Single faults of devices, lines and people, each told from its beginning to rest."""

import random

import pytest

from agent.room import Level
from contract.columns import Reading, pack_readings
from contract.event import ClockFix, Lane, Quantity, Readings, Status
from contract.messages import Ack, Batch, Credit, Mark, encode_message
from contract.statement import Direction, seal
from hub.timeline import Stamped, date
from tests.simulation import faults_of_devices, faults_of_lines, steps
from tests.simulation.fleet import Fleet
from tests.simulation.hub import key_of
from tests.simulation.network import Weather
from tests.simulation.quiet import acked, at_hub, kept_on, kinds, pass_s, photo_of, quiet, scan, two_hellos

DEATHS = [
    ("f001", "before the commit of a capture"),
    ("f002", "before it answers that it kept something"),
    ("f004", "between commit and send"),
    ("f005", "when a welcome comes"),
    ("f005", "before the commit of a hub's word"),
    ("f005", "after the commit of a hub's word"),
    ("f006", "before the commit of a release"),
    ("f006", "after the commit of a release"),
]


@pytest.mark.parametrize("power", [False, True], ids=["killed", "without power"])
@pytest.mark.parametrize("point", [point for _, point in DEATHS])
def test_f001_f002_f004_f005_f006_a_device_that_dies_at_any_point_loses_and_doubles_nothing(
    point: str, power: bool
) -> None:
    fleet = quiet(release=True)
    (device,) = fleet.devices
    scan(device, 3)
    pass_s(fleet, 5)
    fleet.hub.back_up()
    fleet.hub.back_up()
    device.crash_at = point, power
    scan(device, 3)
    two_hellos(fleet)

    assert device.boots == 2, "it died there"
    fleet.settle()


def test_f010_custody_facts_fill_the_disk_and_new_ones_are_refused_while_none_is_dropped() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.network.broker_up = False
    fleet.network.cut("gone")
    made = scan(device, 50)
    device.disk.budget_bytes = device.disk.used_bytes()
    pass_s(fleet, 20)

    assert device.disk.level is Level.REFUSING
    assert scan(device) == []
    assert kept_on(device, made)
    fleet.settle()
    assert at_hub(fleet, made)


def _block(n: int, count: int = 120) -> Readings:
    values = [Reading(i * 60_000, 500 + (i * 7 + n) % 9) for i in range(count)]
    return Readings("probe", Quantity.TEMPERATURE_C, n, n, 60_000, count, pack_readings(values, 60_000))


def test_p4_f011_telemetry_that_overflows_is_thinned_then_dropped_by_name() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.network.broker_up = False
    fleet.network.cut("gone")
    for n in range(40):
        device.capture(_block(n))
    scans = scan(device, 3)
    device.disk.budget_bytes = int(device.disk.used_bytes() / 0.96)
    for n in range(5):
        pass_s(fleet, 12)
        device.capture(_block(100 + n))

    causes = {p.cause for p in device.disk.lanes[Lane.TELEMETRY].positions}
    assert "thinned" in causes
    assert at_hub(fleet, scans) is False
    fleet.settle()
    assert at_hub(fleet, scans)
    stated = [line.cause for line in fleet.hub.ledger.lines.values() if line.core is None]
    assert stated.count("thinned") > 10


def test_f013_flipped_bits_become_a_tombstone_and_an_incident() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.network.cut("gone")
    made = scan(device, 3)
    core = device.disk.cores[made[1]]
    with fleet.truth.losing("bits flipped"):
        device.disk.cores[made[1]] = core[:-1] + bytes([core[-1] ^ 1])
        device.disk.flipped.add(made[1])
    fleet.world.took_effect("row_corrupted")
    fleet.settle()

    assert at_hub(fleet, [made[0], made[2]])
    assert fleet.hub.ledger.lines[made[1]].cause == "corrupt"
    assert kinds(fleet) == {"content_lost", "device_damage"}


def test_f015_a_lost_database_shows_as_a_gap_from_what_was_announced() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.hub.credit = Credit(0, 600_000)
    scan(device, 3)
    pass_s(fleet, 80)
    scan(device, 3)
    pass_s(fleet, 80)
    fleet.replace_disk(device, keep_files=False)
    fleet.settle()

    assert "gap" in kinds(fleet)


def test_f022_f025_a_line_that_swallows_everything_is_given_up_after_three_silent_timers() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.network.silent[device.label] = fleet.world.now_ms + 1_000
    made = scan(device, 2)
    pass_s(fleet, 60)

    assert at_hub(fleet, made)
    fleet.settle()


def test_f024_f029_statements_and_answers_doubled_late_and_out_of_order_change_nothing() -> None:
    fleet = quiet(credit=2)
    (device,) = fleet.devices
    fleet.network.weather = Weather(20, 9_000, 0.1, 0.5)
    made = [i for _ in range(10) for i in scan(device, 3) if pass_s(fleet, 3) is None]
    pass_s(fleet, 120)
    fleet.settle()

    assert at_hub(fleet, made)
    assert kinds(fleet) <= {"stale_hello"}


def test_f027_a_line_that_comes_and_goes_every_three_seconds_still_gets_everything_through() -> None:
    fleet = quiet(credit=2)
    (device,) = fleet.devices
    made = scan(device, 20)
    for _ in range(20):
        pass_s(fleet, 3)
        fleet.network.cut("the line dropped", device)

    assert at_hub(fleet, made)


def test_p6_f053_a_device_restored_from_an_image_begins_anew_and_shows() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    image = device.disk.copy(random.Random(1))
    lost = scan(device, 5)
    pass_s(fleet, 5)
    fleet.restore_image(device, image, with_witness=True)
    two_hellos(fleet)
    new = scan(device)
    fleet.settle()

    assert fleet.world.effects["began_anew_restored"] == 1
    assert at_hub(fleet, lost + new)
    assert kinds(fleet) & {"device_regressed", "fork"}


def test_d9_a_database_restored_beside_its_witness_notices_by_itself_before_any_contact() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    image = device.disk.copy(random.Random(1))
    scan(device, 5)
    pass_s(fleet, 15)
    fleet.network.broker_up = False
    fleet.restore_image(device, image, with_witness=False)

    assert device.disk.reason == "database_behind_witness"
    fleet.settle()
    assert "device_damage" in kinds(fleet)


@pytest.mark.parametrize("contacted", [True, False], ids=["after contact", "before the first contact"])
def test_p6_f054_f055_a_clone_and_its_original_both_arrive_and_show(contacted: bool) -> None:
    fleet = Fleet(quiet().plan)
    if contacted:
        pass_s(fleet, 5)
    else:
        fleet.network.broker_up = False
    (device,) = fleet.devices
    fleet.clone(device)
    twin = fleet.devices[1]
    ours, theirs = scan(device, 4), scan(twin, 3)
    fleet.network.broker_up = True
    pass_s(fleet, 20)
    two_hellos(fleet)

    assert at_hub(fleet, ours + theirs)
    assert "fork" in kinds(fleet)
    assert device.disk.incarnation != twin.disk.incarnation
    fleet.settle()


def test_what_one_clone_lost_the_other_fills_in() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.network.broker_up = False
    fleet.network.cut("gone")
    made = scan(device, 3)
    fleet.clone(device)
    twin = fleet.devices[1]
    core = device.disk.cores[made[1]]
    device.disk.cores[made[1]] = core[:-1] + bytes([core[-1] ^ 1])
    device.disk.flipped.add(made[1])
    fleet.world.took_effect("row_corrupted")
    fleet.network.silent[twin.label] = fleet.world.now_ms + 100_000
    fleet.network.broker_up = True
    pass_s(fleet, 60)
    assert fleet.hub.ledger.lines[made[1]].cause == "corrupt"

    fleet.settle()
    assert at_hub(fleet, made)


def test_f057_a_clone_does_not_take_the_acknowledgement_of_the_other_for_its_own() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.clone(device)
    twin = fleet.devices[1]
    pass_s(fleet, 0.1)
    scan(twin, 5)
    before = acked(device)
    stored = twin.disk.lanes[Lane.CUSTODY]
    ack = Ack(twin.disk.incarnation, Lane.CUSTODY, Mark(stored.head_n, stored.head_hash[:16]), Credit())
    fleet.network.inject_down(device.name, seal(key_of(device.name), Direction.DOWN, device.name, encode_message(ack)))

    assert acked(device) == before
    fleet.settle()


def test_p5_f061_f071_unreadable_foreign_and_misplaced_facts_go_to_quarantine_and_delay_nothing() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    for act in (faults_of_devices.poison_fact, faults_of_devices.foreign_fact, faults_of_devices.wrong_lane):
        act(fleet, device, random.Random(1))
    made = scan(device, 2)
    pass_s(fleet, 0.5)

    assert at_hub(fleet, made)
    fleet.settle()
    assert kinds(fleet) == {"quarantine"}


def test_f067_a_position_far_ahead_is_not_taken() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    before = {s: list(h) for s, h in fleet.hub.ledger.branch_heads.items()}
    batch = Batch(device.disk.incarnation, Lane.CUSTODY, 2**53, b"?" * 16, (b"?",))
    fleet.network.inject_up(device.name, seal(key_of(device.name), Direction.UP, device.name, encode_message(batch)))
    pass_s(fleet, 1)

    assert fleet.hub.ledger.branch_heads == before
    made = scan(device)
    pass_s(fleet, 5)
    assert at_hub(fleet, made)


def test_f072_recorded_statements_played_again_have_no_effect() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    scan(device, 5)
    pass_s(fleet, 5)
    rows = dict(fleet.hub.ledger.lines)
    for name, payload in list(fleet.network.ups):
        fleet.network.inject_up(name, payload)
    pass_s(fleet, 5)

    assert fleet.hub.ledger.lines == rows
    assert kinds(fleet) == {"stale_hello"}


def test_f081_an_upload_goes_on_where_a_cut_line_or_a_restarted_hub_left_it() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    photo = photo_of(device, b"photo" * 60_000)
    pass_s(fleet, 0.4)
    fleet.network.cut("the line dropped")
    pass_s(fleet, 1)
    fleet.hub.die("in an upload")
    pass_s(fleet, 30)

    assert photo in fleet.hub.files
    fleet.settle()


def test_f083_an_upload_that_does_not_hash_to_its_name_begins_again() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    photo = photo_of(device, b"photo" * 30_000)
    while not fleet.hub.damage_upload():
        pass_s(fleet, 0.02)
    pass_s(fleet, 30)

    assert fleet.world.effects["upload_damaged"] == 1
    assert photo in fleet.hub.files


@pytest.mark.parametrize("error_ms", [-55 * steps.YEAR_MS, -3_600_000, 3_600_000, 10 * steps.YEAR_MS])
def test_f090_facts_of_a_wrong_clock_are_dated_within_what_is_stated(error_ms: int) -> None:
    fleet = quiet()
    (device,) = fleet.devices
    device.clocks.error_ms, device.clocks.is_synced = error_ms, False
    scan(device, 3)
    fleet.settle()

    assert fleet.hub_clock_was_wrong is False


def test_f091_a_device_whose_clock_was_set_back_is_shown_and_one_that_was_set_right_is_not() -> None:
    fleet = quiet(devices=2)
    back, right = fleet.devices
    right.clocks.error_ms, right.clocks.is_synced = 7_200_000, False
    right.die("for the story", power=True)
    pass_s(fleet, 5)
    back.clocks.error_ms, back.clocks.is_synced = -7_200_000, False
    right.clocks.error_ms = 0
    scan(back, 3)
    fleet.settle()

    assert {(i.device, i.kind.value) for i in fleet.hub.ledger.incidents.values()} == {(back.name, "clock_tamper")}


def test_f093_a_slow_welcome_dates_vaguely_and_a_better_one_replaces_it() -> None:
    fleet = quiet()
    fleet = Fleet(fleet.plan)
    fleet.network.weather = Weather(1_500, 400)
    pass_s(fleet, 20)
    fleet.network.weather = fleet.network.usual
    two_hellos(fleet)
    fixes = [
        line.fact.event.detail.uncertainty_ms
        for line in fleet.hub.ledger.lines.values()
        if line.fact is not None
        and isinstance(line.fact.event, Status)
        and isinstance(line.fact.event.detail, ClockFix)
    ]

    assert fixes[0] >= 1_500
    assert min(fixes) < 200
    fleet.settle()


def test_f094_without_any_contact_in_a_boot_no_precise_time_is_claimed() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.network.broker_up = False
    fleet.network.cut("gone")
    device.clocks.error_ms, device.clocks.is_synced = -55 * steps.YEAR_MS, False
    device.die("at night", power=True)
    pass_s(fleet, 10)
    (made,) = scan(device)
    device.die("again", power=True)
    fleet.settle()
    line = fleet.hub.ledger.lines[made]
    assert line.fact is not None
    dated = date(Stamped(line.fact.at_ms, line.fact.mono_ms, line.fact.mono_ms, line.fact.clock, line.received_ms), [])

    assert dated.uncertainty_ms is None


def test_f101_f102_forged_statements_are_neither_heard_nor_kept() -> None:
    fleet = quiet(release=True)
    (device,) = fleet.devices
    made = scan(device, 5)
    pass_s(fleet, 5)
    rows = dict(fleet.hub.ledger.lines)
    for seed in range(40):
        faults_of_lines.forged_down(fleet, device, random.Random(seed))
        faults_of_lines.forged_up(fleet, device, random.Random(seed))
    pass_s(fleet, 5)

    assert kept_on(device, made)
    assert fleet.hub.ledger.lines == rows
    assert kinds(fleet) <= {"not_authentic", "malformed"}
    fleet.world.took_effect("malformed_up")
    fleet.settle()
