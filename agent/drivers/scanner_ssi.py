# ruff: noqa: ARG002 - all decoders have one interface; this one needs the time in most places
"""Zebra scanners in packeted SSI mode.

The scanner holds a code until it is acknowledged, so the acknowledgement is sent only after the commit: a code that was not
kept here is still the scanner's, and its light and beep say so.
"""

from collections import deque

from agent.config import ScannerSsiConfig
from agent.drivers.decoder import Decoder
from agent.drivers.frames import Code, Outcome, Reason, Rejection, Write, reject
from agent.drivers.framing import AIM_BYTES, to_code
from agent.drivers.sink import Signal
from agent.drivers.ssi_packet import (
    AIM_OF_TYPE,
    CHECKSUM_BYTES,
    CONTINUES,
    DECODER,
    HEADER_BYTES,
    RETRANSMIT,
    Beep,
    NakCause,
    Opcode,
    Packet,
    decode,
    encode,
)
from contract.limits import MAX_CODE_BYTES

# The scanner's own limit between two characters of a packet.
CHARACTER_GAP_S = 0.2
# It sends again 2 s after an unanswered packet, at most 9.9 s by configuration; later equal data is another scan.
RESEND_WINDOW_S = 10.0
# Packets of one message follow within two retransmissions (4 s); a new scan after giving up starts later than this.
MESSAGE_GAP_S = 5.0
# A packet is sent at most three times; then the scanner has given up the whole message.
SENDINGS = 3

ACK = encode(Opcode.ACK)
NAK_RESEND = encode(Opcode.NAK, bytes((NakCause.RESEND,)))
NAK_DENIED = encode(Opcode.NAK, bytes((NakCause.DENIED,)))
BEEP_OF = {
    Signal.KEPT: Beep.ONE_SHORT_HIGH,
    Signal.DUPLICATE: Beep.TWO_SHORT_HIGH,
    Signal.UNEXPECTED: Beep.HIGH_LOW,
    Signal.REFUSED: Beep.THREE_LONG_LOW,
}
# What makes two sendings of a packet the same: continuation bit and data.
Key = tuple[int, bytes]


def answer_to(signal: Signal) -> bytes:
    """ACK or NAK for a code, and the beep that tells the person."""
    beep = encode(Opcode.BEEP, bytes((BEEP_OF[signal],)))
    return (NAK_DENIED if signal is Signal.REFUSED else ACK) + beep


