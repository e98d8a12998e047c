"""Single faults of the hub, each told from its beginning to rest."""

import pytest

from contract.delivery.hub_view import StreamName
from contract.event import Lane, Scan, Step
from contract.messages import Credit
from tests.simulation.ledger import KILLER, Ledger
from tests.simulation.quiet import acked, at_hub, kept_on, kinds, pass_s, photo_of, quiet, scan, two_hellos


@pytest.mark.parametrize(
    "point",
    [
        "before the commit",
        "after the commit, before it answers",
        "between two answers",
        "between a projection and its effect",
    ],
)
def test_p3_f035_f036_f037_a_hub_that_dies_at_any_point_has_each_fact_and_effect_once(point: str) -> None:
    fleet = quiet(2)
    fleet.hub.crash_at = point
    made = [i for device in fleet.devices for i in scan(device, 4)]
    pass_s(fleet, 30)

    assert fleet.world.effects["hub_killed"] == 1
    assert at_hub(fleet, made)
    fleet.settle()


def test_f029_f030_an_acknowledgement_from_before_a_restore_frees_nothing_and_the_next_hello_corrects_it() -> None:
    fleet = quiet(release=True)
    (device,) = fleet.devices
    before, files = fleet.hub.ledger.copy(), dict(fleet.hub.files)
    made = scan(device, 3)
    pass_s(fleet, 1)
    acks = list(fleet.network.downs)
    fleet.set_hub_back("a copy", before, files, "hub_copied_back")
    for name, payload in acks:
        fleet.network.inject_down(name, payload)
    assert kept_on(device, made)
    two_hellos(fleet)

    assert at_hub(fleet, made)
    assert kinds(fleet) == {"hub_regressed"}
    fleet.settle()


def test_f038_while_the_hub_cannot_keep_nothing_is_acknowledged_and_all_goes_out_later() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.hub.storage_full = True
    before = acked(device)
    made = scan(device, 3)
    pass_s(fleet, 40)
    assert acked(device) == before

    fleet.hub.storage_full = False
    pass_s(fleet, 60)
    assert at_hub(fleet, made)


def test_a_hub_that_can_take_nothing_is_sent_nothing_until_its_time_is_over() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    fleet.hub.credit = Credit(0, 20_000)
    scan(device)
    pass_s(fleet, 1)
    sent = fleet.hub.counts["Batch"]
    scan(device, 5)
    photo_of(device, b"photo")
    pass_s(fleet, 15)

    assert fleet.hub.counts["Batch"] == sent
    assert fleet.hub.counts["Blob"] == 0
    fleet.settle()


@pytest.mark.parametrize("generation", [-1, -2], ids=["newest backup", "the one before"])
def test_p2_f047_f049_a_hub_restored_from_either_newest_backup_gets_everything_again(generation: int) -> None:
    fleet = quiet(release=True)
    (device,) = fleet.devices
    made: list[bytes] = []
    for _ in range(4):
        made += scan(device, 3)
        pass_s(fleet, 80)
        fleet.hub.back_up()
    made += scan(device, 2)
    pass_s(fleet, 5)
    released = [i for i in made if i not in device.disk.cores]
    back = fleet.hub.backups[generation]
    fleet.set_hub_back("the tool", back.ledger.copy(), dict(back.files), "hub_restored")
    two_hellos(fleet)

    assert len(released) >= 6
    assert at_hub(fleet, made)
    assert kinds(fleet) == {"hub_regressed"}
    fleet.settle()


def test_p6_f048_f052_a_hub_set_back_by_plain_copy_is_complete_again_although_devices_are_quiet() -> None:
    fleet = quiet(2)
    before, files = fleet.hub.ledger.copy(), dict(fleet.hub.files)
    made = [i for device in fleet.devices for i in scan(device, 5)]
    pass_s(fleet, 5)
    fleet.set_hub_back("a copy", before, files, "hub_copied_back")
    assert not at_hub(fleet, made)
    two_hellos(fleet)

    assert at_hub(fleet, made)
    assert "hub_regressed" in kinds(fleet)
    fleet.settle()


