"""Every interleaving of small scopes: no promise breaks, and from every state a wire without faults leads to the hub.

`python -m tests.model.cli` prints how many states and steps each scope has.
"""

from pathlib import Path

from tests.model.scopes import SCOPES
from tests.model.search import Search

LEAST_STATES = 1_000
"""A scope with fewer does not try what its name says."""


def _explore(name: str) -> None:
    found = Search(SCOPES[name]).run()
    print(f"{found.states:,} states, {found.steps:,} steps")  # noqa: T201 shown when a test fails, or with -s
    assert found.states >= LEAST_STATES


def test_every_scope_has_a_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in SCOPES if f'_explore("{name}")' not in source] == []


def test_p3_f024_f029_single_facts_on_a_wire_that_loses_doubles_and_reorders() -> None:
    _explore("single facts on a bad wire")


def test_p3_f023_batches_on_a_wire_that_loses_doubles_and_reorders() -> None:
    _explore("batches on a bad wire")


def test_p2_f004_f005_a_device_that_crashes_anywhere() -> None:
    _explore("crashes")


def test_p3_two_lanes_at_once() -> None:
    _explore("two lanes")


def test_p2_f038_a_hub_that_has_no_room_for_a_while() -> None:
    _explore("hub without room")


def test_p2_p5_f013_flipped_bits_and_a_hub_restored() -> None:
    _explore("flipped bits, hub restored")


def test_p2_f013_f054_flipped_bits_on_one_of_two_clones() -> None:
    _explore("flipped bits on a clone")


def test_p2_p6_f030_f047_f048_a_hub_restored_at_any_moment() -> None:
    _explore("hub restored")


def test_p7_f006_content_is_let_go_only_when_it_is_safe() -> None:
    _explore("release")


def test_p2_p7_f049_a_hub_restored_to_either_backup_after_a_release() -> None:
    _explore("release, hub restored")


def test_p4_f051_a_hub_lost_with_its_backups_after_a_release() -> None:
    _explore("release, hub lost")


def test_p2_p6_f053_a_device_restored_from_an_image() -> None:
    _explore("device restored")


def test_p2_f048_f053_a_device_and_a_hub_restored() -> None:
    _explore("device and hub restored")


def test_p2_p6_f054_f055_f057_clones_that_both_go_on() -> None:
    _explore("clones")


def test_p2_f048_f054_clones_and_a_hub_restored() -> None:
    _explore("clones, hub restored")
