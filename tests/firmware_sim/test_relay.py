import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from firmware_sim.relay import Relay

# Long enough for a busy machine, short enough to notice that nothing comes.
PATIENCE_S = 5.0
SILENCE_S = 0.3


class Echo:
    """A target that sends back what it gets, says when the sender is done, and counts its connections."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                connection.sendall(data)
            connection.sendall(b"<end>")

    def close(self) -> None:
        # Closing alone does not wake a thread in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)


@pytest.fixture
def echo() -> Iterator[Echo]:
    target = Echo()
    yield target
    target.close()


@pytest.fixture
def relay(echo: Echo) -> Iterator[Relay]:
    with Relay("127.0.0.1", echo.port) as relay:
        yield relay


def connect(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), PATIENCE_S)


def receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := connection.recv(65_536)):
        data += more
    return data


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(SILENCE_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(PATIENCE_S)
    return False


def is_broken(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_passes_bytes_both_ways_unchanged(relay: Relay) -> None:
    sent = bytes(range(256)) * 2_000

    with connect(relay) as connection:
        threading.Thread(target=connection.sendall, args=(sent,)).start()

        assert receive(connection, len(sent)) == sent
    assert relay.accepted == 1


def test_delays_each_way(relay: Relay) -> None:
    relay.delay_s = 0.2
    with connect(relay) as connection:
        start_s = time.monotonic()
        connection.sendall(b"x")
        receive(connection, 1)

        assert time.monotonic() - start_s >= 0.4


def test_throttles_to_the_rate_that_was_set(relay: Relay) -> None:
    relay.bytes_per_s = 10_000
    with connect(relay) as connection:
        start_s = time.monotonic()
        connection.sendall(b"x" * 5_000)
        first = connection.recv(65_536)
        data = first + receive(connection, 5_000 - len(first))
        took_s = time.monotonic() - start_s

    assert data == b"x" * 5_000
    assert len(first) < 5_000
    assert 0.4 <= took_s < PATIENCE_S


def test_cut_breaks_connections_and_refuses_new_ones_until_resumed(relay: Relay) -> None:
    with connect(relay) as old:
        old.sendall(b"x")
        receive(old, 1)

        relay.cut()

        assert is_broken(old)
        with connect(relay) as refused:
            assert is_broken(refused)
        relay.resume()
        with connect(relay) as new:
            new.sendall(b"again")
            assert receive(new, 5) == b"again"


def test_black_hole_keeps_connections_and_lets_nothing_through_until_resumed(relay: Relay) -> None:
    with connect(relay) as old:
        old.sendall(b"x")
        receive(old, 1)

        relay.black_hole()

        with connect(relay) as new:
            old.sendall(b"old")
            new.sendall(b"new")
            assert is_silent(old)
            assert is_silent(new)
            relay.resume()
            assert receive(old, 3) == b"old"
            assert receive(new, 3) == b"new"


def test_cut_ends_connections_that_are_in_a_black_hole(relay: Relay) -> None:
    relay.black_hole()
    with connect(relay) as connection:
        connection.sendall(b"x")
        assert is_silent(connection)

        relay.cut()

        assert is_broken(connection)


def test_half_close_ends_one_way_and_leaves_the_other(relay: Relay) -> None:
    with connect(relay) as connection:
        connection.sendall(b"x")
        receive(connection, 1)

        relay.half_close()
        connection.sendall(b"what nobody hears")

        assert receive(connection, 5) == b"<end>"


def test_bytes_are_counted_each_way(relay: Relay) -> None:
    with connect(relay) as connection:
        connection.sendall(b"x" * 70_000)
        receive(connection, 70_000)
        connection.shutdown(socket.SHUT_WR)
        receive(connection, 5)

    assert (relay.bytes_to_target, relay.bytes_from_target) == (70_000, 70_005)


def test_end_of_one_side_is_passed_on(relay: Relay) -> None:
    with connect(relay) as connection:
        connection.sendall(b"x")
        connection.shutdown(socket.SHUT_WR)

        assert receive(connection, 6) == b"x<end>"
        assert is_broken(connection)


def test_a_target_that_is_away_breaks_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Relay("127.0.0.1", port) as relay, connect(relay) as connection:
        assert is_broken(connection)