class SsiScanner(Decoder):
    """Decoder of `scanner_ssi`."""

    def __init__(self, config: ScannerSsiConfig) -> None:
        self._aim = config.aim
        self._buffer = bytearray()
        self._damaged = False
        self._last_s = 0.0
        self._message = bytearray()
        self._message_s: float | None = None
        self._bad_sendings = 0
        self._unanswered: deque[Key] = deque()
        # Survives a pulled cable: the scanner may send again what we kept when the ACK got lost with it.
        self._accepted: Key | None = None
        self._accepted_s = 0.0

    def opened(self, now_s: float) -> list[Outcome]:
        """A new line: half packets and half messages will not go on."""
        rest = bytes(self._message + self._buffer)
        self._buffer.clear()
        self._damaged = False
        self._unanswered.clear()
        self._drop_message()
        return [reject(Reason.UNFINISHED, rest)] if rest else []

    def feed(self, data: bytes, now_s: float) -> list[Outcome]:
        """Take bytes; after a damaged packet all is ignored until the line pauses.

        Resynchronising byte by byte would take a data byte for a length and swallow the next good packet.
        """
        self._last_s = now_s
        out: list[Outcome] = []
        view = memoryview(data)
        while view and not self._damaged:
            wanted = self._buffer[0] + CHECKSUM_BYTES if self._buffer else view[0] + CHECKSUM_BYTES
            taken = wanted - len(self._buffer)
            self._buffer += view[:taken]
            view = view[taken:]
            if wanted < HEADER_BYTES + CHECKSUM_BYTES:
                out.append(self._damage(Reason.NOISE))
            elif len(self._buffer) == wanted:
                packet = decode(bytes(self._buffer))
                if packet is None:
                    out.append(self._damage(Reason.CHECKSUM))
                else:
                    self._buffer.clear()
                    out += self._packet(packet, now_s)
        return out

    def next_deadline(self) -> float | None:
        """The end of the pause that a packet, or a message of several, may have."""
        if self._buffer or self._damaged:
            return self._last_s + CHARACTER_GAP_S
        return None if self._message_s is None else self._message_s + MESSAGE_GAP_S

    def idle(self, now_s: float) -> list[Outcome]:
        """The line paused: ask again for a damaged packet, or give up a message."""
        out: list[Outcome] = []
        if self._buffer or self._damaged:
            if self._buffer:
                out.append(self._damage(Reason.UNFINISHED))
            self._damaged = False
            self._bad_sendings += 1
            # What comes with the retransmit bit now is that packet, even if it equals the one before it.
            self._accepted = None
            out.append(Write(NAK_RESEND))
        gave_up = self._bad_sendings >= SENDINGS
        silent = self._message_s is not None and now_s >= self._message_s + MESSAGE_GAP_S
        if gave_up or silent:
            if self._message_s is not None:
                out.append(reject(Reason.UNFINISHED, self._message))
            self._drop_message()
        return out

    def answer(self, signal: Signal, now_s: float) -> bytes:
        """ACK and a beep after the commit; NAK and an error beep if the code was refused."""
        if not self._unanswered:
            return b""
        key = self._unanswered.popleft()
        if signal is Signal.REFUSED:
            self._accepted = None
        else:
            self._accept(key, now_s)
        return answer_to(signal)

    def _damage(self, reason: Reason) -> Outcome:
        rejection = reject(reason, self._buffer)
        self._buffer.clear()
        self._damaged = True
        return rejection

    def _accept(self, key: Key, now_s: float) -> None:
        self._accepted, self._accepted_s = key, now_s

    def _drop_message(self) -> None:
        self._message.clear()
        self._message_s = None
        self._bad_sendings = 0

    def _packet(self, packet: Packet, now_s: float) -> list[Outcome]:
        if packet.source != DECODER:
            return [reject(Reason.UNSUPPORTED, packet.data)]
        match packet.opcode:
            case Opcode.ACK | Opcode.NAK:
                return []  # the answer to a beep of ours
            case Opcode.DECODE_DATA:
                return self._decode_data(packet, now_s)
            case Opcode.EVENT:
                return [Write(ACK)]
            case _:
                return [reject(Reason.UNSUPPORTED, packet.data), Write(ACK)]

    def _decode_data(self, packet: Packet, now_s: float) -> list[Outcome]:
        key = (packet.status & CONTINUES, packet.data)
        if packet.status & RETRANSMIT:
            if key in self._unanswered:
                return []
            if key == self._accepted and now_s - self._accepted_s <= RESEND_WINDOW_S:
                self._accept(key, now_s)
                return [Write(ACK)]
        self._bad_sendings = 0
        if not packet.data:
            self._unanswered.append(key)
            return [reject(Reason.MALFORMED, packet.data, scan=True)]
        out: list[Outcome] = []
        # Every packet starts with the code type; another type is another code.
        if self._message_s is not None and self._message[0] != packet.data[0]:
            out.append(reject(Reason.UNFINISHED, self._message))
            self._drop_message()
        self._message += packet.data if self._message_s is None else packet.data[1:]
        # One byte beyond the limit marks a message as too long; more is not kept.
        del self._message[1 + AIM_BYTES + MAX_CODE_BYTES + 1 :]
        self._message_s = now_s
        if packet.status & CONTINUES:
            self._accept(key, now_s)
            return [*out, Write(ACK)]
        code_type, data = self._message[0], bytes(self._message[1:])
        self._drop_message()
        self._unanswered.append(key)
        code = to_code(data, self._aim)
        if isinstance(code, Rejection):
            return [*out, reject(code.reason, data, scan=True)]
        return [*out, code if code.aim else Code(code.raw, AIM_OF_TYPE.get(code_type, ""))]
