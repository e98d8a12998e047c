from datetime import UTC, datetime
from typing import Any

import pynmea2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.adapters.gps_receiver import GpsReceiver
from firmware_sim.adapters.nmea import Fix, epoch, latitude, longitude, sentence
from firmware_sim.faults import FaultPlan
from firmware_sim.physics.van import Van
from tests.firmware_sim.virtual import MemoryJournal, VirtualClock

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 670_000, tzinfo=UTC)
FIX = Fix(-33.8568, 151.2153, 12.0, 10.0, 182.5, 9, 0.9)


def parsed(raw: bytes) -> list[pynmea2.NMEASentence]:
    return [pynmea2.parse(line.decode(), check=True) for line in raw.split(b"\r\n")[:-1]]


def receiver(**faults: Any) -> tuple[GpsReceiver, MemoryJournal]:
    journal = MemoryJournal()
    van = Van(1, latitude_deg=51.9, longitude_deg=4.5)
    plan = FaultPlan(**faults)
    return GpsReceiver(van, journal, start_ms=VirtualClock().ms, seed=1, faults=plan), journal


def run(device: GpsReceiver, seconds: int) -> bytes:
    clock, out = VirtualClock(), b""
    device.opened(clock.ms)
    end_ms = clock.ms + 1_000 * seconds
    while (due_ms := device.due_ms()) is not None and due_ms < end_ms:
        out += b"".join(chunk.data for chunk in device.wake(due_ms))
    return out


def test_a_published_sentence_gets_its_checksum() -> None:
    fields = ["GPGGA", "123519", "4807.038", "N", "01131.000", "E", "1", "08", "0.9", "545.4", "M", "46.9", "M", "", ""]

    assert sentence(*fields) == b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"


def test_an_epoch_is_understood_by_pynmea2() -> None:
    gga, gsa, rmc, vtg = parsed(epoch(MOMENT, FIX))

    assert (gga.sentence_type, gsa.sentence_type, rmc.sentence_type, vtg.sentence_type) == (
        "GGA",
        "GSA",
        "RMC",
        "VTG",
    )
    assert (gga.latitude, gga.longitude) == (pytest.approx(-33.8568), pytest.approx(151.2153))
    assert rmc.datetime == MOMENT
    assert (rmc.spd_over_grnd, rmc.true_course, rmc.status) == (19.438, 182.5, "A")
    assert (gga.gps_qual, gga.num_sats, gsa.mode_fix_type, vtg.spd_over_grnd_kmph) == (1, "09", "3", 36.0)


def test_without_a_fix_the_fields_are_empty() -> None:
    assert epoch(None, None).split(b"\r\n") == [
        b"$GPGGA,,,,,,0,00,99.99,,,,,,*48",
        b"$GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99*30",
        b"$GPRMC,,V,,,,,,,,,,N*53",
        b"$GPVTG,,,,,,,,,N*30",
        b"",
    ]
    assert parsed(epoch(None, None))[2].status == "V"


def test_at_a_standstill_the_course_is_unknown() -> None:
    rmc = parsed(epoch(MOMENT, Fix(1.0, 2.0, 0.0, 0.1, 90.0, 5, 1.0)))[2]

    assert rmc.true_course is None


@pytest.mark.parametrize(("degrees", "expected"), [(59.99999999, ("6000.00000", "N")), (-0.5, ("0030.00000", "S"))])
def test_minutes_never_round_to_sixty(degrees: float, expected: tuple[str, str]) -> None:
    assert latitude(degrees) == expected


@given(st.floats(-180, 180))
def test_longitudes_survive_to_a_centimetre(degrees: float) -> None:
    text, side = longitude(degrees)
    value = int(text[:3]) + float(text[3:]) / 60

    assert (value if side == "E" else -value) == pytest.approx(degrees, abs=1e-7)


def test_a_receiver_searches_first_then_speaks_once_a_second() -> None:
    device, journal = receiver()
    raw = run(device, 20)
    rmcs = [s for s in parsed(raw) if s.sentence_type == "RMC"]

    assert [s.status for s in rmcs] == ["V"] * 3 + ["A"] * 17
    assert [s.datetime.second for s in rmcs[3:]] == list(range(3, 20))
    assert len(parsed(raw)) == 80
    assert sum(record["fix"] is True for record in journal.records) == 17


def test_positions_follow_the_van() -> None:
    device, _ = receiver()
    van = Van(1, latitude_deg=51.9, longitude_deg=4.5)
    rmcs = [s for s in parsed(run(device, 120)) if s.sentence_type == "RMC"][3:]

    for second, rmc in enumerate(rmcs, 3):
        assert rmc.latitude == pytest.approx(van.at(second).latitude_deg, abs=4e-5)
        assert rmc.longitude == pytest.approx(van.at(second).longitude_deg, abs=6e-5)


def test_noise_breaks_one_sentence_of_an_epoch() -> None:
    device, _ = receiver(noise=1.0)
    raw = run(device, 10)

    assert sum(byte >= 0x80 for byte in raw) == 10
    assert raw.count(b"$GPRMC") >= 5


def test_split_and_merged_epochs_keep_every_byte() -> None:
    rough, _ = receiver(split=0.5, merge=0.5)
    clean, _ = receiver()

    assert run(clean, 60).startswith(run(rough, 60))
    assert len(run(rough, 60)) > len(run(clean, 60)) * 0.95


def test_a_rolled_over_week_is_twenty_years_off() -> None:
    device, _ = receiver(clock_jump=1.0)

    assert parsed(run(device, 5))[-2].datetime.year == 2006


def test_a_stuck_receiver_stands_still() -> None:
    device, _ = receiver(stuck=10.0)
    places = [(s.latitude, s.longitude) for s in parsed(run(device, 60)) if s.sentence_type == "RMC"]

    assert len(set(places[3:10])) > 1
    assert len(set(places[10:])) == 1
