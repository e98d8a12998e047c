"""A device's clock that was set back behind the right time shows as an incident, once for each time; order is kept."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import STEP_MS, DeviceClock
from contract.delivery.clock_tamper import SET_BACK_MS
from contract.delivery.device_actions import Reincarnate
from contract.delivery.device_states import Appended, Connected, Disconnected, Replaced
from contract.event import ClockFix, ClockStep, Event, Status
from contract.fact import Fact, decode_core, encode_core, fact_id
from contract.messages import Fill
from hub import tables as t
from tests.agent.store.kit import EPOCH_MS, VirtualTime
from tests.contract.delivery.memory import Device, MemoryStore
from tests.hub.desk import Desk, connected, open_desk

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SET_BACK = Status(ClockStep(-HOUR_MS, HOUR_MS))


def tampers(desk: Desk) -> list[dict[str, object]]:
    return [row for row in desk.rows(t.incident) if row["kind"] == "clock_tamper"]


def stated(desk: Desk, device: Device, *events: Event) -> list[bytes]:
    made = [device.store.keep(event) for event in events]
    device.feed(Appended())
    desk.settle(device)
    return made


class ClockedStore(MemoryStore):
    """Stamps its facts by the agent's clock, and states the steps that this notices."""

    def __init__(self, device: str, seed: int, time: VirtualTime) -> None:
        super().__init__(device, seed)
        self.clock = DeviceClock(self.boot, time)

    def keep(self, event: Event) -> bytes:
        self.ord += 1
        stamp = self.clock.stamp()
        salt = self.random.randbytes(8)
        common = (1, self.device, self.incarnation, self.boot, self.ord, salt)
        fact = Fact(*common, stamp.at_ms, stamp.mono_ms, stamp.clock, "", event)
        core = encode_core(fact)
        self._chain(fact.lane, fact_id(core))
        self.cores[fact_id(core)] = core
        return fact_id(core)

    def look(self) -> list[bytes]:
        """What the agent does each second."""
        step = self.clock.step()
        return [] if step is None else [self.keep(Status(step))]


def clocked(desk: Desk, time: VirtualTime, name: str = "van-1", seed: int = 1) -> tuple[Device, ClockedStore]:
    store = ClockedStore(name, seed, time)
    desk.enrol(name)
    device = Device(name, seed, store)
    device.feed(Connected())
    desk.settle(device)
    return device, store


def test_p6_f091_a_clock_that_was_set_back_is_shown_with_how_far_and_where(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"before")
        (identity,) = stated(desk, device, SET_BACK)
        device.scan(b"behind")
        desk.settle(device)

        (shown,) = tampers(desk)
        assert desk.incidents() == {"clock_tamper"}
        assert (shown["device"], shown["count"]) == ("van-1", 1)
        assert shown["key"] == f"clock_tamper:van-1:{identity.hex()}"
        assert str(shown["detail"]).startswith(
            f"at ord 2 of {device.store.incarnation.hex()} the wall clock was set back"
        )
        assert "by 3600 s, to 3600 s behind" in str(shown["detail"])


