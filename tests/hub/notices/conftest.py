"""The seeded hub of the web side's tests, and one whose job tells."""

from collections.abc import Iterator

import pytest

from firmware_sim.processes import free_port
from hub.notices.targets import Target, add_target
from tests.hub.notices.mailroom import MailRoom, opened
from tests.hub.notices.office import Office
from tests.hub.web.conftest import hub
from tests.hub.web.seeded import SeededHub, add_device

__all__ = ["hub"]


@pytest.fixture
def office(hub: SeededHub) -> Iterator[Office]:
    room = MailRoom(free_port())
    add_target(hub.database.folder, Target("duty", room.url))
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7")
    with opened(room):
        yield Office(hub, room)
