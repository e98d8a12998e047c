"""The local socket over the real thing: who may connect, how long names may be, what follows what."""

import os
import socket
import stat
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.happenings import WAITING, Happenings
from agent.socket import MOST_CONNECTIONS, NAME, AgentLost, LocalClient, LocalServer, NotRunning
from contract.local import (
    MAX_FRAME_BYTES,
    Answer,
    Done,
    Draft,
    DraftGet,
    DraftPut,
    GetStatus,
    LinkHappened,
    Refused,
    Request,
    SignOff,
)

LINK = LinkHappened("offline", None)


class Served:
    """A server whose answers are made here."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[Request] = []
        self.happenings = Happenings()
        self.go_on = threading.Event()
        self.go_on.set()
        self.server = LocalServer(folder, self.answer, self.happenings, lambda: [LINK])

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        self.go_on.wait(10)
        return Draft(request.name.encode()) if isinstance(request, DraftGet) else Done()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.server.start()
    yield served
    served.go_on.set()
    served.server.stop()


def test_requests_are_answered_in_turn(served: Served, tmp_path: Path) -> None:
    with LocalClient(tmp_path) as client:
        assert client.ask(DraftPut("a", b"1")) == Done()
        assert client.ask(DraftGet("a")) == Draft(b"a")
    assert served.asked == [DraftPut("a", b"1"), DraftGet("a")]


def test_only_the_owner_may_connect(served: Served, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert served.asked == []


def test_the_umask_of_the_process_is_as_before(served: Served, tmp_path: Path) -> None:
    assert served.asked == []
    before = os.umask(0o022)
    os.umask(before)

    assert before != 0o177


def test_a_folder_with_a_long_name_works_too(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    folder.mkdir(parents=True)
    served = Served(folder)
    served.server.start()
    with LocalClient(folder) as client:
        assert client.ask(GetStatus()) == Done()
    served.server.stop()


def test_a_stale_socket_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(NAME)
    served = Served(tmp_path)
    served.server.start()
    with LocalClient(tmp_path) as client:
        assert client.ask(GetStatus()) == Done()
    served.server.stop()

    assert not (tmp_path / NAME).exists()


def test_without_an_agent_the_client_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="No agent runs on"):
        LocalClient(tmp_path)
    with pytest.raises(NotRunning):
        LocalClient(tmp_path / "absent")


def test_a_follower_hears_how_it_is_and_then_what_happens(served: Served, tmp_path: Path) -> None:
    with LocalClient(tmp_path) as client:
        story = client.follow()
        assert next(story) == LINK
        served.happenings.tell(LinkHappened("synced", 5))
        assert next(story) == LinkHappened("synced", 5)


def test_a_follower_that_fell_behind_is_let_go(served: Served, tmp_path: Path) -> None:
    with LocalClient(tmp_path) as client:
        story = client.follow()
        next(story)
        for _ in range(200 * WAITING):
            served.happenings.tell(LinkHappened("synced", 5))
        with pytest.raises(AgentLost):
            deque(story, maxlen=0)


def test_f069_bytes_that_are_no_request_are_refused_and_the_connection_ends(served: Served, tmp_path: Path) -> None:
    client = LocalClient(tmp_path)
    client._socket.sendall((2).to_bytes(4, "big") + b"\x91\x91")
    answer = client._next()
    assert isinstance(answer, Refused)
    assert "not a request" in answer.why
    with pytest.raises(AgentLost):
        client.ask(GetStatus())
    client.close()
    assert served.asked == []


def test_f065_a_length_that_lies_ends_the_connection(served: Served, tmp_path: Path) -> None:
    client = LocalClient(tmp_path)
    client._socket.sendall((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    assert isinstance(client._next(), Refused)
    with pytest.raises(AgentLost):
        client._next()
    client.close()
    assert served.asked == []


def test_more_connections_than_allowed_are_closed(served: Served, tmp_path: Path) -> None:
    clients = [LocalClient(tmp_path) for _ in range(MOST_CONNECTIONS)]
    for client in clients:
        assert client.ask(GetStatus()) == Done()
    with LocalClient(tmp_path) as one_more, pytest.raises(AgentLost):
        one_more.ask(GetStatus())
    for client in clients:
        client.close()
    assert len(served.asked) == MOST_CONNECTIONS


def test_a_stop_lets_the_answer_go_out_that_is_being_worked_on(served: Served, tmp_path: Path) -> None:
    served.go_on.clear()
    answers: list[Answer] = []
    client = LocalClient(tmp_path)
    asking = threading.Thread(target=lambda: answers.append(client.ask(SignOff(bytes(16)))))
    asking.start()
    while not served.asked:
        pass
    stopping = threading.Thread(target=served.server.stop)
    stopping.start()
    served.go_on.set()
    stopping.join()
    asking.join()
    client.close()

    assert answers == [Done()]


def test_an_agent_that_ends_is_told_as_lost(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.server.start()
    client = LocalClient(tmp_path)
    assert client.ask(GetStatus()) == Done()
    served.server.stop()
    with pytest.raises(AgentLost):
        client.ask(GetStatus())
    client.close()