def test_f091_a_clock_that_is_set_back_many_times_is_shown_each_time(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        stated(desk, device, SET_BACK, SET_BACK, Status(ClockStep(-DAY_MS, DAY_MS)))

        assert [row["count"] for row in tampers(desk)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("step", "is_shown"),
    [
        (ClockStep(-HOUR_MS, HOUR_MS), True),
        (ClockStep(-HOUR_MS, SET_BACK_MS + 1), True),
        (ClockStep(-HOUR_MS, SET_BACK_MS), False),
        (ClockStep(-HOUR_MS, 0), False),
        (ClockStep(-HOUR_MS, -HOUR_MS), False),
        (ClockStep(-HOUR_MS), False),
        (ClockStep(-HOUR_MS, None), False),
        # In small steps it comes as far.
        (ClockStep(-3_000, SET_BACK_MS + 1), True),
        # On its way back.
        (ClockStep(HOUR_MS, HOUR_MS), False),
        (ClockStep(-(2**63), 2**63 - 1), True),
    ],
)
def test_f091_only_a_step_back_to_behind_the_right_time_is_shown(
    tmp_path: Path, step: ClockStep, *, is_shown: bool
) -> None:
    with open_desk(tmp_path) as desk:
        stated(desk, connected(desk), Status(step))

        assert bool(tampers(desk)) is is_shown


def test_f091_a_boot_without_time_that_gets_it_is_not_shown(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        time = VirtualTime()
        time.epoch_ms, time.is_synced = 0, False
        device, store = clocked(desk, time)
        store.append(b"in 1970")
        store.keep(Status(ClockFix(store.boot, time.elapsed_ms, EPOCH_MS, 50)))
        store.clock.adopt(ClockFix(store.boot, time.elapsed_ms, EPOCH_MS, 50))
        time.epoch_ms = EPOCH_MS + HOUR_MS
        (roughly,) = store.look()
        time.epoch_ms, time.is_synced = EPOCH_MS - time.elapsed_ms, True
        (rightly,) = store.look()
        device.feed(Appended())
        desk.settle(device)

        assert {roughly, rightly} <= set(desk.facts())
        assert desk.incidents() == set()


def test_f091_a_clock_from_the_future_that_is_set_right_after_a_boot_is_not_shown(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        time = VirtualTime()
        time.epoch_ms, time.is_synced = EPOCH_MS + 3_650 * DAY_MS, False
        device, store = clocked(desk, time)
        time.epoch_ms, time.is_synced = EPOCH_MS, True
        (stepped,) = store.look()
        device.feed(Appended())
        desk.settle(device)

        assert desk.facts() == [stepped]
        assert desk.incidents() == set()


def test_p3_f091_what_comes_again_is_not_shown_again(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.store.keep(SET_BACK)
        device.feed(Appended())
        [batch] = device.outgoing
        desk.hear("van-1", batch, batch)
        desk.hear("van-1", batch)
        desk.settle(device)
        # Chained anew at another place, and content that is sent although it is there.
        device.mono_ms += 60_000
        device.store.carry_out(Reincarnate("restored"))
        device.feed(Replaced())
        desk.settle(device)
        desk.say("van-1", Fill(tuple(device.store.cores.values())))

        assert [row["count"] for row in tampers(desk)] == [1]
        assert len({r["stream_id"] for r in desk.rows(t.position)}) == 2


def test_f091_content_that_comes_behind_its_tombstone_is_shown_once(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        identity = device.store.keep(SET_BACK)
        core = device.store.cores.pop(identity)
        device.store.lanes[decode_core(core).lane].positions[-1].cause = "corrupt"
        device.feed(Appended())
        desk.settle(device)
        assert tampers(desk) == []
        desk.say("van-1", Fill((core, core)))
        desk.say("van-1", Fill((core,)))

        assert [row["count"] for row in tampers(desk)] == [1]


def test_f091_a_hub_that_was_lost_shows_it_again(tmp_path: Path) -> None:
    with open_desk(tmp_path / "lost") as desk:
        device = connected(desk)
        stated(desk, device, SET_BACK)
        shown = tampers(desk)[0]["key"]
    with open_desk(tmp_path / "new") as desk:
        desk.enrol("van-1")
        device.mono_ms += 60_000
        device.feed(Disconnected())
        device.feed(Connected())
        desk.settle(device)

        assert [row["key"] for row in tampers(desk)] == [shown]


def test_p8_f091_facts_keep_their_order_whatever_the_wall_clock_is_set_to(tmp_path: Path) -> None:
    names = count(1)
    with open_desk(tmp_path) as desk:

        @settings(max_examples=20)
        @given(st.lists(st.integers(-DAY_MS, DAY_MS), min_size=1, max_size=12))
        def holds(shifts: Sequence[int]) -> None:
            time = VirtualTime()
            number = next(names)
            name = f"van-{number}"
            device, store = clocked(desk, time, name, number)
            made, lowest_ms = [], 0
            for shift_ms in shifts:
                time.is_synced = False
                time.elapsed_ms += 1_000
                time.epoch_ms += shift_ms
                made += [*store.look(), store.append(b"%d" % len(made))]
                lowest_ms = min(lowest_ms, time.epoch_ms - EPOCH_MS)
            device.feed(Appended())
            desk.settle(device)

            there = [bytes(r["fact_id"]) for r in desk.rows(t.fact) if r["device"] == name]  # type: ignore[call-overload]  # rows are untyped
            facts = [decode_core(store.cores[identity]) for identity in there]
            assert there == made
            assert [fact.ord for fact in facts] == list(range(1, len(made) + 1))
            assert [fact.mono_ms for fact in facts] == sorted(fact.mono_ms for fact in facts)
            # What little steps add up to is only noticed beyond the device's own tolerance.
            if lowest_ms < -SET_BACK_MS - STEP_MS:
                assert any(row["device"] == name for row in tampers(desk))
            elif lowest_ms >= 0:
                assert not any(row["device"] == name for row in tampers(desk))

        holds()
