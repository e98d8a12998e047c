import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from contract.coldchain.profile_text import read_profile
from firmware_sim.checker import Comparison, Tally
from firmware_sim.cli import main
from firmware_sim.demo.cast import CAST, COLD_ROOM, REAR, VANS, Ports, agent_toml
from firmware_sim.demo.depot import Depot, Diary, Login
from firmware_sim.demo.office import Sights, profile
from firmware_sim.demo.pace import CALM, OUTAGES, STORY, TIMED, Act, Cue, Minima, Script, calm_cues, pace_of, timed_cues
from firmware_sim.demo.show import Show
from firmware_sim.demo.words import (
    State,
    Summary,
    as_json,
    as_lines,
    greeting,
    happening,
    shortcoming,
    status_line,
    worth_a_look,
)
from firmware_sim.journal import FileJournal
from firmware_sim.processes import ProcessFailed

GOOD = Summary(
    comparison=Comparison(Tally(1_200, 1_201, doubtful=2), Tally(1_800, 1_800), proofs=Tally(50, 50)),
    outages=2,
    agent_kills=1,
    hub_kills=1,
    seconds=60.0,
    drain_s=3.21,
    data=Path("/data"),
    pictures=20,
)


def with_tallies(scans: Tally, readings: Tally, proofs: Tally = GOOD.comparison.proofs) -> Summary:
    return replace(GOOD, comparison=Comparison(scans, readings, ("van-1: code b'A'",), proofs))


def test_summary_for_programs_tells_everything() -> None:
    assert as_json(GOOD) == {
        "captured": 3_050,
        "committed": 3_051,
        "lost": 0,
        "doubled": 0,
        "doubtful": 2,
        "scans": {"captured": 1_200, "committed": 1_201, "lost": 0, "doubled": 0, "doubtful": 2},
        "readings": {"captured": 1_800, "committed": 1_800, "lost": 0, "doubled": 0, "doubtful": 0},
        "proofs": {"captured": 50, "committed": 50, "lost": 0, "doubled": 0, "doubtful": 0},
        "pictures": {"named": 20, "missing": 0},
        "outages": 2,
        "kills": {"agent": 1, "hub": 1},
        "seconds": 60.0,
        "drain_s": 3.2,
        "complaints": [],
        "data": "/data",
    }


def test_good_run_has_no_shortcoming() -> None:
    assert shortcoming(GOOD, Minima.of(60)) is None


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        (
            with_tallies(Tally(1_200, 1_199, lost=1), Tally(1_800)),
            "1 lost and 0 doubled, of 3050 captured; expected none",
        ),
        (
            with_tallies(Tally(1_200), Tally(1_800, doubled=2)),
            "0 lost and 2 doubled, of 3050 captured; expected none",
        ),
        (
            with_tallies(Tally(999), Tally(1_800)),
            "only 999 scans; at least 1000 are needed for the run to prove anything",
        ),
        (
            with_tallies(Tally(1_000), Tally(1_499)),
            "only 1499 readings; at least 1500 are needed for the run to prove anything",
        ),
        (
            with_tallies(Tally(1_000), Tally(1_500), Tally(39)),
            "only 39 proofs; at least 40 are needed for the run to prove anything",
        ),
        (replace(GOOD, pictures_missing=1), "1 of 20 pictures are not at the hub"),
    ],
)
def test_shortcoming_is_one_sentence(summary: Summary, sentence: str) -> None:
    assert shortcoming(summary, Minima.of(60)) == sentence


def test_minima_shrink_with_the_time_but_not_the_faults() -> None:
    assert Minima.of(30) == Minima(500, 750, 20, outages=2, agent_kills=1, hub_kills=1)
    assert Minima.of(600) == Minima.of(60)


def test_summary_for_people_shows_what_is_wrong() -> None:
    lines = "\n".join(as_lines(with_tallies(Tally(3, 2, lost=1), Tally())))

    assert "3 scans captured, 2 at the hub (0 in doubt), 1 lost, 0 doubled" in lines
    assert "van-1: code b'A'" in lines


def test_status_is_one_calm_line() -> None:
    state = State(
        since_s=65.4,
        scans=1_234,
        readings=5_000,
        proofs=31,
        scans_at_hub=1_200,
        readings_at_hub=5_003,
        proofs_at_hub=30,
        offline={"van-3": 41.7},
        down=["hub"],
    )

    assert status_line(state) == (
        "01:05 | 1,234 scans, 5,000 readings, 31 proofs | still on devices 34, 0 and 1 | at the hub 1,200, 5,003 and 30"
        " | van-3 without network for 42 s | hub is starting again"
    )


