"""Judging sensors anew whose profile was changed: one after the other, each by a fact of its own.

A profile may judge 400 sensors with three months of readings each, which is work for a quarter of an hour. So its change only
says that they are judged as before for now, and the hub states for each of them that it is judged anew. What was judged when is
then in the ledger, other work goes on in between, and a hub that was stopped goes on where it was.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from contract.event import Decision
from hub.centre import Centre
from hub.coldchain.decisions import JUDGE_ANEW, Anew
from hub.coldchain.profiles import held_sensors
from hub.coldchain.tables import temperature_profile
from hub.errors import HubError
from hub.projector import Change

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LOOK_S: Final = 2.0
"""Between two looks at whether a profile was changed."""

PAUSE_S: Final = 0.1
"""Between two sensors, for whoever waits for the one writer."""

Publish = Callable[[Sequence[Change]], None]


def judge_next(centre: Centre, publish: Publish, but: Sequence[tuple[str, str]] = ()) -> tuple[str, str] | None:
    """Judge one sensor anew; which, with the profile that was changed. None: none waits but these."""
    with centre.db.read() as reader:
        waiting = next((one for one in held_sensors(reader) if one not in but), None)
        if waiting is None:
            return None
        who = _who_changed(reader, waiting[1])
    sensor, profile = waiting
    detail = msgspec.json.encode(Anew(profile)).decode()
    _, changes = centre.decide(Decision(JUDGE_ANEW, (), who, f"profile {profile} was changed", sensor, detail))
    publish(changes)
    return waiting


def _who_changed(reader: Connection, profile: str) -> str:
    return reader.scalar(select(temperature_profile.c.who).where(temperature_profile.c.name == profile)) or "hub"


@contextmanager
def judging_anew(centre: Centre, publish: Publish, ready: Callable[[], bool]) -> Iterator[None]:
    """Judge anew whatever waits for it while the block runs, once the hub is ready to fold what it states."""
    ended = threading.Event()

    def run() -> None:
        stated: list[tuple[str, str]] = []
        while not ended.wait(LOOK_S):
            try:
                while ready() and not ended.is_set():
                    done = judge_next(centre, publish, stated)
                    if done is None:
                        break
                    # Where it still waits its fact could not be folded; to state that again and again would help nobody.
                    stated = [*_still_waiting(centre, [*stated, done])]
                    ended.wait(PAUSE_S)
            except (HubError, DBAPIError, OSError) as error:
                log.warning("sensors wait to be judged anew", why=str(error))

    thread = threading.Thread(target=run, name="judging-anew", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _still_waiting(centre: Centre, some: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    with centre.db.read() as reader:
        waiting = set(held_sensors(reader))
    yield from (one for one in some if one in waiting)
