from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import NmeaGpsConfig
from agent.drivers.frames import Fix, Outcome, Reason, Rejection
from agent.drivers.nmea_gps import NmeaGps

Transport = Callable[[bytes], list[bytes]]


def sentence(body: str) -> bytes:
    check = 0
    for char in body:
        check ^= ord(char)
    return f"${body}*{check:02X}\r\n".encode()


RMC = sentence("GNRMC,120000.50,A,5155.4400,N,00428.6620,W,10.0,084.4,211125,,,A")
GGA = sentence("GNGGA,120000.50,5155.4400,N,00428.6620,W,1,08,0.9,10.0,M,47.0,M,,")
HERE = Fix(519_240_000, -44_777_000, 0, 514, 8440, 1_763_726_400_500)
HERE_WITH_ACCURACY = Fix(519_240_000, -44_777_000, 4, 514, 8440, 1_763_726_400_500)


def receiver(min_interval_s: float = 0.0) -> NmeaGps:
    return NmeaGps(NmeaGpsConfig(name="gps", port="/dev/null", min_interval_s=min_interval_s))


def received(decoder: NmeaGps, pieces: list[bytes], now_s: float = 0.0) -> list[Outcome]:
    return [outcome for piece in pieces for outcome in decoder.feed(piece, now_s)]


@pytest.mark.parametrize("wire", [RMC + GGA, GGA + RMC])
def test_sentences_of_one_moment_make_one_position(wire: bytes, transport: Transport) -> None:
    assert received(receiver(), transport(wire)) == [HERE_WITH_ACCURACY]


def test_without_a_dilution_the_position_is_given_when_the_burst_is_over() -> None:
    decoder = receiver()
    assert decoder.feed(RMC, 1.0) == []
    assert decoder.next_deadline() == 1.5
    assert decoder.idle(1.5) == [HERE]
    assert decoder.next_deadline() is None


def test_without_a_dilution_the_next_moment_gives_the_position_before_it() -> None:
    decoder = receiver()
    later = sentence("GNRMC,120001.50,A,5155.4400,N,00428.6620,W,10.0,084.4,211125,,,A")
    assert decoder.feed(RMC + later, 1.0) == [HERE]


@pytest.mark.parametrize(
    "wire",
    [
        sentence("GNRMC,120000.50,V,5155.4400,N,00428.6620,W,10.0,084.4,211125,,,N") + GGA,
        sentence("GNRMC,120000.50,A,5155.4400,N,00428.6620,W,10.0,084.4,211125,,,E") + GGA,
        sentence("GNRMC,120000.50,A,,,,,,,211125,,,A") + GGA,
        RMC + sentence("GNGGA,120000.50,5155.4400,N,00428.6620,W,0,00,99.9,,M,,M,,"),
        RMC + sentence("GNGGA,120000.50,5155.4400,N,00428.6620,W,6,00,9.9,,M,,M,,"),
        sentence("GNRMC,120000.50,V,,,,,,,,,,N"),
    ],
)
def test_positions_that_the_receiver_does_not_call_valid_are_left_out(wire: bytes) -> None:
    decoder = receiver()
    assert decoder.feed(wire, 0.0) + decoder.idle(0.5) == []


def test_other_sentences_are_no_positions_and_no_errors() -> None:
    others = sentence("GPGSV,1,1,00") + sentence("PUBX,00,1") + sentence("GPTXT,01,01,02,hello") + b"!AIVDM,1*00\r\n"
    assert received(receiver(), [others + RMC + GGA]) == [HERE_WITH_ACCURACY]


def test_a_bad_checksum_is_counted_and_the_rest_goes_on(transport: Transport) -> None:
    bad = RMC.replace(b"5155", b"5156").rstrip()
    assert received(receiver(), transport(bad + b"\r\n" + RMC + GGA)) == [
        Rejection(Reason.CHECKSUM, bad[:64], len(bad)),
        HERE_WITH_ACCURACY,
    ]