def test_greeting_tells_addresses_login_and_ports_that_were_taken() -> None:
    usual = "\n".join(greeting("http://127.0.0.1:8080", 1883, Login("admin", "secret"), Path("/data")))
    other = "\n".join(greeting("http://127.0.0.1:4711", 4712, Login("admin", "secret"), Path("/data")))

    assert "http://127.0.0.1:8080/tracking" in usual
    assert "http://127.0.0.1:8080/routes" in usual
    assert "sign in as admin with secret" in usual
    assert "taken" not in usual
    assert "port 8080 is taken, so the pages are on 4711" in other
    assert "port 1883 is taken, so the broker is on 4712" in other


def outages(cues: Iterable[Cue], device: str) -> list[tuple[float, float]]:
    own = [cue for cue in cues if cue.device == device]
    begins = [cue.at_s for cue in own if cue.act in OUTAGES]
    ends = [cue.at_s for cue in own if cue.act is Act.RESUME]
    return list(zip(begins, ends, strict=True))


def test_timed_run_has_two_outages_that_end_and_both_crashes() -> None:
    cues = list(timed_cues(30))

    assert [cue.at_s for cue in cues] == sorted(cue.at_s for cue in cues)
    assert all(0 < cue.at_s < 30 for cue in cues)
    assert outages(cues, "van-3") == [(3, 8.5), (15.5, 21.5)]
    assert len(outages(cues, "cold-room")) == 1
    assert {Act.KILL_AGENT, Act.KILL_HUB} < {cue.act for cue in TIMED}


def test_calm_run_tells_the_story_and_then_outages_as_long_as_in_life() -> None:
    cues = list(islice(calm_cues(), len(STORY) + 22))

    assert [cue.at_s for cue in cues] == sorted(cue.at_s for cue in cues)
    assert tuple(cues[: len(STORY)]) == STORY
    first, *later = [*outages(cues, "van-3"), *outages(cues, "cold-room")]
    assert first[1] < next(cue.at_s for cue in STORY if cue.act is Act.POINT_OUT)
    assert sum(90 <= end_s - start_s <= 180 for start_s, end_s in later) == 4


@pytest.mark.parametrize("cues", [STORY, TIMED])
def test_everything_that_goes_wrong_in_the_story_is_known_when_it_is_pointed_out(cues: Sequence[Cue]) -> None:
    assert {Act.OPEN_DOOR, Act.BREAK_PROBE, Act.SILENCE_PROBE} < {cue.act for cue in cues}
    assert cues[-1].act is Act.POINT_OUT


def test_what_is_due_happens_once_and_in_order_however_late_somebody_looks() -> None:
    script = Script(iter((Cue(1, Act.CUT, "a"), Cue(2, Act.RESUME, "a"), Cue(9, Act.POINT_OUT))))

    told = [[cue.act for cue in script.due(since_s)] for since_s in (0.5, 3, 3, 9, 99)]

    assert told == [[], [Act.CUT, Act.RESUME], [], [Act.POINT_OUT], []]


def test_boxes_age_as_fast_as_the_story_needs() -> None:
    assert pace_of(None) is CALM
    assert pace_of(30).time_scale == 2 * pace_of(60).time_scale
    assert pace_of(20).allowed_s >= 1


def test_limits_of_the_demo_can_be_judged_by() -> None:
    judged = read_profile(json.dumps(profile(CALM)))

    assert [(limit.side, limit.threshold, limit.allowed_s) for limit in judged.limits] == [
        ("above", 800, 8),
        ("below", 200, 8),
    ]
    # Blocks of readings on their way are no silence.
    assert judged.no_data_s > CALM.seal_s + 2 * CALM.probe_interval_s


def test_what_happens_is_told_in_a_sentence() -> None:
    assert happening(Cue(1, Act.OPEN_DOOR, "van-2", "rear")) == (
        "      | somebody leaves the door of van-2's rear box open"
    )
    assert happening(Cue(1, Act.KILL_HUB)) is None


def test_only_what_is_there_is_pointed_out() -> None:
    whole = "\n".join(worth_a_look("http://h", Sights("e", "p", "t", late="r", proof="d")))
    nothing = "\n".join(worth_a_look("http://h", Sights()))

    for path in (
        "/excursions/e ",
        "/tracking/p ",
        "/routes/r ",
        "/deliveries/d ",
        "/trips/t ",
        "/api/v1/trips/t/report.pdf",
    ):
        assert f"http://h{path}" in whole
    assert "http://h/excursions " in nothing
    assert not any(path in nothing for path in ("/trips/", "/routes/", "/deliveries/"))


