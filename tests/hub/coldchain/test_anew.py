"""Judging anew after a profile was changed: sensor by sensor, each by a fact, and on from there after a restart."""

import threading
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from contract.coldchain.profile import Limit, Profile, Side
from contract.delivery.device_states import Appended
from contract.event import Decision
from hub.centre import Centre
from hub.coldchain.anew import judge_next, judging_anew
from hub.coldchain.excursions import list_excursions, profile_of
from hub.coldchain.profiles import held_sensors
from hub.projections import all_projections
from hub.tables import fact, quarantine
from tests.hub.desk import NOW_MS, Desk, connected, open_desk
from tests.hub.folding import block, dump

SENSORS = [f"van-1.probe.{name}" for name in "abc"]
LOOSE = Profile("box", (Limit("warm", Side.ABOVE, 800),), no_data_s=3_600)
TIGHT = Profile("box", (Limit("warm", Side.ABOVE, 600),), no_data_s=3_600)


def define(centre: Centre, profile: Profile) -> None:
    body = msgspec.json.encode(profile).decode()
    centre.decide(Decision("profile.define", (), "m.ito", "", profile.name, body))


def waiting(desk: Desk) -> list[tuple[str, str]]:
    with desk.centre.db.read() as reader:
        return held_sensors(reader)


def broken(desk: Desk) -> list[tuple[str, int | None]]:
    """Sensors with an excursion, and its threshold."""
    with desk.centre.db.read() as reader:
        return sorted((view.sensor, view.threshold) for view in list_excursions(reader).items)


def seed(desk: Desk) -> None:
    """Three sensors at 7 °C, judged by a profile that allows 8 °C."""
    define(desk.centre, LOOSE)
    device = connected(desk)
    for name in SENSORS:
        detail = msgspec.json.encode({"profile": "box", "from_ms": NOW_MS - 60_000}).decode()
        desk.centre.decide(Decision("sensor.assign", (), "m.ito", "", name, detail))
        device.store.keep(block([(0, 700), (10_000, 700)], base_at_ms=NOW_MS - 30_000, base_mono_ms=0, sensor_id=name))
    device.feed(Appended())
    desk.settle(device)


def test_a_change_judges_nothing_by_itself_and_each_sensor_anew_by_a_fact_of_its_own(tmp_path: Path) -> None:
    told: list[object] = []
    with open_desk(tmp_path, projections=all_projections()) as desk:
        seed(desk)
        define(desk.centre, TIGHT)
        assert (waiting(desk), broken(desk)) == ([(name, "box") for name in SENSORS], [])
        with desk.centre.db.read() as reader:
            assert profile_of(reader, SENSORS[0], NOW_MS) == LOOSE

        assert judge_next(desk.centre, told.extend) == (SENSORS[0], "box")
        assert broken(desk) == [(SENSORS[0], 600)]
        with desk.centre.db.read() as reader:
            assert [profile_of(reader, name, NOW_MS) for name in SENSORS] == [TIGHT, LOOSE, LOOSE]
    assert told
    with open_desk(tmp_path, projections=all_projections()) as desk:
        assert [judge_next(desk.centre, told.extend) for _ in range(3)] == [*((s, "box") for s in SENSORS[1:]), None]
        assert (waiting(desk), broken(desk)) == ([], [(name, 600) for name in SENSORS])
        with desk.centre.db.read() as reader:
            before = dump(reader)
        desk.centre.projector.rebuild()
        with desk.centre.db.read() as reader:
            assert dump(reader) == before
            assert reader.execute(select(quarantine)).all() == []


def test_what_is_defined_as_it_was_is_not_judged_anew(tmp_path: Path) -> None:
    with open_desk(tmp_path, projections=all_projections()) as desk:
        seed(desk)
        define(desk.centre, LOOSE)
        assert waiting(desk) == []


def test_a_running_hub_judges_anew_once_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.coldchain.anew.LOOK_S", 0.01)
    ready, done = threading.Event(), threading.Event()
    with open_desk(tmp_path, projections=all_projections()) as desk:
        seed(desk)
        define(desk.centre, TIGHT)
        count = len(desk.rows(fact))
        with judging_anew(desk.centre, lambda _: None if waiting(desk) else done.set(), ready.is_set):
            ready.set()
            assert done.wait(20)
        assert broken(desk) == [(name, 600) for name in SENSORS]
        assert len(desk.rows(fact)) == count + len(SENSORS)
