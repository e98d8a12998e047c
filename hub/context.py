"""What the web side needs of the running hub, and how routers get at it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine

from contract.event import Decision
from hub.live import LiveBus

T = TypeVar("T")


class Write(Protocol):
    """Runs `work` in one transaction of the hub's one writer, and returns its result after the commit."""

    def __call__(self, work: Callable[[Connection], T], /) -> T:
        """Run it; what `work` raises comes out here after a rollback."""


@dataclass(frozen=True, slots=True)
class HubContext:
    """Handed to `hub.app.create_app` by `serve` and by tests.

    Attributes:
        reader: engine of read-only connections.
        write: one serialised writer, callable from any thread.
        decide: makes a person's decision a fact in the ledger (device `hub`); returns its identity after the commit.
        live: where committed changes are published.
        now_ms: the hub's clock, UTC epoch ms.
        secure: pages are reached over https, so cookies are marked Secure.
        ready: whether the hub can take work (`/readyz`).
    """

    reader: Engine
    write: Write
    decide: Callable[[Decision], bytes]
    live: LiveBus
    now_ms: Callable[[], int]
    secure: bool = False
    ready: Callable[[], bool] = lambda: True


def hub_context(request: Request) -> HubContext:
    """The context of the app that serves this request."""
    context: HubContext = request.app.state.hub
    return context


Hub = Annotated[HubContext, Depends(hub_context)]


def read_connection(hub: Hub) -> Iterator[Connection]:
    """A read-only connection for one request."""
    with hub.reader.connect() as connection:
        yield connection


Reader = Annotated[Connection, Depends(read_connection)]
"""Parameter type of routes that read."""