def test_f050_attachments_older_than_their_database_are_asked_for_again() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    photo = photo_of(device, b"photo" * 10)
    pass_s(fleet, 5)
    assert photo in fleet.hub.files
    fleet.world.took_effect("hub_attachments_lost")
    fleet.hub.set_back("attachments of another time", fleet.hub.ledger.copy(), {})
    two_hellos(fleet)

    assert photo in fleet.hub.files
    fleet.settle()


def test_p4_f051_every_backup_lost_what_devices_kept_comes_again_and_the_rest_is_a_gap() -> None:
    fleet = quiet(release=True)
    (device,) = fleet.devices
    released = scan(device, 5)
    pass_s(fleet, 5)
    fleet.hub.back_up()
    fleet.hub.back_up()
    two_hellos(fleet)
    assert not kept_on(device, released)
    kept = scan(device, 40)
    pass_s(fleet, 5)
    fleet.lose_hub()
    two_hellos(fleet)

    assert at_hub(fleet, kept)
    stream = StreamName(device.name, device.disk.incarnation, Lane.CUSTODY)
    assert [(g.stream, g.first_n, g.cause) for g in fleet.hub.ledger.gaps] == [(stream, 1, "released")]
    assert kinds(fleet) == {"hub_regressed", "gap"}
    fleet.settle()


def test_p5_f062_a_fact_that_kills_the_projector_is_quarantined_and_the_others_flow() -> None:
    fleet = quiet(2)
    killer, other = fleet.devices
    killer.capture(Scan(KILLER, "", "plain", "killer", Step.LOADED, "dock", "line"))
    made = scan(other, 3)
    pass_s(fleet, 10)

    assert at_hub(fleet, made)
    assert all(i in fleet.hub.ledger.effects for i in made)
    assert fleet.world.effects["killer_fact"] == 3
    fleet.settle()


def test_p7_nothing_is_released_for_one_backup_or_for_two_of_which_one_does_not_verify() -> None:
    fleet = quiet(release=True)
    (device,) = fleet.devices
    made = scan(device, 3)
    pass_s(fleet, 5)
    fleet.hub.back_up()
    fleet.hub.back_up(verifies=False)
    two_hellos(fleet)
    assert kept_on(device, made)

    fleet.hub.back_up()
    two_hellos(fleet)
    assert not any(i in device.disk.cores for i in made)


def test_h7_without_backups_content_is_safe_after_the_hold_time_alone() -> None:
    fleet = quiet(release=True, with_backups=False)
    (device,) = fleet.devices
    made = scan(device, 3)
    two_hellos(fleet)
    assert kept_on(device, made)

    fleet.days_pass(8)
    two_hellos(fleet)
    assert not any(i in device.disk.cores for i in made)


def test_f087_a_proof_waits_for_its_photo_and_a_photo_without_a_proof_is_no_fact() -> None:
    fleet = quiet()
    (device,) = fleet.devices
    device.crash_at = "after an attachment, before its fact", True
    photo = photo_of(device, b"nobody was told that this is kept")
    pass_s(fleet, 10)
    assert photo in device.disk.files
    assert photo not in fleet.hub.files

    fleet.network.weather.loss = 1.0
    proven = photo_of(device, b"kept")
    pass_s(fleet, 1)
    assert not at_hub(fleet, [fleet.truth.blobs[proven]])
    fleet.settle()
    assert proven in fleet.hub.files


def test_a_new_hub_that_knows_nothing_asks_every_device_for_all_it_kept() -> None:
    fleet = quiet(2)
    made = [i for device in fleet.devices for i in scan(device, 30)]
    pass_s(fleet, 5)
    fleet.world.took_effect("hub_lost")
    fleet.hub.set_back("a new one", Ledger(with_backups=True), {})
    two_hellos(fleet)

    assert at_hub(fleet, made)
    fleet.settle()
