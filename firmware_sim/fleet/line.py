"""One device's connection to the broker, as asyncio's protocol."""

import asyncio
from typing import Final, Protocol

from contract.topics import down_topic, up_topic
from firmware_sim.fleet import packets
from firmware_sim.fleet.packets import Connack, MalformedPacket, Packet, PacketReader, Pingresp, Publish, Suback

KEEPALIVE_S: Final = 30


class User(Protocol):
    """Who is told what happens on a line."""

    def opened(self) -> None:
        """The broker took the connection and the subscription."""

    def arrived(self, payload: bytes) -> None:
        """A message came."""

    def closed(self, *, credentials: bool) -> None:
        """The connection is gone; `credentials`: trying again soon is of no use."""


class Line(asyncio.Protocol):
    """Logs in, subscribes to the device's down topic, pings, and counts bytes.

    asyncio sets TCP_NODELAY on every connection.
    """

    def __init__(self, device: str, password: str, client_id: str, user: User) -> None:
        self._device = device
        self._password = password
        self._client_id = client_id
        self._user = user
        self._reader = PacketReader()
        self._transport: asyncio.Transport | None = None
        self._credentials_refused = False
        self._pinged = False
        self._pinger: asyncio.TimerHandle | None = None
        self.is_open = False
        self.bytes_up = 0
        """TCP payload written so far."""
        self.bytes_down = 0

    # -- asyncio ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"a line needs a stream, not {transport!r}")
        self._transport = transport
        self._write(packets.connect(self._client_id, self._device, self._password, KEEPALIVE_S))

    def data_received(self, data: bytes) -> None:
        """Hand on what came."""
        self.bytes_down += len(data)
        try:
            for packet in self._reader.feed(data):
                self._take(packet)
        except MalformedPacket:
            self.drop()

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell the user, unless it was the user who dropped the line."""
        was_wanted, self._transport = self._transport is not None, None
        self._end_pings()
        self.is_open = False
        if was_wanted:
            self._user.closed(credentials=self._credentials_refused)

    # -- the user --------------------------------------------------------------------------------------------------

    def publish(self, payload: bytes) -> None:
        """Send on the up topic; does nothing where no connection is."""
        if self.is_open:
            self._write(packets.publish(up_topic(self._device), payload))

    def close(self) -> None:
        """Say goodbye; nobody is told."""
        if self.is_open:
            self._write(packets.DISCONNECT)
        transport, self._transport = self._transport, None
        self.is_open = False
        self._end_pings()
        if transport is not None:
            # What a jammed line did not take of the farewell is not waited for.
            (transport.abort if transport.get_write_buffer_size() else transport.close)()

    def drop(self) -> None:
        """Break the connection as a dead network would; the user is told."""
        if self._transport is not None:
            self._transport.abort()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _take(self, packet: Packet) -> None:
        match packet:
            case Connack(0):
                self._write(packets.subscribe(down_topic(self._device)))
            case Connack(code):
                self._credentials_refused = code in packets.REFUSED_CREDENTIALS
                self.drop()
            case Suback(refused=True):
                self._credentials_refused = True
                self.drop()
            case Suback():
                self.is_open = True
                self._ping_later()
                self._user.opened()
            case Pingresp():
                self._pinged = False
            case Publish(payload=payload, retained=False) if self.is_open:
                self._user.arrived(payload)

    def _ping_later(self) -> None:
        self._pinger = asyncio.get_running_loop().call_later(KEEPALIVE_S, self._ping)

    def _ping(self) -> None:
        if self._pinged:
            self.drop()
            return
        self._pinged = True
        self._write(packets.PINGREQ)
        self._ping_later()

    def _end_pings(self) -> None:
        if self._pinger is not None:
            self._pinger.cancel()
            self._pinger = None

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self.bytes_up += len(data)
            self._transport.write(data)
