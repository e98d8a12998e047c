"""`holdfast-hub serve`: the whole hub in one process, put together here and taken apart in the reverse order."""

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
import uvicorn
from sqlalchemy.exc import DBAPIError

from contract.event import Decision
from contract.messages import LatestReading
from hub.administration import Administration
from hub.app import create_app
from hub.backup import clear_rests, make_backup, note_missing, prune, scheduled_name
from hub.broker.address import Address
from hub.broker.embedded import EmbeddedBroker
from hub.broker.link import BrokerLink, Credential
from hub.centre import Centre, open_centre
from hub.context import HubContext
from hub.control import ControlSocket
from hub.errors import HubError, Refused
from hub.ingest import Ingest, Outlets
from hub.live import LiveBus
from hub.web.live_values import values_ahead

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LINK_START_S: Final = 10.0
HTTP_START_S: Final = 15.0
HTTP_STOP_S: Final = 3
"""Event streams are ended first, so what is left are short requests."""
DRAIN_S: Final = 4.0


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
    secure: bool = False
    """Pages are reached over https, through a proxy."""


class _Stop:
    """The one place where the end begins: a signal, or a part that cannot go on."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.failure: str | None = None

    def ask(self, failure: str | None = None) -> None:
        self.failure = self.failure or failure
        self._event.set()

    def wait(self) -> None:
        self._event.wait()

    @property
    def asked(self) -> bool:
        return self._event.is_set()

    def wait_for(self, seconds: float) -> bool:
        return self._event.wait(seconds)


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
        centre.projector.catch_up()
        live = LiveBus(centre.now_ms)
        broker, address, credential = _broker(settings, centre, stack)
        link = BrokerLink(address, credential)
        ingest = Ingest(centre, _outlets(centre, live, link.publish))
        link.start(ingest.offer)
        stack.callback(link.stop)
        stack.enter_context(_running(ingest, stop))
        administration = Administration(centre, lambda: broker.update(centre.registry.active()) if broker else None)
        control = ControlSocket(settings.data, administration.answer)
        stack.callback(control.close)
        mqtt_url = broker.url if broker else address.url("mqtts" if address.tls else "mqtt")
        administration.remember_mqtt(mqtt_url)
        if not link.wait_until_up(LINK_START_S):
            raise Refused(f"the broker at {address.bind} does not let the hub in; see the log above")
        context = HubContext(
            database=centre.db,
            live=live,
            decide=_decider(centre, live),
            now_ms=centre.now_ms,
            secure=settings.secure,
            ready=lambda: link.up and ingest.counts.storage_ok and not stop.asked,
        )
        http_url = stack.enter_context(_web(context, settings.http, stop))
        if settings.backup_dir is not None:
            stack.enter_context(_backups(centre, settings.backup_dir, settings.backup_every_s))
        sys.stdout.write(json.dumps({"event": "ready", "http": http_url, "mqtt": mqtt_url}) + "\n")
        sys.stdout.flush()
        stop.wait()
    if stop.failure is not None:
        sys.stderr.write(f"{stop.failure}\n")
        return 1
    return 0


def _broker(settings: Settings, centre: Centre, stack: ExitStack) -> tuple[EmbeddedBroker | None, Address, Credential]:
    if settings.external is not None:
        if settings.external_credential is None:
            raise Refused("an external broker needs --broker-credential FILE; `broker-config` writes one")
        return None, settings.external, settings.external_credential
    broker = EmbeddedBroker(settings.data, settings.mqtt, centre.registry.active())
    stack.callback(broker.stop)
    return broker, broker.reach, broker.credential


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


@contextmanager
def _running(ingest: Ingest, stop: _Stop) -> Iterator[None]:
    """Ingest in its thread; what it cannot survive ends the process, for another start is the only safe way on."""

    def run() -> None:
        try:
            ingest.run()
        except HubError as error:
            stop.ask(str(error))
        except BaseException as error:
            log.exception("ingest failed")
            stop.ask(f"ingest failed: {error!r}; the hub ends and devices will send again")

    thread = threading.Thread(target=run, name="ingest", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ingest.stop()
        thread.join(DRAIN_S)


@contextmanager
def _web(context: HubContext, listen: Address, stop: _Stop) -> Iterator[str]:
    """The pages and the API in a thread; ends open event streams first, which would otherwise never end."""
    try:
        listener = socket.create_server(
            (listen.host, listen.port), family=socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        )
    except OSError as error:
        raise Refused(f"cannot listen on {listen.bind}: {os.strerror(error.errno or 0)}") from error
    config = uvicorn.Config(
        create_app(context),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=HTTP_STOP_S,
    )
    server = uvicorn.Server(config)
    started = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[listener])
        except (Exception, SystemExit) as error:
            log.exception("the web side failed")
            stop.ask(f"the web side failed: {error!r}")
        finally:
            started.set()

    thread = threading.Thread(target=run, name="web", daemon=True)
    thread.start()
    while not server.started and not started.wait(0.01):
        pass
    try:
        if not server.started:
            raise Refused("the web side does not start; see the log above")
        yield Address(listen.host, listener.getsockname()[1]).url("http")
    finally:
        context.live.close()
        server.should_exit = True
        thread.join(HTTP_STOP_S + 1)
        listener.close()


@contextmanager
def _backups(centre: Centre, folder: Path, every_s: float) -> Iterator[None]:
    """Make, verify, record and prune backups, the first at once."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    clear_rests(folder)
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                with centre.db.write() as tx:
                    note_missing(tx, centre.now_ms())
                now_ms = centre.now_ms()
                made = make_backup(centre.db, centre.blobs, folder.absolute() / scheduled_name(now_ms), now_ms)
                prune(centre.db, folder, centre.now_ms())
                log.info("backup made", path=str(made.path), facts=made.facts, bytes=made.bytes)
            except (HubError, DBAPIError, OSError) as error:
                # A full disk among them: this thread must go on, or there would never be another backup.
                log.exception("no backup was made", why=str(error))
            ended.wait(every_s)

    thread = threading.Thread(target=run, name="backups", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A backup that is being written is given up: its file does not have its name yet.
        thread.join(1)
