# ruff: noqa: ARG002 - all decoders have one interface
"""Position receivers that speak NMEA 0183.

Only positions that the receiver itself calls valid are used: RMC with status A, and GGA (if it comes) with a real fix. The
sentences of one moment carry the same time of day; RMC gives position, speed, course and date, GGA the dilution.
"""

import re
from datetime import UTC, datetime

import pynmea2
from msgspec import structs

from agent.config import NmeaGpsConfig
from agent.drivers.decoder import Decoder
from agent.drivers.frames import Fix, Outcome, Reason, Rejection, reject
from agent.drivers.framing import Delimited

# The standard allows 82 characters; receivers with proprietary sentences use more.
SENTENCE_BYTES = 256
LINE_END = re.compile(rb"[\r\n]+")
# Sentences of one moment come in one burst; after this pause nothing more belongs to it.
EPOCH_GAP_S = 0.5
# A sentence takes 90 ms at 9,600 baud.
BROKEN_GAP_S = 1.0

# GGA quality: GPS, differential, PPS, RTK, float RTK. Left out: none, dead reckoning, manual, simulated.
REAL_FIXES = frozenset({1, 2, 3, 4, 5})
# RMC mode (NMEA 2.3): autonomous, differential, precise, RTK, float RTK; older receivers send none.
REAL_MODES = frozenset({"", "A", "D", "P", "R", "F"})
# User equivalent range error of a common receiver under open sky: accuracy is HDOP times this.
RANGE_ERROR_M = 5.0
MAX_ACCURACY_M = 100_000
# Faster than any aircraft.
MAX_SPEED_CM_S = 100_000
CM_S_PER_KNOT = 185_200 / 3600
E7 = 10_000_000
CIRCLE_C = 36_000


class NmeaGps(Decoder):
    """Decoder of `nmea_gps`."""

    def __init__(self, config: NmeaGpsConfig) -> None:
        self._min_interval_s = config.min_interval_s
        self._lines = Delimited(LINE_END, SENTENCE_BYTES)
        self._last_s = 0.0
        self._given_s: float | None = None
        self._moment = ""
        self._position: Fix | None = None
        self._gga = False
        self._accuracy_m: int | None = None

    def opened(self, now_s: float) -> list[Outcome]:
        """A new line: half a sentence will not go on. The pace of positions does."""
        rest = self._lines.take()
        self._position, self._gga = None, False
        return [reject(Reason.UNFINISHED, rest)] if rest else []

    def feed(self, data: bytes, now_s: float) -> list[Outcome]:
        """Take bytes and give the positions they complete."""
        self._last_s = now_s
        out: list[Outcome] = []
        for line in self._lines.push(data):
            if isinstance(line, Rejection):
                out.append(Rejection(line.reason, line.evidence, line.size))
            else:
                out += self._sentence(line, now_s)
        return out

    def next_deadline(self) -> float | None:
        """When a moment is over, or a begun sentence will not be finished."""
        if self._position is not None:
            return self._last_s + EPOCH_GAP_S
        return self._last_s + BROKEN_GAP_S if self._lines.pending else None

    def idle(self, now_s: float) -> list[Outcome]:
        """The burst is over: give the position even if no GGA came with it."""
        out = self._give(now_s)
        rest = self._lines.take() if now_s >= self._last_s + BROKEN_GAP_S else b""
        return [*out, reject(Reason.UNFINISHED, rest)] if rest else out

    def _sentence(self, line: bytes, now_s: float) -> list[Outcome]:
        # A lost line end leaves two sentences in one line: the later one may be whole.
        start = line.rfind(b"$")
        out: list[Outcome] = [reject(Reason.NOISE, line[:start])] if start > 0 else []
        if start < 0:
            # AIS and other sentences start with `!`.
            return [] if line.startswith(b"!") else [reject(Reason.NOISE, line)]
        if not line[start:].isascii():
            return [*out, reject(Reason.NOISE, line[start:])]
        try:
            sentence = pynmea2.parse(line[start:].decode("ascii"), check=True)
            kind = getattr(sentence, "sentence_type", "")
            if kind == "RMC":
                out += self._at(str(sentence.data[0]), now_s)
                self._position = position_of(sentence)
            elif kind == "GGA":
                out += self._at(str(sentence.data[0]), now_s)
                self._gga, self._accuracy_m = True, accuracy_of(sentence)
        except pynmea2.ChecksumError:
            return [*out, reject(Reason.CHECKSUM, line[start:])]
        except pynmea2.SentenceTypeError:
            return out  # a sentence of a kind that nobody needs
        except (pynmea2.ParseError, ValueError, TypeError, AttributeError, IndexError, OverflowError):
            # pynmea2 converts fields as they are read and raises whatever the conversion does.
            return [*out, reject(Reason.MALFORMED, line[start:])]
        return out + self._give(now_s) if self._position and self._gga else out

    def _at(self, moment: str, now_s: float) -> list[Outcome]:
        """Begin another moment; what was gathered for the one before is given as it is."""
        if moment == self._moment:
            return []
        out = self._give(now_s)
        self._moment = moment
        self._gga = False
        return out

    def _give(self, now_s: float) -> list[Outcome]:
        position, self._position = self._position, None
        accuracy_m = self._accuracy_m if self._gga else 0
        # A GGA without a real fix overrules what RMC claims.
        if position is None or accuracy_m is None:
            return []
        if self._given_s is not None and now_s < self._given_s + self._min_interval_s:
            return []
        self._given_s = now_s
        return [structs.replace(position, accuracy_m=accuracy_m)]


def position_of(rmc: pynmea2.RMC) -> Fix | None:
    """The position in an RMC sentence, or None if the receiver does not call it valid."""
    mode = rmc.data[11] if len(rmc.data) > 11 else ""  # noqa: PLR2004 field 12 of RMC is the mode
    if rmc.status != "A" or mode not in REAL_MODES or not rmc.lat or not rmc.lon:
        return None
    lat_e7, lon_e7 = round(rmc.latitude * E7), round(rmc.longitude * E7)
    speed_cm_s = round(float(rmc.spd_over_grnd or 0) * CM_S_PER_KNOT)
    if abs(lat_e7) > 90 * E7 or abs(lon_e7) > 180 * E7 or not 0 <= speed_cm_s <= MAX_SPEED_CM_S:
        raise ValueError("no place on earth, or no speed of a thing on it")
    heading_c = round(float(rmc.true_course or 0) * 100) % CIRCLE_C
    utc_ms = None
    if rmc.datestamp and rmc.timestamp:
        moment = datetime.combine(rmc.datestamp, rmc.timestamp.replace(tzinfo=UTC))
        utc_ms = round(moment.timestamp() * 1000)
    return Fix(lat_e7, lon_e7, 0, speed_cm_s, heading_c, utc_ms)


def accuracy_of(gga: pynmea2.GGA) -> int | None:
    """Accuracy in metres from a GGA sentence, 0 if it does not say, None without a real fix."""
    if int(gga.gps_qual or 0) not in REAL_FIXES:
        return None
    accuracy_m = round(float(gga.horizontal_dil or 0) * RANGE_ERROR_M)
    if accuracy_m < 0:
        raise ValueError("negative dilution")
    return min(accuracy_m, MAX_ACCURACY_M)
