import math
from pathlib import Path

import pytest

from agent import backoff, mqtt, uplink
from firmware_sim.cli import main
from firmware_sim.errors import SimulatorError
from firmware_sim.fleet import device, line
from firmware_sim.fleet.enrolment import Enrolled, broker_of, read_agents
from firmware_sim.fleet.fleet import Fleet, Tally, percentile
from firmware_sim.fleet.load import Load
from firmware_sim.fleet.run import Compared, Outcome, as_json, as_lines, shortcoming

TALLY = Tally(
    devices=2,
    in_contact=2,
    captured=10,
    sent=10,
    committed=10,
    items_sent=12,
    outages=1,
    dropped=0,
    bytes_up=100,
    bytes_down=50,
    latencies_ms=(1.0, 2.0, 30.0),
)


def outcome(committed: int = 10, compared: Compared | None = None, back: tuple[float, ...] = ()) -> Outcome:
    values = {name: getattr(TALLY, name) for name in Tally.__slots__} | {"committed": committed}
    return Outcome(Tally(**values), 5.0, 0.5, back, compared)


def test_all_well_has_no_shortcoming() -> None:
    assert shortcoming(outcome()) is None
    assert shortcoming(outcome(compared=Compared(0, 0))) is None


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (outcome(committed=7), "3 of 10 facts are not at the hub"),
        (outcome(compared=Compared(lost=2, doubled=0)), "2 of 10 facts are not at the hub"),
        (outcome(compared=Compared(lost=0, doubled=1)), "1 facts are in the hub's ledger more than once"),
    ],
)
def test_what_is_not_at_the_hub_once_is_a_shortcoming(bad: Outcome, why: str) -> None:
    assert shortcoming(bad) == why


def test_outcome_is_told_to_scripts_and_to_people() -> None:
    told = as_json(outcome(compared=Compared(0, 0), back=(0.5, 1.5)))

    assert told["repeated"] == 2
    assert told["latency_ms"] == {"p50": 2.0, "p95": 30.0, "p99": 30.0, "max": 30.0}
    assert told["reconnect_s"] == {"p50": 0.5, "p95": 1.5, "p99": 1.5, "max": 1.5}
    assert as_json(outcome())["reconnect_s"] is None
    assert "in the hub's ledger: lost 0, doubled 0" in as_lines(outcome(compared=Compared(0, 0)))


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.99, 4), (1.0, 4)])
def test_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([1, 2, 3, 4], share) == value


def test_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 0.5))


def test_agent_files_are_read_in_order_and_their_keys_are_not_shown(tmp_path: Path) -> None:
    for name in ("sim-2", "sim-1"):
        text = f'[device]\nid = "{name}"\nhub = "mqtt://h:1"\ncredential = "{"ab" * 32}"\n'
        (tmp_path / f"{name}.toml").write_text(text)

    assert read_agents(tmp_path) == [Enrolled(n, bytes.fromhex("ab" * 32), "mqtt://h:1") for n in ("sim-1", "sim-2")]
    assert "ab" * 8 not in repr(read_agents(tmp_path))


def test_a_folder_without_agents_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="holds no"):
        read_agents(tmp_path)
    (tmp_path / "a.toml").write_text("[device]\nid = 'x'\n")
    with pytest.raises(SimulatorError, match="with id, hub and credential"):
        read_agents(tmp_path)


@pytest.mark.parametrize("url", ["mqtts://h", "h:1883", "mqtt://", "mqtt://h:x"])
def test_an_address_that_is_no_plain_broker_is_refused(url: str) -> None:
    with pytest.raises(SimulatorError, match="expected mqtt://HOST:PORT"):
        broker_of(url)


def test_a_fleet_that_never_started_can_be_counted_and_needs_no_end() -> None:
    fleet = Fleet([Enrolled("sim-1", b"k" * 32, "mqtt://h:1")], load=Load(scans_per_min=60), offline_s=600)

    tally = fleet.tally()

    # The first fact says that the device was started.
    assert 400 < tally.captured == tally.waiting == len(fleet.captured_ids())
    assert tally.committed == tally.sent == 0
    fleet.stop()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either --data"),
        (["--data", "x", "--agents", "y"], "give either --data"),
        (["--agents", "x", "--devices", "0"], "expected a whole number"),
        (["--agents", "x", "--scans-per-min", "-1"], "expected 0 or more"),
    ],
)
def test_wrong_usage_says_what_was_expected(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["fleet", *words])

    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_a_ledger_without_a_token_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOLDFAST_TOKEN", raising=False)

    assert main(["fleet", "--agents", str(tmp_path), "--hub", "http://127.0.0.1:1"]) == 1
    assert "put a token into HOLDFAST_TOKEN, or give --data" in capsys.readouterr().err


def test_devices_of_a_fleet_wait_as_real_ones_do() -> None:
    assert [1000 * s for s in (device.FIRST_WAIT_S, device.LONGEST_WAIT_S, device.REFUSED_WAIT_S)] == [
        backoff.FIRST_MS,
        backoff.CAP_MS,
        backoff.REFUSED_MS,
    ]
    assert (device.WAIT_GROWTH, 1000 * device.EARLY_RETRY_S) == (backoff.GROWTH, uplink.EARLY_RETRY_MS)
    assert (line.KEEPALIVE_S, 1000 * device.ANSWER_TIMEOUT_S) == (mqtt.KEEPALIVE_S, uplink.ANSWER_TIMEOUT_MS)
