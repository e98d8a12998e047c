"""Heads that devices announced, on a real database: looked for by their hash until they have come."""

import copy
from pathlib import Path

from contract.delivery.device_states import Connected
from contract.messages import Hello
from hub import tables as t
from tests.contract.delivery.memory import Device, clone_of, said
from tests.hub.desk import Desk, connected, open_desk


def _announced_only(desk: Desk, device: Device) -> None:
    """The hub hears of what the device has, and gets nothing of it."""
    device.outgoing.clear()
    device.tick(80_000)
    desk.hear("van-1", *(payload for payload in device.outgoing if isinstance(said(payload), Hello)))
    device.outgoing.clear()
    desk.sent.clear()


def _say_hello(desk: Desk, device: Device) -> None:
    device.tick(80_000)
    desk.settle(device)


def test_f015_an_announced_fact_whose_place_a_clone_filled_is_a_gap_when_its_device_begins_anew(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"both have it")
        desk.settle(device)
        clone = clone_of(device)
        clone.feed(Connected())
        desk.settle(clone)
        clone.scan(b"the clone's own")
        _announced_only(desk, clone)
        device.scan(b"the original's own")
        desk.settle(device)

        anew = Device("van-1", 78)
        anew.store.boot = b"a" * 16
        anew.feed(Connected())
        desk.settle(anew)

        told = [str(row["detail"]) for row in desk.rows(t.incident) if row["kind"] == "gap"]
        assert len(told) == 1
        assert "where the hub has another fact" in told[0]


def test_f053_an_image_that_was_filled_anew_is_a_fork_and_what_came_is_forgotten(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"in the image")
        desk.settle(device)
        image = copy.deepcopy(device.store)
        device.scan(b"announced, never sent")
        _announced_only(desk, device)

        restored = Device("van-1", 98, image)
        restored.store.boot = b"r" * 16
        restored.scan(b"another")
        restored.scan(b"and another")
        restored.feed(Connected())
        desk.settle(restored)
        _say_hello(desk, restored)

        assert "fork" in desk.incidents()
        assert {row["head_n"] for row in desk.rows(t.claim)} == {0, 3}


def test_what_came_as_announced_is_no_incident_when_its_device_begins_anew(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        for code in (b"1", b"2", b"3"):
            device.scan(code)
            _announced_only(desk, device)
        _say_hello(desk, device)
        _say_hello(desk, device)

        anew = Device("van-1", 78)
        anew.store.boot = b"a" * 16
        anew.feed(Connected())
        desk.settle(anew)

        assert desk.incidents() == set()
