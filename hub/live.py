"""The live bus: what changed at the hub, read and encoded once, and fanned out to all open pages as the same bytes.

Writer and projector threads name what changed (`publish`), or bring a value that ran ahead of its fact (`publish_ahead`). The
bus collects for a moment (`gather_s`), reads each changed thing once, however often it changed, and hands one byte string to
every viewer. A viewer that falls behind is not waited for: it is told to fetch its snapshot again. Server-sent events as in
the HTML standard, section 9.2.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.ahead import Ahead

if TYPE_CHECKING:
    # The bus is there before the web is loaded.
    from starlette.types import Send

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CONTACT: Final = "contact"
"""The topic of a change that is none of a row: an authentic message of a device came."""
CONTACT_TOLD_MS: Final = 4_000
"""Each time for a device that sends live values every 5 s, and no more often for one that uploads a backlog."""

ROUTE: Final = "route"
"""The topic of what a person changed of a route; what devices say of it are deliveries."""
TOPICS: Final = ("parcel", "sensor", "device", "incident", "excursion", "position", "delivery", ROUTE)

FLUSH_S: Final = 0.1
"""One write per viewer ten times a second is quick for an eye and cheap for the hub."""
CROWD: Final = 500
"""So many viewers make gathering twice as long: what a flush costs is one write for each."""
LONGEST_FLUSH_S: Final = 0.5
"""Still at once for who looks at a page."""
HEARTBEAT_S: Final = 10.0
"""A page that hears nothing for three of these says that it is not live."""
STREAM_S: Final = 900.0
"""Then the page connects again, and is asked again who it is."""
VIEWER_CHUNKS: Final = 64
"""About six seconds of a busy hub; whoever is further behind fetches a snapshot instead."""
FLUSH_KEYS: Final = 2_000
"""Where more changes at once (a backlog arrives), pages fetch what they show instead of hearing of all of it."""
HISTORY_CHUNKS: Final = 256
"""What a page that was rendered, or lost its line, moments ago can catch up on."""


Values = Callable[[str, Sequence[str]], Mapping[str, Any]]
"""Reads what pages show of some things of a topic; runs in a thread. A thing that is not there is left out."""


class Changed(Protocol):
    """Names one thing whose rows changed (`hub.projector.Change`)."""

    @property
    def topic(self) -> str:
        """One of TOPICS, or CONTACT; changes of other topics are nobody's business here."""

    @property
    def key(self) -> str:
        """Which one: its id."""


class _Viewer:
    """One open page: chunks that wait for its socket."""

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.ready = asyncio.Event()

    def put(self, chunk: bytes, instead: bytes) -> None:
        """Queue a chunk; where too many wait already, drop them all for `instead`."""
        if len(self.chunks) >= VIEWER_CHUNKS:
            self.chunks.clear()
            chunk = instead
        self.chunks.append(chunk)
        self.ready.set()


def gather_s(viewers: int) -> float:
    """How long changes are gathered for so many viewers before they are told."""
    return min(FLUSH_S * (1 + viewers / CROWD), LONGEST_FLUSH_S)


