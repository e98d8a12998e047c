"""`holdfast-hub serve`: the whole hub in one process, put together here and taken apart in the reverse order.

After a crash devices wait, so the way to the first acknowledgement comes first: lock, database, broker, ingest. The web, the
accounts and the rest of the hub are loaded while ingest already works.
"""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import OperationalError

from contract.event import Decision
from contract.messages import LatestReading
from hub.ahead import values_ahead
from hub.archive.terms import FOR_EVER, Terms
from hub.broker.address import Address
from hub.broker.embedded import EmbeddedBroker
from hub.broker.link import RETRY_CHILD_S, BrokerLink, Credential
from hub.centre import Centre, open_centre
from hub.collector import settle_collector
from hub.errors import HubError, Refused
from hub.ingest import Ingest, Outlets
from hub.live import LiveBus
from hub.map.source import BUILT_IN, MapSource
from hub.registry import Registry

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DRAIN_S: Final = 4.0
CATCH_UP_RETRY_S: Final = 5.0
BROKER_LOOK_S: Final = 0.1
SWITCH_S: Final = 0.0005
"""While the rest is loaded ingest gets its turn ten times sooner than Python gives it by itself."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve."""

    data: Path
    http: Address
    mqtt: Address
    external: Address | None = None
    """An external broker; None runs the embedded one."""
    external_credential: Credential | None = None
    backup_dir: Path | None = None
    backup_every_s: float = 6 * 3600.0
    keep: Terms = FOR_EVER
    secure: bool = False
    """Pages are reached over https, through a proxy."""
    map: MapSource = BUILT_IN
    roads: str = ""
    """Where road times are asked (`hub.routes.roads.parse_roads`); empty: they are estimated."""


class _Stop:
    """The one place where the end begins: a signal, or a part that cannot go on."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.failure: str | None = None

    def ask(self, failure: str | None = None) -> None:
        self.failure = self.failure or failure
        self._event.set()

    def wait(self, seconds: float | None = None) -> bool:
        return self._event.wait(seconds)

    @property
    def asked(self) -> bool:
        return self._event.is_set()


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    Raises:
        Refused: it cannot start.
        UnsafeStorage: it could lose what it acknowledges.
    """
    stop = _Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.ask())
    with ExitStack() as stack:
        centre = stack.enter_context(open_centre(settings.data, with_backups=settings.backup_dir is not None))
        listener = stack.enter_context(_listener(settings.http))
        live = LiveBus(centre.now_ms)
        broker, link = _broker(settings, centre, stack)
        ingest = Ingest(centre, _outlets(centre, live, link.publish))
        centre.projector.hold()
        link.start(ingest.offer)
        stack.callback(link.stop)
        stack.enter_context(_running(ingest, stop))
        caught_up = stack.enter_context(_catching_up(centre, live, stop))
        if broker is not None:
            broker.wait_started()

        usual_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        # Here, because it is most of the hub, and takes longer to load than all that devices wait for.
        from hub.accounts.room import has_room  # noqa: PLC0415 see above
        from hub.administration import Administration  # noqa: PLC0415 see above
        from hub.clock_watch import watching_clock  # noqa: PLC0415 see above
        from hub.context import HubContext  # noqa: PLC0415 see above
        from hub.control import ControlSocket  # noqa: PLC0415 see above
        from hub.display.publisher import showing  # noqa: PLC0415 see above
        from hub.notices.job import Place, telling  # noqa: PLC0415 see above
        from hub.routes.roads import parse_roads  # noqa: PLC0415 see above
        from hub.routes.sending import sender  # noqa: PLC0415 see above
        from hub.web.server import serving  # noqa: PLC0415 see above

        administration = Administration(centre, lambda: _tell_broker(broker, centre.registry))
        mqtt_url = broker.url if broker else _url_of(settings)
        administration.remember_mqtt(mqtt_url)
        control = ControlSocket(settings.data, administration.answer)
        stack.callback(control.close)
        context = HubContext(
            database=centre.db,
            live=live,
            decide=_decider(centre, live),
            now_ms=centre.now_ms,
            secure=settings.secure,
            storage_ok=lambda: ingest.counts.storage_ok,
            hears=lambda: link.up,
            changes_ok=lambda: ingest.counts.storage_ok and has_room(settings.data),
            administer=administration.answer,
            safety=centre.safety,
            map=settings.map,
            roads=parse_roads(settings.roads),
            send_documents=sender(centre.db, centre.registry, link.publish),
            ready=lambda: caught_up.is_set() and link.up and ingest.counts.storage_ok and not stop.asked,
        )
        stack.enter_context(serving(context, listener, stop.ask))
        stack.enter_context(watching_clock(centre, live.publish))
        http_url = Address(settings.http.host, listener.getsockname()[1]).url("http")
        stack.enter_context(telling(Place(centre.db, live.ahead, centre.now_ms, http_url)))
        stack.enter_context(showing(centre.db, live, link, centre.now_ms))
        _keep_house(settings, centre, live, caught_up, stack)
        settle_collector()
        sys.setswitchinterval(usual_s)
        _wait_ready(link, caught_up, stop)
        if not stop.asked:
            sys.stdout.write(json.dumps({"event": "ready", "http": http_url, "mqtt": mqtt_url}) + "\n")
            sys.stdout.flush()
        stop.wait()
    if stop.failure is not None:
        sys.stderr.write(f"{stop.failure}\n")
        return 1
    return 0


