"""What the web side needs of the running hub, and how routes get at it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection

from contract.event import Decision
from hub.ahead import Ahead
from hub.db import Database
from hub.live import LiveBus


def always_ready() -> bool:
    """For hubs without parts that start slowly."""
    return True


@dataclass(frozen=True, slots=True)
class HubContext:
    """Handed to `hub.app.create_app` by `serve` and by tests.

    Attributes:
        database: one writer, and read-only readers.
        live: where committed changes are published.
        decide: makes a person's decision a fact in the ledger (device `hub`); returns its identity after the commit.
        now_ms: the hub's clock, UTC epoch ms.
        secure: pages are reached over https, so cookies are marked Secure.
        ready: whether the hub can take work (`/readyz`).
        storage_ok: whether its disk takes what it is given.
        hears: whether the broker lets it hear devices.
    """

    database: Database
    live: LiveBus
    decide: Callable[[Decision], bytes]
    now_ms: Callable[[], int]
    secure: bool = False
    ready: Callable[[], bool] = always_ready
    storage_ok: Callable[[], bool] = always_ready
    hears: Callable[[], bool] = always_ready

    @property
    def ahead(self) -> Ahead:
        """What devices said ahead of the ledger."""
        return self.live.ahead


def hub_context(request: Request) -> HubContext:
    """The context of the app that serves this request."""
    context: HubContext = request.app.state.hub
    return context


Hub = Annotated[HubContext, Depends(hub_context)]
"""Parameter type of routes that write, decide or need the time."""


def read_connection(request: Request, hub: Hub) -> Iterator[Connection]:
    """A consistent read-only snapshot for one request."""
    # Taken before the snapshot begins: what changes in between is then told twice instead of never.
    request.state.live_position = hub.live.position
    with hub.database.read() as connection:
        yield connection


Reader = Annotated[Connection, Depends(read_connection, scope="function")]
"""Parameter type of routes that read. The snapshot ends before the answer is sent: an open stream must not hold one."""
