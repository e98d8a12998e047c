"""A Zebra scanner in SSI mode: each code waits for the host's ACK, and the host may make it beep."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from firmware_sim.adapters.ssi import (
    CONTINUES,
    DECODER,
    HOST,
    MAX_DATA_BYTES,
    RETRANSMIT,
    BadChecksum,
    NakCause,
    Opcode,
    Packet,
    PacketReader,
)
from firmware_sim.chance import chance
from firmware_sim.device import Chunk, Device
from firmware_sim.faults import FaultPlan, in_pieces, with_noise
from firmware_sim.hand import Habit, Hand, Scan
from firmware_sim.journal import Journal
from firmware_sim.physics.codes import Code
from firmware_sim.signals import Signal

# The scanner's default host serial response time-out, and how often it tries in all.
ACK_MS = 2_000
TRIES = 3
# Pauses inside a split packet: well below the host's gap between characters.
SPLIT_MS = (5, 40)
# Every packet of a code starts with its type.
CODE_BYTES = MAX_DATA_BYTES - 1
REVISION = b"HOLDFAST-SIM-SSI"

# The code type in DECODE_DATA, by AIM identifier.
CODE_TYPES = {
    "]C0": 0x03,
    "]C1": 0x0F,
    "]E0": 0x0B,
    "]E4": 0x0A,
    "]A0": 0x01,
    "]I0": 0x06,
    "]d1": 0x1B,
    "]d2": 0xC1,
    "]Q1": 0x1C,
    "]Q3": 0xC2,
    "]e0": 0x30,
}
UNKNOWN_TYPE = 0x00

# What the beeps of the device under test mean, by SSI beep code.
BEEPS = {
    0x00: Signal.KEPT,  # one short high
    0x01: Signal.DUPLICATE,  # two short high
    0x16: Signal.UNEXPECTED,  # high, low
    0x11: Signal.REFUSED,  # three long low
}


class SsiScanner(Device):
    """A hand with an SSI scanner.

    Beyond ``hand``'s records the journal has ``beep`` for beeps without a meaning here, ``led`` and
    ``lamps`` for lights, ``denied`` for a code the host would not have, and ``unacknowledged`` for one it never
    answered. Noise hits packets, not
    codes: the checksum finds it and the packet is sent again.
    """

    def __init__(
        self,
        codes: Iterator[tuple[int, Code]],
        journal: Journal,
        *,
        seed: int = 0,
        aim: bool = False,
        habit: Habit | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        """Take a stream of codes in hand.

        Args:
            codes: Numbered codes, such as ``code_stream(seed)``.
            journal: Where each code and signal is recorded.
            seed: Decides pace and faults.
            aim: Whether the scanner is set to put the AIM identifier before the data.
            habit: Pace, waiting and number of scans.
            faults: Which of ``SSI_FAULTS`` happen; ``unplug`` is the host's to do.
        """
        self._journal = journal
        self._faults = faults or FaultPlan()
        self.hand = Hand(codes, journal, habit or Habit(), replace(self._faults, noise=0.0), seed)
        self._aim = aim
        self._wire = chance(seed, "wire")
        self._reader = PacketReader()
        self._enabled = True
        self._number = 0
        self._in_flight: deque[Packet] = deque()
        self._tries = 0
        self._ack_by_ms = 0

    def due_ms(self) -> int | None:
        """Return when the hand scans next, or an acknowledgement is overdue."""
        if self._in_flight:
            return self._ack_by_ms
        # A disabled scanner still has to notice that no signal came for the last code.
        return self.hand.due_ms() if self._enabled or self.hand.pending is not None else None

    def wake(self, now_ms: int) -> Sequence[Chunk]:
        """Scan the next code, or send the last one again."""
        if self._in_flight:
            return self._send_again(now_ms) if now_ms >= self._ack_by_ms else ()
        if not self._enabled:
            self.hand.expire(now_ms)
            return ()
        scan = self.hand.draw(now_ms)
        if scan is None:
            return ()
        self._number = scan.number
        self._in_flight.extend(self._packets(scan))
        self._tries = 0
        return self._send(now_ms)

    def receive(self, data: bytes, now_ms: int) -> Sequence[Chunk]:
        """Take the host's packets, and answer commands."""
        out: list[Chunk] = []
        for packet in self._reader.feed(data, now_ms):
            if isinstance(packet, BadChecksum):
                out.append(_nak(NakCause.RESEND, now_ms))
            elif packet.source == HOST:
                out.extend(self._obey(packet, now_ms))
        return out

    def opened(self, now_ms: int) -> None:
        """Start scanning, enabled as after power-on."""
        self._enabled = True
        self.hand.opened(now_ms)

    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:
        """Stop scanning; the code in flight is lost with the line."""
        if self._in_flight:
            unsent = [*unsent, Chunk(now_ms, b"", (self._number,))]
        self._in_flight.clear()
        self._reader = PacketReader()
        self.hand.closed(now_ms, unplugged=unplugged, unsent=unsent)

    def _packets(self, scan: Scan) -> Iterator[Packet]:
        code_type = bytes([CODE_TYPES.get(scan.code.aim, UNKNOWN_TYPE)])
        data = (scan.code.aim.encode() if self._aim else b"") + scan.wire
        for start in range(0, len(data), CODE_BYTES):
            end = start + CODE_BYTES
            status = CONTINUES if end < len(data) else 0
            yield Packet(Opcode.DECODE_DATA, DECODER, status, code_type + data[start:end])

    def _obey(self, packet: Packet, now_ms: int) -> Sequence[Chunk]:
        match packet.opcode:
            case Opcode.ACK:
                return self._acknowledged(now_ms)
            case Opcode.NAK if packet.data[:1] == bytes([NakCause.RESEND]):
                return self._send_again(now_ms)
            case Opcode.NAK:
                return self._drop(now_ms, "denied")
            case Opcode.BEEP:
                # The host did not hear our ACK: the same beep, not another one.
                if not packet.status & RETRANSMIT:
                    self._beep(packet.data, now_ms)
            case Opcode.LED_ON | Opcode.LED_OFF:
                state = "on" if packet.opcode == Opcode.LED_ON else "off"
                self._journal.write(now_ms, led=state, lamps=packet.data.hex())
            case Opcode.SCAN_ENABLE | Opcode.SCAN_DISABLE:
                self._enabled = packet.opcode == Opcode.SCAN_ENABLE
            case Opcode.FLUSH_QUEUE:
                pass
            case Opcode.REQUEST_REVISION:
                return (Chunk(now_ms, Packet(Opcode.REPLY_REVISION, DECODER, 0, REVISION).encode()),)
            case _:
                return (_nak(NakCause.DENIED, now_ms),)
        return (Chunk(now_ms, Packet(Opcode.ACK, DECODER).encode()),)

    def _beep(self, data: bytes, now_ms: int) -> None:
        signal = BEEPS.get(data[0]) if data else None
        if signal is None:
            self._journal.write(now_ms, beep=data.hex())
        else:
            self.hand.signal(signal, now_ms)

    def _acknowledged(self, now_ms: int) -> Sequence[Chunk]:
        if not self._in_flight or self._wire.random() < self._faults.lost_ack:
            return ()
        self._in_flight.popleft()
        self._tries = 0
        return self._send(now_ms)

    def _send_again(self, now_ms: int) -> Sequence[Chunk]:
        return self._send(now_ms) if self._tries < TRIES else self._drop(now_ms, "unacknowledged")

    def _drop(self, now_ms: int, why: str) -> Sequence[Chunk]:
        if self._in_flight:
            self._journal.write(now_ms, tries=self._tries, **{why: self._number})
        self._in_flight.clear()
        return ()

    def _send(self, now_ms: int) -> Sequence[Chunk]:
        if not self._in_flight:
            return ()
        packet = self._in_flight[0]
        raw = replace(packet, status=packet.status | (RETRANSMIT if self._tries else 0)).encode()
        self._tries += 1
        self._ack_by_ms = now_ms + ACK_MS
        if self._wire.random() < self._faults.noise:
            raw = with_noise(raw, self._wire)
        pieces = in_pieces(raw, self._wire) if self._wire.random() < self._faults.split else [raw]
        chunks, at_ms = [], now_ms
        for piece in pieces:
            chunks.append(Chunk(at_ms, piece, (self._number,)))
            at_ms += self._wire.randint(*SPLIT_MS)
        return chunks


def _nak(cause: NakCause, now_ms: int) -> Chunk:
    return Chunk(now_ms, Packet(Opcode.NAK, DECODER, 0, bytes([cause])).encode())