class LiveBus:
    """Takes changes from any thread, hands them to every open page.

    Args:
        now_ms: the hub's clock; browsers count ages by it, and event ids differ from those before a restart.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.ahead = Ahead()
        self._now_ms = now_ms
        self._told: dict[str, int] = {}
        self._epoch = f"{now_ms():x}"
        self._lock = Lock()
        self._changed: dict[str, dict[str, None]] = {}
        self._ahead: dict[str, dict[str, Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._values: Values | None = None
        self._flush_due = False
        self._closed = False
        self._viewers: set[_Viewer] = set()
        self._number = 0
        self._history: deque[tuple[int, bytes]] = deque(maxlen=HISTORY_CHUNKS)
        self._heartbeat: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._followers: tuple[Callable[[Sequence[Changed]], None], ...] = ()

    # -- from any thread -----------------------------------------------------------------------------------------------

    def publish(self, changes: Iterable[Changed]) -> None:
        """Say what changed, after its commit; returns at once. Before `start` and after `close` no page hears it."""
        changes = list(changes)
        for follower in self._followers:
            follower(changes)
        with self._lock:
            for change in changes:
                if change.topic == CONTACT:
                    self._hear(change.key)
                elif change.topic in TOPICS:
                    self._changed.setdefault(change.topic, {})[change.key] = None
            self._schedule()

    def tell(self, follower: Callable[[Sequence[Changed]], None]) -> None:
        """Tell this too of everything that is published, in the thread that publishes; it must not wait."""
        self._followers += (follower,)

    def publish_ahead(self, topic: str, values: Mapping[str, Any]) -> None:
        """Show values that ran ahead of their facts: marked `"kept": false`, stored nowhere.

        Live values of sensors are remembered for pages that are rendered later.
        """
        if topic == "sensor":
            self.ahead.take(values)
        with self._lock:
            self._ahead.setdefault(topic, {}).update(values)
            self._schedule()

    def _hear(self, device: str) -> None:
        now_ms = self._now_ms()
        self.ahead.hear(device, now_ms)
        if now_ms - self._told.get(device, 0) >= CONTACT_TOLD_MS:
            self._told[device] = now_ms
            self._ahead.setdefault("device", {})[device] = {"contact_ms": now_ms}

    def _schedule(self) -> None:
        if self._loop is None or self._closed or not self._viewers:
            # Nobody to tell; a page that is just being rendered must know that it cannot follow from here.
            self._changed.clear()
            self._ahead.clear()
            self._history.clear()
            self._number += 1
        elif not self._flush_due:
            self._flush_due = True
            self._loop.call_soon_threadsafe(self._flush_later)

    def close(self) -> None:
        """End all streams at once. Called before the server is asked to stop, which waits for open responses."""
        with self._lock:
            self._closed = True
            loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake_all)

    @property
    def position(self) -> str:
        """The id of the last event; a page rendered now follows from here (`after`)."""
        return f"{self._epoch}-{self._number}"

    @property
    def viewers(self) -> int:
        """How many pages are open."""
        return len(self._viewers)

    # -- on the event loop ---------------------------------------------------------------------------------------------

    def start(self, values: Values) -> None:
        """Begin, on the running event loop."""
        self._values = values
        with self._lock:
            self._loop = asyncio.get_running_loop()
        self._heartbeat = self._loop.call_later(HEARTBEAT_S, self._beat)

    async def stop(self) -> None:
        """Let go of the event loop; the end of the app's life."""
        self.close()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        if self._flushing is not None:
            await asyncio.gather(self._flushing, return_exceptions=True)
        with self._lock:
            self._loop = None

    def _flush_later(self) -> None:
        self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        await asyncio.sleep(gather_s(len(self._viewers)))
        with self._lock:
            changed, self._changed = self._changed, {}
            ahead, self._ahead = self._ahead, {}
        self._number += 1
        try:
            if sum(map(len, changed.values())) > FLUSH_KEYS:
                self._tell_to_refetch()
            else:
                body = await asyncio.to_thread(self._encode, changed, ahead)
                chunk = body + self._position_event("beat")
                self._history.append((self._number, chunk))
                self._send_all(chunk)
        except SQLAlchemyError as error:
            log.warning("live changes could not be read; pages fetch what they show", error=str(error))
            self._tell_to_refetch()
        finally:
            with self._lock:
                self._flush_due = False
                if self._changed or self._ahead:
                    self._schedule()

    def _encode(self, changed: dict[str, dict[str, None]], ahead: dict[str, dict[str, Any]]) -> bytes:
        assert self._values is not None  # noqa: S101 # flushes are scheduled only after start
        out = []
        for topic, keys in changed.items():
            for key, value in self._values(topic, list(keys)).items():
                out.append(_event(topic, key, value, kept=True))
        for topic, values in ahead.items():
            out += [_event(topic, key, value, kept=False) for key, value in values.items()]
        return b"".join(out)

    def _beat(self) -> None:
        # The comment keeps proxies from closing the line, the time keeps the ages of pages right.
        self._send_all(b":\n" + self._position_event("beat"))
        self._heartbeat = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)

    def _send_all(self, chunk: bytes) -> None:
        instead = self._position_event("refetch")
        for viewer in self._viewers:
            viewer.put(chunk, instead)

    def _tell_to_refetch(self) -> None:
        self._history.clear()
        self._send_all(self._position_event("refetch"))

    def _wake_all(self) -> None:
        for viewer in self._viewers:
            viewer.ready.set()

    def _position_event(self, name: str) -> bytes:
        return f"id: {self.position}\nevent: {name}\ndata: {self._now_ms()}\n\n".encode()

    def _since(self, after: str) -> list[bytes]:
        """What a page missed that saw everything up to `after`; the call to fetch anew where that is not known any more."""
        epoch, _, number = after.rpartition("-")
        known = epoch == self._epoch and number.isdecimal() and int(number) <= self._number
        oldest = self._history[0][0] if self._history else self._number + 1
        if not known or int(number) + 1 < oldest:
            return [self._position_event("refetch")]
        return [chunk for n, chunk in self._history if n > int(number)]

    async def stream(self, send: "Send", after: str) -> None:
        """Write events to one page until the bus closes or the page goes away (then this is cancelled)."""
        viewer = _Viewer()
        viewer.chunks.extend([b"retry: 2000\n\n", *self._since(after), self._position_event("beat")])
        viewer.ready.set()
        with self._lock:
            self._viewers.add(viewer)
        try:
            while not self._closed:
                await viewer.ready.wait()
                viewer.ready.clear()
                body = viewer.chunks.popleft() if len(viewer.chunks) == 1 else b"".join(viewer.chunks)
                viewer.chunks.clear()
                if body:
                    await send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            with self._lock:
                self._viewers.discard(viewer)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _event(topic: str, key: str, value: Any, *, kept: bool) -> bytes:
    body = msgspec.json.encode({"key": key, "kept": kept, "value": value})
    return b"event: " + topic.encode() + b"\ndata: " + body + b"\n\n"
