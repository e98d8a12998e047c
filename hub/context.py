"""What the web side needs of the running hub, and how routes get at it."""

from asyncio import Semaphore
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy import Connection

from contract.event import Decision
from hub.ahead import Ahead
from hub.db import Database
from hub.errors import Refused
from hub.ledger.safety import Safety
from hub.live import ROUTE, LiveBus
from hub.map.source import BUILT_IN, MapSource
from hub.projector import Change
from hub.requests import Request as Administration
from hub.routes.roads import Estimate, Roads

READERS_AT_ONCE: Final = 20
"""Requests that read at once. The others wait on the event loop, where they hold nothing that those could need to go on: were
it in one of the web's 40 threads, a few hundred browsers that come back at once would wait for each other. Fewer than there
are connections (`hub.db.MAX_READERS`), of which the hub's own jobs need some."""


def always_ready() -> bool:
    """For hubs without parts that start slowly."""
    return True


def no_administration(_: Administration) -> Any:
    """For hubs without a broker to tell."""
    raise Refused("this hub administers nothing")


def no_sending(_: Collection[str]) -> None:
    """For hubs without a broker: devices get their documents with the answer to their next hello."""


def nothing_safe(_: Connection) -> Safety:
    """For hubs that do not say what is safe."""
    return Safety(0, 0, 0)


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
        changes_ok: whether there is room for people's changes and their lines in the audit trail.
        administer: answers what administration commands ask (`hub.requests`), such as enrolling a device.
        safety: what devices may be told is safe, read with this connection.
        roads: where road times come from.
        send_documents: sends these devices the documents that changed, at once; those out of contact get them later.
        map: what lies under the vehicles on the map.
        readers: places for requests that read.
        correcting: held from looking whether a fact may be corrected until that is decided and folded, so that of two people
            at once the second sees what the first did.
    """

    database: Database
    live: LiveBus
    decide: Callable[[Decision], bytes]
    now_ms: Callable[[], int]
    secure: bool = False
    ready: Callable[[], bool] = always_ready
    storage_ok: Callable[[], bool] = always_ready
    hears: Callable[[], bool] = always_ready
    changes_ok: Callable[[], bool] = always_ready
    administer: Callable[[Administration], Any] = no_administration
    safety: Callable[[Connection], Safety] = nothing_safe
    map: MapSource = BUILT_IN
    roads: Roads = field(default_factory=Estimate)
    send_documents: Callable[[Collection[str]], None] = no_sending
    readers: Semaphore = field(default_factory=lambda: Semaphore(READERS_AT_ONCE), compare=False)
    correcting: AbstractContextManager[object] = field(default_factory=Lock, compare=False)

    def tell_routes(self, names: Iterable[str]) -> None:
        """Tell open pages that these routes are planned, given or served otherwise than they show; after the commit."""
        self.live.publish(Change(ROUTE, name) for name in names)

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


async def read_connection(request: Request) -> AsyncIterator[Connection]:
    """A consistent read-only snapshot for one request."""
    hub = hub_context(request)
    async with hub.readers:
        # Taken before the snapshot begins: what changes in between is then told twice instead of never.
        request.state.live_position = hub.live.position
        async with contextmanager_in_threadpool(hub.database.read()) as connection:
            yield connection


Reader = Annotated[Connection, Depends(read_connection, scope="function")]
"""Parameter type of routes that read. The snapshot ends before the answer is sent: an open stream must not hold one."""
