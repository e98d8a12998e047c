"""What people ask of the notices: on the command line, and with the buttons of the page."""

from typing import Any

import msgspec
from sqlalchemy import Connection

from hub.accounts.audit import audit
from hub.db import Database
from hub.errors import Refused
from hub.notices import store
from hub.notices.channel import usable
from hub.notices.finding import Kind
from hub.notices.job import TEST_FINDING
from hub.notices.outbox import Notice, State, new_notice
from hub.notices.targets import Target, add_target, check, read_settings, remove_target
from hub.requests import (
    AT_THE_MACHINE,
    AddNoticeTarget,
    ListNoticeTargets,
    NoticeRequest,
    ReleaseNotices,
    RemoveNoticeTarget,
    SendTestNotice,
)

LOOKED_BACK = 500
"""Tellings that the state of targets is told from."""


class TargetView(msgspec.Struct, frozen=True):
    """A target and how telling it goes; its address only in part."""

    name: str
    address: str
    kinds: tuple[str, ...]
    places: tuple[str, ...]
    language: str
    sent_ms: int | None
    waiting: int
    error: str
    """Of the last try; empty where that got through to all."""


def administer_notices(database: Database, request: NoticeRequest, now_ms: int) -> Any:
    """Do what is asked; results are of JSON types and structs.

    Raises:
        Refused: it cannot be done; nothing was changed. The message holds no address.
    """
    match request:
        case AddNoticeTarget():
            _add(database, _target(request), now_ms)
        case RemoveNoticeTarget(name):
            remove_target(database.folder, name)
            with database.write() as tx:
                audit(tx, at_ms=now_ms, who=AT_THE_MACHINE, action="notices.remove", subject=name)
        case ListNoticeTargets():
            with database.read() as reader:
                return target_views(reader, database)
        case SendTestNotice(name, who, why):
            _test(database, name, now_ms, who, why)
        case ReleaseNotices():
            with database.write() as tx:
                store.release(tx, now_ms)
                audit(tx, at_ms=now_ms, who=AT_THE_MACHINE, action="notices.release", subject="")
    return None


def _target(request: AddNoticeTarget) -> Target:
    known = [kind.value for kind in Kind if kind is not Kind.TEST]
    wrong = [kind for kind in request.kinds if kind not in known]
    if wrong:
        raise Refused(f"there is no kind {wrong[0]!r}; expected {', '.join(known)}")
    kinds = tuple(Kind(kind) for kind in request.kinds)
    return Target(request.name, request.url, kinds, request.places, request.language)


def _add(database: Database, target: Target, now_ms: int) -> None:
    if not usable(check(target).url):
        raise Refused(
            f"target {target.name}: no service is known for {target.masked}; see docs/notices.md for addresses"
        )
    add_target(database.folder, target)
    with database.write() as tx:
        about = f"{target.masked} {' '.join(target.kinds)} {' '.join(target.places)} {target.language}"
        audit(tx, at_ms=now_ms, who=AT_THE_MACHINE, action="notices.add", subject=target.name, new=about)


def _test(database: Database, name: str, now_ms: int, who: str, why: str) -> None:
    if all(target.name != name for target in read_settings(database.folder).targets):
        raise Refused(f"there is no target {name!r}; `holdfast-hub notices list` shows who there is")
    with database.write() as tx:
        number = store.rounds_of(tx, TEST_FINDING, name)
        # Its end is told with it, so that it counts as nothing that lasts.
        test = new_notice(TEST_FINDING, 0, name, number, kind=Kind.TEST, now_ms=now_ms, tells_end=True)
        store.keep(tx, [test])
        audit(tx, at_ms=now_ms, who=who, action="notices.test", subject=name, why=why)


def target_views(reader: Connection, database: Database) -> list[TargetView]:
    """All targets in the order of the file.

    Raises:
        Refused: the file cannot be used.
    """
    notices = store.latest_notices(reader, LOOKED_BACK)
    sent = store.last_sent(reader)
    waiting = store.waiting_by_target(reader)
    return [
        TargetView(
            name=target.name,
            address=target.masked,
            kinds=tuple(kind.value for kind in target.kinds),
            places=target.places,
            language=target.language,
            sent_ms=sent.get(target.name),
            waiting=waiting.get(target.name, 0),
            error=_last_error([one for one in notices if one.target == target.name], sent.get(target.name)),
        )
        for target in read_settings(database.folder).targets
    ]


def _last_error(notices: list[Notice], sent_ms: int | None) -> str:
    waiting = (one.error for one in notices if one.state is State.WAITING and one.error)
    partly = (one.error for one in notices if one.state is State.SENT and one.sent_ms == sent_ms)
    return next(waiting, "") or next(partly, "")
