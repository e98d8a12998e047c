import socket
import threading
from pathlib import Path

import pytest

from hub.accounts.roles import Role
from hub.administration import Administration
from hub.ask import SOCKET, ask
from hub.centre import open_centre
from hub.control import ControlSocket
from hub.errors import Refused
from hub.requests import AddDevices, AddUser, ConfigureBroker, ListDevices, ListUsers, Request, Verify

KEY = "ab" * 32


def test_both_ways_answer_alike(tmp_path: Path) -> None:
    with open_centre(tmp_path) as centre:
        heard = threading.Event()
        control = ControlSocket(tmp_path, Administration(centre, heard.set).answer)
        assert ask(tmp_path, AddDevices({"van-1": KEY}, "Van 1")) is None
        assert heard.is_set()
        assert centre.registry.find("van-1") is not None
        password = ask(tmp_path, AddUser("w.chen", Role.OPERATOR))
        answers = [ask(tmp_path, r) for r in (ListDevices(), ListUsers(), Verify())]
        with pytest.raises(Refused) as refused:
            ask(tmp_path, AddDevices({"van-1": "cd" * 32}, ""))
        control.close()
    assert isinstance(password, str)
    assert [ask(tmp_path, r) for r in (ListDevices(), ListUsers(), Verify())] == answers
    with pytest.raises(Refused) as again:
        ask(tmp_path, AddDevices({"van-1": "cd" * 32}, ""))
    assert str(refused.value) == str(again.value)
    assert str(again.value) == "device 'van-1' is enrolled already; choose another id, so that its facts stay apart"


def test_a_running_hub_writes_the_configuration_of_a_broker_for_the_devices_it_has_now(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    with open_centre(data) as centre:
        control = ControlSocket(data, Administration(centre).answer)
        written = ask(data, ConfigureBroker(str(out), "127.0.0.1:1883"))
        assert sorted(Path(path).name for path in written) == ["acl", "hub.toml", "mosquitto.conf", "passwords"]
        ask(data, AddDevices({"van-1": KEY}, ""))
        ask(data, ConfigureBroker(str(out), "127.0.0.1:1883"))
        control.close()
    assert [line.partition(":")[0] for line in (out / "passwords").read_text().splitlines()] == ["hub", "van-1"]


def test_f058_the_same_device_with_the_same_key_is_no_second_enrolment(tmp_path: Path) -> None:
    tmp_path.joinpath("x").mkdir()
    ask(tmp_path / "x", AddDevices({"van-1": KEY}, ""))
    ask(tmp_path / "x", AddDevices({"van-1": KEY}, ""))
    assert len(ask(tmp_path / "x", ListDevices())) == 1


def test_several_devices_are_enrolled_all_or_none(tmp_path: Path) -> None:
    ask(tmp_path, AddDevices({"van-1": KEY}, ""))
    with pytest.raises(Refused, match="van-1"):
        ask(tmp_path, AddDevices({"van-0": KEY, "van-1": "cd" * 32}, ""))
    ask(tmp_path, AddDevices({"van-2": KEY, "van-3": KEY}, "Dock"))
    assert [row["id"] for row in ask(tmp_path, ListDevices())] == ["van-1", "van-2", "van-3"]


@pytest.mark.parametrize("name", ["a+b", "#", "a/b", "hub", "display", "", "Van", "v" * 65, "a.b", "a b"])
def test_f097_an_id_that_could_mean_other_topics_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="device id"):
        ask(tmp_path, AddDevices({name: KEY}, ""))


def test_a_folder_with_a_long_path_has_a_socket_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    with open_centre(folder) as centre:
        control = ControlSocket(folder, Administration(centre).answer)
        assert (folder / SOCKET).stat().st_mode & 0o777 == 0o600
        assert ask(folder, ListUsers()) == []
        control.close()
    assert not (folder / SOCKET).exists()


def test_a_socket_left_by_a_dead_hub_is_no_hindrance(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / SOCKET)) if len(str(tmp_path)) < 90 else None
    stale.close()
    assert ask(tmp_path, ListUsers()) == []
    with open_centre(tmp_path) as centre:
        control = ControlSocket(tmp_path, Administration(centre).answer)
        assert ask(tmp_path, ListUsers()) == []
        control.close()


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"nonsense\n", b'{"type":"Unknown"}\n', b"[" * 50_000 + b"\n", b"x" * 100_000]
)
def test_nonsense_on_the_socket_is_refused_and_the_next_command_is_answered(tmp_path: Path, line: bytes) -> None:
    with open_centre(tmp_path) as centre:
        control = ControlSocket(tmp_path, Administration(centre).answer)
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(str(tmp_path / SOCKET))
            visitor.sendall(line)
            visitor.shutdown(socket.SHUT_WR)
            visitor.recv(1000)
        assert ask(tmp_path, ListUsers()) == []
        control.close()


def test_a_command_that_fails_is_refused_and_the_next_one_is_answered(tmp_path: Path) -> None:
    def answer(request: Request) -> list[str]:
        if isinstance(request, Verify):
            raise OSError("the disk is broken")
        return []

    control = ControlSocket(tmp_path, answer)
    with pytest.raises(Refused, match="the disk is broken"):
        ask(tmp_path, Verify())
    assert ask(tmp_path, ListUsers()) == []
    control.close()


def test_the_end_waits_for_no_long_command(tmp_path: Path) -> None:
    began, may_end = threading.Event(), threading.Event()

    def answer(_: Request) -> None:
        began.set()
        may_end.wait()

    control = ControlSocket(tmp_path, answer)
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(tmp_path / SOCKET))
        visitor.sendall(b'{"type":"Verify"}\n')
        assert began.wait(5)
        closing = threading.Thread(target=control.close)
        closing.start()
        closing.join(10)
        hangs = closing.is_alive()
        may_end.set()
        closing.join()
    assert not hangs


def test_a_long_command_holds_up_no_other(tmp_path: Path) -> None:
    may_end, began = threading.Event(), threading.Event()

    def answer(request: Request) -> list[str]:
        if isinstance(request, Verify):
            began.set()
            assert may_end.wait(30)
        return []

    control = ControlSocket(tmp_path, answer)
    slow = threading.Thread(target=ask, args=(tmp_path, Verify()))
    slow.start()
    assert began.wait(5)
    assert ask(tmp_path, ListUsers()) == []
    assert slow.is_alive()
    may_end.set()
    slow.join()
    control.close()


def test_devices_added_at_the_same_time_are_all_let_in(tmp_path: Path) -> None:
    with open_centre(tmp_path) as centre:
        let_in: list[set[str]] = []
        control = ControlSocket(
            tmp_path, Administration(centre, lambda: let_in.append({d.id for d in centre.registry.active()})).answer
        )
        names = [f"van-{n}" for n in range(12)]
        adding = [threading.Thread(target=ask, args=(tmp_path, AddDevices({name: KEY}, ""))) for name in names]
        for thread in adding:
            thread.start()
        for thread in adding:
            thread.join()
        control.close()
    assert let_in[-1] == set(names)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is no data folder"):
        ask(tmp_path / "nowhere", ListUsers())