def _keep_house(
    settings: Settings, centre: Centre, live: LiveBus, caught_up: threading.Event, stack: ExitStack
) -> None:
    """Anchors of the audit trail, judging anew; backups, archives and erasure, where they are wanted."""
    from hub.accounts.anchors import anchoring  # noqa: PLC0415 as in `serve`
    from hub.archive.schedule import archiving  # noqa: PLC0415 as in `serve`
    from hub.backup_schedule import scheduled_backups  # noqa: PLC0415 as in `serve`
    from hub.coldchain.anew import judging_anew  # noqa: PLC0415 as in `serve`

    stack.enter_context(anchoring(centre.db, _decider(centre, live)))
    if settings.backup_dir is not None:
        backups = scheduled_backups(centre, settings.backup_dir, settings.backup_every_s, live.publish)
        stack.enter_context(backups)
    stack.enter_context(archiving(centre, settings.keep))
    stack.enter_context(judging_anew(centre, live.publish, caught_up.is_set))


@contextmanager
def _listener(listen: Address) -> Iterator[socket.socket]:
    """Where pages are asked for: taken early, so that whoever asks while the hub starts is answered a moment later."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        listener = socket.create_server((listen.host, listen.port), family=family)
    except OSError as error:
        raise Refused(f"cannot listen on {listen.bind}: {os.strerror(error.errno or 0)}") from error
    with listener:
        yield listener


def _broker(settings: Settings, centre: Centre, stack: ExitStack) -> tuple[EmbeddedBroker | None, BrokerLink]:
    if settings.external is not None:
        if settings.external_credential is None:
            raise Refused("an external broker needs --broker-credential FILE; `broker-config` writes one")
        return None, BrokerLink(settings.external, settings.external_credential)
    broker = EmbeddedBroker(settings.data, settings.mqtt, centre.registry.active(), centre.registry.displays())
    stack.callback(broker.stop)
    return broker, BrokerLink(broker.reach, broker.credential, RETRY_CHILD_S)


def _tell_broker(broker: EmbeddedBroker | None, registry: Registry) -> None:
    if broker is not None:
        broker.update(registry.active(), registry.displays())


def _url_of(settings: Settings) -> str:
    address = settings.external or settings.mqtt
    return address.url("mqtts" if address.tls else "mqtt")


def _outlets(centre: Centre, live: LiveBus, publish: Callable[[str, bytes], None]) -> Outlets:
    def on_live(device: str, readings: Sequence[LatestReading]) -> None:
        live.publish_ahead("sensor", values_ahead(device, readings, centre.now_ms()))

    return Outlets(publish=publish, on_live=on_live, on_committed=live.publish)


def _decider(centre: Centre, live: LiveBus) -> Callable[[Decision], bytes]:
    def decide(decision: Decision) -> bytes:
        identity, changes = centre.decide(decision)
        live.publish(changes)
        return identity

    return decide


def _wait_ready(link: BrokerLink, caught_up: threading.Event, stop: _Stop) -> None:
    """Wait until work can be taken, or the end is asked for.

    Raises:
        Refused: the broker does not let the hub in.
    """
    waiting = False
    while not (stop.asked or (link.wait_until_up(BROKER_LOOK_S) and caught_up.wait(BROKER_LOOK_S))):
        if link.refusal is not None:
            raise Refused(f"the broker does not let the hub in: {link.refusal}; check its credential")
        if not (waiting or link.up):
            log.warning("the broker is away; devices wait until it is back")
            waiting = True


@contextmanager
def _running(ingest: Ingest, stop: _Stop) -> Iterator[None]:
    """Ingest in its thread; what it cannot survive ends the process, for another start is the only safe way on."""
    with _thread("ingest", ingest.run, stop):
        try:
            yield
        finally:
            ingest.stop()


@contextmanager
def _catching_up(centre: Centre, live: LiveBus, stop: _Stop) -> Iterator[threading.Event]:
    """Fold what an earlier process left, while ingest already acknowledges; the event says when that is done."""
    caught_up = threading.Event()

    def run() -> None:
        while not stop.asked:
            try:
                centre.projector.catch_up(lambda: stop.asked, live.publish)
            except OperationalError as error:
                # The disk is full: facts are refused, pages show what is there, and room may come.
                log.warning("storage refuses to fold", why=str(error.orig))
                stop.wait(CATCH_UP_RETRY_S)
            else:
                caught_up.set()
                return

    with _thread("catch-up", run, stop):
        try:
            yield caught_up
        finally:
            # So that it ends between two transactions: a death in one would be held against its facts.
            stop.ask()


@contextmanager
def _thread(name: str, work: Callable[[], None], stop: _Stop) -> Iterator[None]:
    def run() -> None:
        try:
            work()
        except HubError as error:
            stop.ask(str(error))
        except BaseException as error:
            log.exception("a part failed", part=name)
            stop.ask(f"{name} failed: {error!r}; the hub ends and devices will send again")

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(DRAIN_S)
