"""What to tell whom, and when: a pure function from findings and what was told before to what is to be told. No clock, no I/O.

Once per finding and target; again while nobody acknowledges, first after `again_ms[0]`, then every `again_ms[1]`; and once more
when it ended. What ended before it was told is told as what it was where it still needs a person, as an excursion does; else it
is dropped, as is what was acknowledged or withdrawn. What was dropped and needs a person again is told after all.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from hub.notices.finding import Finding, Kind
from hub.notices.targets import Rules, Target

NAMESPACE: Final = uuid5(NAMESPACE_URL, "urn:holdfast:notice")
ENDED_ROUND: Final = 1_000
FRESH_MS: Final = 24 * 3_600_000
"""What was known for longer when a target is added, or a hub comes back, is on the pages; nobody is woken for it."""
GROUP_FROM: Final = 4
"""So many tellings at once become one message."""
BACK_OFF_FIRST_MS: Final = 30_000
BACK_OFF_MOST_MS: Final = 30 * 60_000


class State(StrEnum):
    """Of a telling."""

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"


class Notice(Struct, frozen=True):
    """One telling (`hub.notices.tables.NoticeRow`)."""

    id: str
    finding: str
    occurrence: int
    target: str
    round: int
    kind: Kind
    created_ms: int
    due_ms: int
    state: State = State.WAITING
    tells_end: bool = False
    message: str = ""
    tries: int = 0
    sent_ms: int | None = None
    error: str = ""

    @property
    def told(self) -> bool:
        """Whether somebody may have heard it: it was sent, or nobody knows how its last try went."""
        return self.state is State.SENT or (self.state is State.WAITING and bool(self.message))


def new_notice(
    finding: str, occurrence: int, target: str, number: int, *, kind: Kind, now_ms: int, tells_end: bool = False
) -> Notice:
    """A telling that waits; the same one has the same id wherever and whenever it is made."""
    name = "\n".join((finding, str(occurrence), target, str(number)))
    identity = str(uuid5(NAMESPACE, name))
    return Notice(identity, finding, occurrence, target, number, kind, now_ms, now_ms, tells_end=tells_end)


def wants(target: Target, finding: Finding) -> bool:
    """Whether a target is to be told of it."""
    kinds, places = target.kinds, target.places
    return (not kinds or finding.kind in kinds) and (not places or finding.place in places)


def plan(
    found: Iterable[Finding], before: Iterable[Notice], targets: Sequence[Target], rules: Rules, now_ms: int
) -> list[Notice]:
    """What to put into the outbox: tellings that are new, or have changed.

    Args:
        found: all that lasts or needs a person now, and what has become of all others in `before`.
        before: tellings of these findings, and of all whose end was not told.
        targets: whom to tell.
        rules: how often.
        now_ms: the hub's clock.
    """
    now_by_key = {finding.key: finding for finding in found}
    told: defaultdict[tuple[str, str], list[Notice]] = defaultdict(list)
    for notice in before:
        told[notice.target, notice.finding].append(notice)
    changed: list[Notice] = []
    for target in targets:
        mine = {key: _latest(notices) for (name, key), notices in told.items() if name == target.name}
        for key, finding in now_by_key.items():
            if wants(target, finding) or mine.get(key):
                changed += _next(finding, mine.get(key, []), target, rules, now_ms=now_ms, mine=mine)
        for key, notices in mine.items():
            if key not in now_by_key:
                changed += _end(notices, now_ms, needs_person=False)
    return changed


def _latest(notices: Sequence[Notice]) -> list[Notice]:
    latest = max(notice.occurrence for notice in notices)
    return sorted((notice for notice in notices if notice.occurrence == latest), key=lambda notice: notice.round)


def _next(
    finding: Finding,
    notices: list[Notice],
    target: Target,
    rules: Rules,
    *,
    now_ms: int,
    mine: Mapping[str, Sequence[Notice]],
) -> Iterator[Notice]:
    over = any(notice.tells_end for notice in notices)
    if not notices or (over and finding.lasts):
        seen_live = any(
            notice.told and notice.created_ms >= finding.since_ms for notice in mine.get(finding.seen_as, ())
        )
        if finding.needs_person and _fresh(finding, now_ms) and not seen_live:
            occurrence = notices[0].occurrence + 1 if notices else 0
            end = not finding.lasts
            yield new_notice(finding.key, occurrence, target.name, 0, kind=finding.kind, now_ms=now_ms, tells_end=end)
        return
    if not finding.lasts and not over:
        yield from _end(notices, now_ms, needs_person=finding.needs_person)
    elif not finding.needs_person:
        yield from (_dropped(notice) for notice in notices if notice.state is State.WAITING and not notice.tells_end)
    if finding.needs_person:
        yield from _again(finding, notices, rules, now_ms)


def _fresh(finding: Finding, now_ms: int) -> bool:
    return finding.known_ms > now_ms - FRESH_MS


def _again(finding: Finding, notices: Sequence[Notice], rules: Rules, now_ms: int) -> Iterator[Notice]:
    last = next((notice for notice in reversed(notices) if notice.round < ENDED_ROUND), None)
    if last is None:
        return
    if last.state is State.DROPPED and _fresh(finding, now_ms):
        # It grew beyond what was acknowledged, or the target was taken away and came back.
        yield replace(last, state=State.WAITING, due_ms=now_ms)
    if last.sent_ms is None or last.round >= rules.at_most:
        return
    # A clock that was set back must not make people wait for as long.
    if not 0 <= now_ms - last.sent_ms < rules.again_ms[min(last.round, 1)]:
        yield new_notice(last.finding, last.occurrence, last.target, last.round + 1, kind=last.kind, now_ms=now_ms)


def _end(notices: Sequence[Notice], now_ms: int, *, needs_person: bool) -> Iterator[Notice]:
    """What follows when a finding is over."""
    if any(notice.tells_end for notice in notices):
        return
    if any(notice.told for notice in notices):
        yield from (_dropped(notice) for notice in notices if notice.state is State.WAITING and not notice.told)
        first = notices[0]
        yield new_notice(
            first.finding, first.occurrence, first.target, ENDED_ROUND, kind=first.kind, now_ms=now_ms, tells_end=True
        )
        return
    for notice in notices:
        yield replace(notice if needs_person else _dropped(notice), tells_end=True)


def _dropped(notice: Notice) -> Notice:
    return replace(notice, state=State.DROPPED)


# -- sending -----------------------------------------------------------------------------------------------------------


def letters(due: Iterable[Notice]) -> list[list[Notice]]:
    """Tellings of one target by the message that carries them; those of which a try may have arrived stay together.

    What is new comes before reminders, and these before what ended; inside each excursions come first.
    """
    fixed: defaultdict[str, list[Notice]] = defaultdict(list)
    loose: defaultdict[tuple[int, int], list[Notice]] = defaultdict(list)
    for notice in sorted(due, key=lambda notice: (notice.due_ms, notice.id)):
        if notice.message:
            fixed[notice.message].append(notice)
        else:
            loose[_stage(notice), list(Kind).index(notice.kind)].append(notice)
    many: list[list[Notice]] = []
    for _, some in sorted(loose.items()):
        many += [some] if len(some) >= GROUP_FROM else [[notice] for notice in some]
    return sorted(fixed.values(), key=lambda some: some[0].due_ms) + many


def worth_telling(notice: Notice, finding: Finding) -> bool:
    """Whether a telling that waited is still to be told: its end always, else only what needs a person still."""
    return notice.round == ENDED_ROUND or finding.needs_person


def _stage(notice: Notice) -> int:
    return 0 if notice.round == 0 else 2 if notice.round == ENDED_ROUND else 1


def claimed(letter: Sequence[Notice], now_ms: int) -> list[Notice]:
    """The same before a try: the message is fixed, the try counted, and the next one put off in case this one dies."""
    message = letter[0].message or _message(letter)
    # What is new does not wait longer because it goes with what was tried often.
    tries = min(notice.tries for notice in letter)
    wait_ms = min(BACK_OFF_FIRST_MS * 2 ** min(tries, 16), BACK_OFF_MOST_MS)
    return [replace(notice, message=message, tries=notice.tries + 1, due_ms=now_ms + wait_ms) for notice in letter]


def failed(letter: Sequence[Notice], why: str, *, may_have_arrived: bool) -> list[Notice]:
    """The same after a try that failed. What surely did not arrive may go in one message with others next time."""
    return [replace(notice, error=why, message=notice.message if may_have_arrived else "") for notice in letter]


def _message(letter: Sequence[Notice]) -> str:
    if len(letter) == 1:
        return letter[0].id
    return str(uuid5(NAMESPACE, "\n".join(sorted(notice.id for notice in letter))))


def message_id(message: str) -> str:
    """For the header of a mail (RFC 5322, section 3.6.4)."""
    return f"<{UUID(message)}@holdfast.invalid>"