def test_configuration_keeps_the_credential_and_names_every_port(tmp_path: Path) -> None:
    van = VANS[0]
    given = f'[device]\nid = "van-1"\ncredential = "{"ab" * 32}"\n'

    text = agent_toml(given, van, Ports(tmp_path, "van-1"), hub="mqtt://127.0.0.1:1", probe_interval_s=0.1, seal_s=2)

    tables = tomllib.loads(text)
    assert tables["device"] == {
        "id": "van-1",
        "place": "Van 1",
        "hub": "mqtt://127.0.0.1:1",
        "credential": "ab" * 32,
    }
    assert [driver["port"] for driver in tables["drivers"]] == [
        f"{tmp_path}/van-1-{what}" for what in ("scanner", "gps", "front", "rear")
    ]
    assert [register["quantity"] for register in tables["drivers"][3]["registers"]] == ["temperature_c", "humidity_rh"]
    again = agent_toml(text, van, Ports(tmp_path, "van-1"), hub="mqtt://127.0.0.1:2", probe_interval_s=0.1, seal_s=2)
    assert tomllib.loads(again)["device"]["credential"] == "ab" * 32


def test_cold_room_is_a_device_without_a_scanner_where_the_dock_is(tmp_path: Path) -> None:
    given = f'[device]\nid = "cold-room"\ncredential = "{"ab" * 32}"\n'

    text = agent_toml(
        given, COLD_ROOM, Ports(tmp_path, "cold-room"), hub="mqtt://127.0.0.1:1", probe_interval_s=1, seal_s=2
    )

    assert [driver["kind"] for driver in tomllib.loads(text)["drivers"]] == ["modbus_probe"]
    assert COLD_ROOM.place == CAST[0].place


def test_cast_has_every_kind_of_device() -> None:
    assert [member.scanner for member in CAST] == [
        "scanner_line", None, "scanner_line", "scanner_ssi", "scanner_line", None,
    ]  # fmt: skip
    assert [len(member.boxes) for member in CAST] == [0, 1, 2, 2, 2, 1]
    assert [member.gps for member in CAST] == [False, False, True, True, True, True]
    assert [member.device for member in CAST if member.behind_relay] == ["cold-room", "van-3"]
    assert list(VANS[0].sensors(REAR)) == ["van-1.rear.temperature_c", "van-1.rear.humidity_rh"]


def test_diary_remembers_when_lines_broke_and_takes_the_end_of_an_earlier_run_for_a_break(tmp_path: Path) -> None:
    probe = tmp_path / "van-1-rear.jsonl"
    first = Diary(tmp_path / "demo.jsonl", [probe])
    first.broke("van-1", 1_000)
    first.note(1_500, act="cut")
    first.close()
    journal = FileJournal(probe, sync=False)
    journal.write(2_000, poll=1)
    journal.close()

    for expected in ([1_000, 2_000], [1_000, 2_000, 2_000]):
        diary = Diary(tmp_path / "demo.jsonl", [probe])
        diary.close()
        assert diary.breaks_ms == {"van-1": expected}


def test_diary_remembers_which_codes_are_used(tmp_path: Path) -> None:
    first = Diary(tmp_path / "demo.jsonl", [])
    first.note(1_000, drawn=190)
    first.note(2_000, drawn=380)
    first.close()

    again = Diary(tmp_path / "demo.jsonl", [])
    again.close()

    assert (first.drawn, again.drawn) == (0, 380)


def test_a_port_that_somebody_took_while_the_hub_was_loading_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: set[int] = set()
    hubs: list[tuple[int | None, int | None]] = []

    class Hub:
        def __init__(self, _: Path, *, logs: Path, http_port: int | None, mqtt_port: int | None) -> None:
            assert logs.is_dir()
            self.http_port, self.mqtt_port = http_port or 4_711, mqtt_port or 4_712
            hubs.append((http_port, mqtt_port))

        def start(self) -> "Hub":
            return self

        def wait_ready(self) -> None:
            if len(hubs) == 1:
                taken.add(self.http_port)
                raise ProcessFailed("cannot listen")

    monkeypatch.setattr("firmware_sim.demo.show.HubProcess", Hub)
    monkeypatch.setattr("firmware_sim.demo.show.is_free", lambda port: port not in taken)
    monkeypatch.setattr(Depot, "enrol", lambda _, hub: (Login("admin", "secret"), str(hub.http_port)))

    show = Show(Depot(tmp_path), seed=1, seconds=None, say=lambda _: None)

    assert show._start_hub() == (Login("admin", "secret"), "4711")
    assert hubs == [(8080, 1883), (None, 1883)]
    show._diary.close()


def test_depot_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    depot = Depot(tmp_path / "here")

    assert depot.folder.stat().st_mode & 0o777 == 0o700
    assert depot.ports.is_dir()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo", "--json"], "give --seconds as well"),
        (["demo", "--seconds", "5"], "expected at least 20 seconds"),
        (["demo", "--seconds", "soon"], "expected a number"),
    ],
)
def test_wrong_usage_of_the_demo_says_what_was_expected(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)

    assert left.value.code == 2
    assert message in capsys.readouterr().err
