import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.chance import chance
from firmware_sim.faults import PROBE_FAULTS, SCANNER_FAULTS, FaultPlan, in_pieces, parse_faults, with_noise


def test_a_plan_is_read_as_people_write_it() -> None:
    text = "noise=0.01, split=0.3,late=0.05,unplug=120,stuck,power_on_85,fault_register=0.01"

    assert parse_faults(text, PROBE_FAULTS) == FaultPlan(
        noise=0.01, split=0.3, late=0.05, unplug=120.0, stuck=0.0, power_on_85=True, fault_register=0.01
    )


def test_an_empty_plan_has_no_faults() -> None:
    assert parse_faults("", SCANNER_FAULTS) == FaultPlan()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "late=0.1",
            "unknown fault 'late', expected some of: drop_gs, merge, noise, split, unplug",
        ),
        ("noise", "fault 'noise' needs a value, such as noise=0.05"),
        ("unplug", "fault 'unplug' needs a value, such as unplug=120"),
        ("noise=often", "fault noise='often': expected a number, such as 0.05"),
        ("noise=1.5", "fault noise=1.5: expected a share from 0 to 1"),
        ("noise=nan", "fault noise=nan: expected a share from 0 to 1"),
        ("unplug=0", "fault unplug=0: expected seconds above 0"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="fault") as refused:
        parse_faults(text, SCANNER_FAULTS)

    assert str(refused.value) == message


def test_a_flag_takes_no_value() -> None:
    with pytest.raises(ValueError, match="'power_on_85' takes no value"):
        parse_faults("power_on_85=1", PROBE_FAULTS)


@given(st.binary(min_size=1, max_size=60), st.integers())
def test_noise_always_shows(data: bytes, seed: int) -> None:
    hit = with_noise(data, chance(seed, "test"))

    assert hit != data
    assert len(hit) in (len(data), len(data) + 1)
    # No terminator is ever made up, or one code would become two.
    assert all(hit.count(byte) <= data.count(byte) for byte in b"\r\n\t\x02\x03\x04")


@given(st.binary(min_size=1, max_size=60), st.integers())
def test_pieces_add_up_to_the_whole(data: bytes, seed: int) -> None:
    pieces = in_pieces(data, chance(seed, "test"))

    assert b"".join(pieces) == data
    assert all(pieces)
    assert len(pieces) <= 3
