"""Temperature and humidity probes that speak Modbus RTU.

An RTU answer carries nothing that ties it to its question: one that comes after the timeout would be taken for the answer to
the next. So after a timeout the line must have been silent for a while before anything else is asked.
"""

from collections import Counter, deque

from agent.config import ModbusProbeConfig
from agent.drivers.decoder import Decoder
from agent.drivers.frames import Found, Lost, Outcome, Reason, Sample, Write, reject
from agent.drivers.modbus_rtu import Read, find_answer
from agent.drivers.register_map import POWER_ON_CENTI, Place, RegisterMap
from contract.event import Quantity

# Silence after a timeout, in timeouts: an answer may be three times as late as expected and still harm nobody.
QUIET_TIMEOUTS = 2
# A line that never falls silent is asked all the same after this many quiet times; the CRC sorts out its noise.
LONGEST_QUIET = 5
# Modbus over Serial Line V1.02, section 2.5.1.1: 3.5 characters of 11 bits between frames, 1.75 ms on fast lines.
FRAME_GAP_BITS = 38.5
SHORTEST_FRAME_GAP_S = 0.00175
# The longest answer is 255 bytes; more than this since the request is a babbling line.
RECEIVED_BYTES = 512
# One lost poll is everyday on a long cable, three in a row are a pulled plug.
LOST_AFTER_ROUNDS = 3


class ModbusProbe(Decoder):
    """Decoder and poller of `modbus_probe`: `idle` asks, `feed` takes the answers."""

    def __init__(self, config: ModbusProbeConfig) -> None:
        self._interval_s = config.interval_s
        self._timeout_s = config.timeout_ms / 1000
        self._quiet_s = QUIET_TIMEOUTS * self._timeout_s
        self._frame_gap_s = max(SHORTEST_FRAME_GAP_S, FRAME_GAP_BITS / config.baud)
        self._map = RegisterMap(config)
        shapes = Counter((r.unit, r.function, r.count) for r in self._map.requests)
        # Requests whose answers look like those of another one.
        self._alike = {r for r in self._map.requests if shapes[r.unit, r.function, r.count] > 1}
        self._begin(0.0)

    def opened(self, now_s: float) -> list[Outcome]:
        """Begin the first round at once; a probe that was unplugged starts from power-on."""
        self._begin(now_s)
        return []

    def _begin(self, now_s: float) -> None:
        self._asked: Read | None = None
        self._last_asked: Read | None = None
        self._askings = 0
        self._received = bytearray()
        self._timeout_at_s = now_s
        self._queue: deque[Read] = deque()
        self._words: dict[Place, int] = {}
        self._round_s = now_s
        self._due_s = now_s
        self._quiet_until_s = now_s
        self._quiet_limit_s = now_s
        self._late_seen = False
        self._converted: set[str] = set()
        self._answered = False
        self._silent_rounds = 0

    def next_deadline(self) -> float | None:
        """The end of a timeout, or when the next request may go out."""
        return max(self._due_s, self._quiet_until_s) if self._asked is None else self._timeout_at_s

    def idle(self, now_s: float) -> list[Outcome]:
        """Ask the next request, or give up the one that was not answered."""
        if self._asked is None:
            return [Write(self._ask(now_s).frame)]
        rejection = reject(Reason.CHECKSUM if self._received else Reason.TIMEOUT, self._received)
        # Whatever was silent may have restarted and shows its power-on value again.
        self._converted.clear()
        self._late_seen = False
        self._hush(now_s)
        if self._asked in self._alike and self._askings == 1:
            # An answer later than the silence is long then meets its own question again, not one like it.
            self._queue.appendleft(self._asked)
        return [rejection, *self._request_over(now_s)]

    def feed(self, data: bytes, now_s: float) -> list[Outcome]:
        """Take bytes: the answer waited for, or something late, which starts the silence anew."""
        if self._asked is None:
            first, self._late_seen = not self._late_seen, True
            self._hush(now_s)
            return [reject(Reason.LATE, data)] if first else []
        self._received += data
        del self._received[:-RECEIVED_BYTES]
        answer = find_answer(self._asked, bytes(self._received))
        if answer is None:
            return []
        before, itself = self._received[: answer.before], self._received[answer.before :]
        out: list[Outcome] = [reject(Reason.NOISE, before)] if before else []
        if self._silent_rounds >= LOST_AFTER_ROUNDS:
            out.append(Found())
        self._silent_rounds = 0
        self._answered = True
        if self._askings > 1:
            self._hush(now_s)  # one of the two answers is still to come
        fault = None
        if answer.exception is not None:
            out.append(reject(Reason.REFUSED, itself))
            fault = f"exception_{answer.exception:02x}"
        for i, word in enumerate(answer.words):
            self._words[Place(self._asked.unit, self._asked.function, self._asked.address + i)] = word
        out += map(self._judged, self._map.samples(self._asked, self._words, fault))
        return out + self._request_over(now_s)

    def _ask(self, now_s: float) -> Read:
        if not self._queue:
            self._queue.extend(self._map.requests)
            self._words.clear()
            self._answered = False
        self._asked = self._queue.popleft()
        self._askings = self._askings + 1 if self._asked == self._last_asked and self._asked in self._alike else 1
        self._last_asked = self._asked
        self._received.clear()
        self._late_seen = False
        self._timeout_at_s = now_s + self._timeout_s
        return self._asked

    def _request_over(self, now_s: float) -> list[Outcome]:
        self._asked = None
        self._due_s = now_s + self._frame_gap_s
        if self._queue:
            return []
        self._round_s = max(self._round_s + self._interval_s, now_s)
        self._due_s = max(self._round_s, self._due_s)
        if self._answered:
            return []
        self._silent_rounds += 1
        return [Lost("no answer")] if self._silent_rounds == LOST_AFTER_ROUNDS else []

    def _hush(self, now_s: float) -> None:
        """Ask nothing until the line was silent for a while, but do not wait for ever on a babbling one."""
        if now_s >= self._quiet_until_s:
            self._quiet_limit_s = now_s + LONGEST_QUIET * self._quiet_s
        self._quiet_until_s = min(now_s + self._quiet_s, self._quiet_limit_s)

    def _judged(self, sample: Sample) -> Sample:
        """Take +85.00 °C for the power-on value until the sensor has shown another one."""
        if sample.quantity is not Quantity.TEMPERATURE_C or sample.value is None:
            return sample
        if sample.value != POWER_ON_CENTI:
            self._converted.add(sample.sensor)
        elif sample.sensor not in self._converted:
            return Sample(sample.sensor, sample.quantity, None, "power_on")
        return sample