def test_bytes_that_no_sentence_has_are_noise() -> None:
    wire = RMC.replace(b"N", b"\xce", 1)
    assert receiver().feed(wire, 0.0) == [Rejection(Reason.NOISE, wire[:64].rstrip(), len(wire) - 2)]


def test_a_missing_checksum_is_a_bad_one() -> None:
    (rejection,) = receiver().feed(RMC.split(b"*")[0] + b"\r\n", 0.0)
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.CHECKSUM


@pytest.mark.parametrize(
    "body",
    [
        "GNRMC,120000.50,A,garbage,N,00428.6620,W,10.0,084.4,211125,,,A",
        "GNRMC,120000.50,A,9955.4400,N,00428.6620,W,10.0,084.4,211125,,,A",
        "GNRMC,120000.50,A,5155.4400,N,00428.6620,W,nan,084.4,211125,,,A",
        "GNRMC,120000.50,A,5155.4400,N,00428.6620,W,1e999,084.4,211125,,,A",
        "GNRMC,120000.50,A,5155.4400,N,00428.6620,W,-1,084.4,211125,,,A",
        "GNRMC,999999.50,A,5155.4400,N,00428.6620,W,10.0,084.4,211125,,,A",
        "GNGGA,120000.50,5155.4400,N,00428.6620,W,one,08,0.9,10.0,M,47.0,M,,",
        "GNGGA,120000.50,5155.4400,N,00428.6620,W,1,08,-0.9,10.0,M,47.0,M,,",
        "GNRMC",
    ],
)
def test_wrong_fields_under_a_right_checksum_are_malformed(body: str) -> None:
    decoder = receiver()
    outcomes = decoder.feed(sentence(body), 0.0)
    assert [o.reason for o in outcomes if isinstance(o, Rejection)] == [Reason.MALFORMED]
    assert decoder.idle(2.0) == []


def test_a_position_without_date_is_kept_without_time() -> None:
    decoder = receiver()
    decoder.feed(sentence("GPRMC,120000.50,A,5155.4400,N,00428.6620,W,,,,,"), 0.0)
    assert decoder.idle(0.5) == [Fix(519_240_000, -44_777_000)]


def test_positions_closer_than_the_interval_are_left_out() -> None:
    decoder = receiver(min_interval_s=5.0)
    given_at = [i for i in range(12) if decoder.feed(RMC + GGA, float(i))]
    assert given_at == [0, 5, 10]


def test_half_a_sentence_is_given_up_and_two_in_one_line_give_the_whole_one() -> None:
    decoder = receiver()
    decoder.feed(RMC[:20], 0.0)
    assert decoder.next_deadline() == 1.0
    assert decoder.idle(1.0) == [Rejection(Reason.UNFINISHED, RMC[:20], 20)]
    assert decoder.feed(RMC[:20] + RMC + GGA, 2.0) == [Rejection(Reason.NOISE, RMC[:20], 20), HERE_WITH_ACCURACY]


def test_a_line_without_end_is_rejected_once() -> None:
    outcomes = receiver().feed(b"x" * 100_000, 0.0)
    assert [o.reason for o in outcomes if isinstance(o, Rejection)] == [Reason.TOO_LONG]


@given(st.lists(st.one_of(st.binary(max_size=100), st.sampled_from([RMC, GGA]))))
def test_any_bytes_become_positions_or_rejections(pieces: list[bytes]) -> None:
    decoder = receiver()
    for i, piece in enumerate(pieces):
        assert all(isinstance(o, Fix | Rejection) for o in decoder.feed(piece, float(i)))
        decoder.idle(float(i) + 0.5)


@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_characters="*$\r\n,"), max_size=12), max_size=16),
    st.sampled_from(["GPRMC", "GNGGA"]),
)
def test_any_fields_under_a_right_checksum_become_positions_or_rejections(fields: list[str], kind: str) -> None:
    decoder = receiver()
    outcomes = decoder.feed(sentence(",".join([kind, *fields])), 0.0) + decoder.idle(2.0)
    assert all(isinstance(o, Fix | Rejection) for o in outcomes)
