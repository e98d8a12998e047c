"""The cold guard of real agents: documents, alarms, people, and kill -9."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.alone import desk_alone
from agent.clock import DeviceClock
from agent.config import load_config
from agent.inbox import Inbox
from agent.parts import open_outbox
from agent.socket import LocalClient
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.event import Alarm, Phase
from contract.local import (
    AlarmHappened,
    ColdHappened,
    ColdState,
    DeviceStatus,
    GetOutbox,
    GetStatus,
    Happening,
    OutboxPage,
    SensorCold,
)
from contract.messages import Document
from tests.agent.agent_process import run_cli, run_json, running, write_config
from tests.agent.cold_kit import document
from tests.agent.probe_line import ProbeLine, probe_line
from tests.agent.store.kit import SENSOR

pytestmark = pytest.mark.slow

WAIT_S = 30.0
WARM = Profile("warm", (Limit("warm", Side.ABOVE, 800, Rule.CUMULATIVE, allowed_s=5),), no_data_s=60)
HOT = Profile("hot", (Limit("hot", Side.ABOVE, 1_500), Limit("long", Side.ABOVE, 800, allowed_s=28_800)), no_data_s=2)


@pytest.fixture
def probe() -> Iterator[ProbeLine]:
    with probe_line() as line:
        yield line


def assigned(folder: Path, profile: Profile, more: str) -> Path:
    """A configuration whose device was given a profile for its probe before this start."""
    config = write_config(folder, drivers=more)
    outbox = open_outbox(load_config(config), DeviceClock.of_system())
    Inbox(lambda: outbox.shelf).take(Document("coldchain", 1, 0, 1, document(profile, from_ms=0).data))
    outbox.close()
    return config


def until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.02)


def cold(folder: Path) -> SensorCold:
    with LocalClient(folder) as client:
        status = client.ask(GetStatus())
    assert isinstance(status, DeviceStatus)
    (sensor,) = status.cold
    return sensor


def alarms(folder: Path) -> list[Alarm]:
    with LocalClient(folder) as client:
        page = client.ask(GetOutbox(500))
    assert isinstance(page, OutboxPage)
    events = [item.fact.event for item in reversed(page.items) if item.fact is not None]
    return [event for event in events if isinstance(event, Alarm)]


def test_accumulators_and_open_alarms_survive_kill_9(tmp_path: Path, probe: ProbeLine) -> None:
    config = assigned(tmp_path, WARM, probe.driver())
    probe.value = 900
    began_ms = time.time_ns() // 1_000_000
    with running(config) as agent:
        until(lambda: cold(tmp_path).budgets[0].used_ms >= 1_000)
        used_ms = cold(tmp_path).budgets[0].used_ms
        assert alarms(tmp_path) == []
        agent.kill()
    killed_ms = time.time_ns() // 1_000_000
    with desk_alone(load_config(config), config, write=False) as desk:
        status = desk.answer(GetStatus())
    assert isinstance(status, DeviceStatus)
    assert used_ms - 200 <= status.cold[0].budgets[0].used_ms

    with running(config) as agent:
        until(lambda: len(alarms(tmp_path)) == 1)
        (raised,) = alarms(tmp_path)
        assert began_ms <= raised.started_at_ms < killed_ms
        agent.kill()

    probe.value = 500
    with running(config):
        until(lambda: len(alarms(tmp_path)) == 2)
        ended = alarms(tmp_path)[1]
        assert (ended.alarm, ended.phase, ended.extreme) == (raised.alarm, Phase.ENDED, 900)
        assert abs(ended.started_at_ms - raised.started_at_ms) <= 50
        assert cold(tmp_path).state is ColdState.INSIDE


def _alarm(story: Iterator[Happening]) -> Alarm:
    return next(happening.alarm for happening in story if isinstance(happening, AlarmHappened))


def test_alarm_is_heard_seen_and_acknowledged_without_network(tmp_path: Path, probe: ProbeLine) -> None:
    lamp, far = os.openpty()
    feedback = f'[feedback]\nkind = "serial"\nport = "{os.ttyname(far)}"\n'
    config = assigned(tmp_path, HOT, probe.driver() + feedback)
    with running(config), LocalClient(tmp_path) as client:
        story = client.follow()
        told = next(happening for happening in story if isinstance(happening, ColdHappened))
        assert [sensor.sensor for sensor in told.sensors] == [SENSOR]
        probe.value = 1_600
        raised = _alarm(story)
        assert (raised.phase, raised.limit, raised.extreme) == (Phase.RAISED, "hot", 1_600)
        assert os.read(lamp, 7) == b"ALARM\r\n"
        seen = next(happening for happening in story if isinstance(happening, ColdHappened) and happening.sensors)
        assert seen.sensors[0].state is ColdState.ABOVE
        (listed,) = run_json("alarms", "list", "--config", config)["items"]
        assert (listed["alarm"], listed["sensor"], listed["acknowledged"]) == (raised.alarm, SENSOR, False)

        done = run_cli("alarms", "ack", raised.alarm, "--why", "door was open", "--config", config)
        assert (done.returncode, done.stdout) == (0, f"acknowledged: {raised.alarm}\n")
        acknowledged = _alarm(story)
        assert (acknowledged.phase, acknowledged.why) == (Phase.ACKNOWLEDGED, "door was open")
        shown = run_cli("status", "--config", config).stdout
        assert f"{SENSOR} (hot): above its limit" in shown
        assert "of 8 h left" in shown
        assert "acknowledged" in shown

        probe.value = None
        silent = _alarm(story)
        assert (silent.phase, silent.limit) == (Phase.RAISED, "no data")
        probe.value = 500
        phases = {(alarm.limit, alarm.phase) for alarm in (_alarm(story), _alarm(story))}
        assert phases == {("no data", Phase.ENDED), ("hot", Phase.ENDED)}
    refused = run_cli("alarms", "ack", "nothing", "--why", "x", "--config", config)
    assert refused.returncode == 1
    assert "No alarm 'nothing'" in refused.stderr
    os.close(lamp)
    os.close(far)
