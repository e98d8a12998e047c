"""Devices, a hub and the wires between them: every step that can be taken from a state, and what must be true of it.

Which fault is which step: a message that is never delivered was dropped; the wires keep no order; a device that dies between
commit and send is a drop and a crash; a hub that dies before its commit never got the message, one that dies before its
answer committed and its answer was dropped.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

from contract.delivery.hub_actions import IncidentKind
from contract.delivery.hub_view import StreamName
from contract.event import Lane
from contract.fact import fact_id
from contract.limits import SAFE_BACKUPS
from contract.messages import MARK_HASH_BYTES, Batch, Credit, Down, Hello, Nack, Up
from tests.model.parts import DEVICE, Device, Hub, States, contradiction, device_key, hub_key

Wire = tuple[int, ...]
"""What is on its way, as sorted numbers; the same number twice is a message twice."""


class Broken(AssertionError):
    """A promise does not hold in a state that the shipped cores came to."""


class Left(NamedTuple):
    """How many more of each may happen; the search tries all ways to spread them."""

    facts: int = 2
    blocks: int = 0
    drops: int = 0
    doubles: int = 0
    ticks: int = 0
    crashes: int = 0
    backups: int = 0
    hub_restores: int = 0
    hub_losses: int = 0
    images: int = 0
    device_restores: int = 0
    clones: int = 0
    flips: int = 0
    refusals: int = 0

    def less(self, kind: str) -> "Left":
        at = self._fields.index(kind)
        return Left(*self[:at], self[at] - 1, *self[at + 1 :])


class State(NamedTuple):
    """One state of everything. `seen` and `gone` are sets of facts as bits."""

    devices: tuple[int, ...]
    hub: int
    up: Wire
    down: tuple[tuple[int, int], ...]
    """Device and message."""
    backups: tuple[int, ...]
    """The newest ones that still exist, newest first."""
    image: int | None
    lives: int
    """Machines and lives of machines so far; each has its own random bytes."""
    seen: int
    """Facts that were ever kept."""
    gone: int
    """Facts whose last copy was on a disk that a fault destroyed."""
    owed: int
    """Incidents (FORK, REGRESSED) that must have shown once everything is at rest."""
    left: int
    """Which `Left`: a number, as what is hashed by the million should be short."""


Step = tuple[str, Callable[[], State]]

FORK, REGRESSED = 1, 2
RETRY_AFTER_MS = 1_000


@dataclass(frozen=True)
class About:
    """What the checks ask of a device's state."""

    held: int
    kept: int
    online: bool
    at_rest: bool
    incarnation: bytes
    hashes: dict[tuple[Lane, int], bytes]
    acked: dict[Lane, int]


@dataclass(frozen=True)
class AboutHub:
    """What the checks ask of a hub's state."""

    held: int
    known: frozenset[tuple[StreamName, int, bytes]]
    longest: dict[StreamName, int]
    kinds: frozenset[IncidentKind]
    wrong: str


_new = tuple.__new__
"""Makes a `State` of its fields, by place: its own constructor was a sixth of a search's time."""


class World:
    """The rules of one scope: how many facts one batch may carry, and all that was worked out so far."""

    def __init__(self, batch_facts: int = 256) -> None:
        self._credit = Credit(batch_facts)
        self._all = Left()
        self._lefts: list[Left] = []
        self._devices: States[Device] = States(device_key)
        self._hubs: States[Hub] = States(hub_key)
        self._empty_hub = self._hubs.number(Hub())
        self._messages: dict[Up | Down, int] = {}
        self._bits: dict[bytes, int] = {}
        self._said: list[Up | Down] = []
        # Each of these is worked out once for the same arguments.
        self.device = cache(self._about_device)
        self.hub = cache(self._about_hub)
        self._device_step = cache(self._step_of_device)
        self._hub_step = cache(self._step_of_hub)
        self._hub_after_backup = cache(self._backup_noted)
        self._belief = cache(self._belief_of)
        self._one_less = cache(self._left_without)

    def start(self, left: Left) -> State:
        self._all = left
        number = self._number_of_left(left)
        return State((self._devices.number(Device("a0")),), self._empty_hub, (), (), (), None, 1, 0, 0, 0, number)

    def _number_of_left(self, left: Left) -> int:
        if left not in self._lefts:
            self._lefts.append(left)
        return self._lefts.index(left)

    def _left_without(self, number: int, kind: str) -> int:
        return self._number_of_left(self._lefts[number].less(kind))

    def _less(self, s: State, kind: str) -> State:
        return _new(State, (*s[:-1], self._one_less(s.left, kind)))

    # -- the parts, each step worked out once ----------------------------------------------------------------------

    def _message(self, message: Up | Down) -> int:
        number = self._messages.get(message)
        if number is None:
            number = self._messages[message] = len(self._said)
            self._said.append(message)
        return number

    def _step_of_device(self, number: int, what: str, argument: int) -> tuple[int, tuple[int, ...]]:
        """The device's next state and what it sends."""
        device = self._devices.thing(number)
        match what:
            case "hear":
                device.hear(self._said[argument])  # type: ignore[arg-type]  # only what goes down is heard
            case "wake":
                device.wake_as(f"a{argument}")
            case _:
                getattr(device, what)()
        sent = tuple(map(self._message, device.sent))
        device.sent = []
        return self._devices.number(device), sent

    def _step_of_hub(self, number: int, message: int) -> tuple[int, tuple[int, ...]]:
        """The hub's next state and what it answers."""
        hub = self._hubs.thing(number)
        hub.hear(self._said[message], self._credit)  # type: ignore[arg-type]  # only what goes up is heard
        replies = tuple(map(self._message, hub.replies))
        hub.replies = []
        after = self._hubs.number(hub)
        self._check_hub_step(number, message, after)
        return after, replies

    def _bit(self, identity: bytes) -> int:
        return 1 << self._bits.setdefault(identity, len(self._bits))

    def _about_device(self, number: int) -> About:
        device = self._devices.thing(number)
        store = device.store
        whole = [i for i, core in store.cores.items() if fact_id(core) == i]
        places = {(lane, s.base_n): s.base_hash for lane, s in store.lanes.items()}
        places |= {(lane, p.n): p.hash for lane, s in store.lanes.items() for p in s.positions}
        return About(
            held=sum(map(self._bit, whole)),
            kept=sum(map(self._bit, store.cores)),
            online=device.online,
            at_rest=device.at_rest,
            incarnation=store.incarnation,
            hashes=places,
            acked={lane: s.acked_n for lane, s in store.lanes.items()},
        )

    def _about_hub(self, number: int) -> AboutHub:
        hub = self._hubs.thing(number)
        return AboutHub(
            held=sum(map(self._bit, hub.with_content())),
            known=frozenset((stream, n, h) for (stream, n), hashes in hub.placed.items() for h in hashes),
            longest={stream: max(b.n for b in heads) for stream, heads in hub.branch_heads.items()},
            kinds=frozenset(i.kind for i in hub.incidents.values()),
            wrong=contradiction(hub),
        )

    # -- steps -----------------------------------------------------------------------------------------------------

    def steps(self, s: State) -> Iterator[Step]:
        """Every step that may be taken, with its name."""
        left = self._lefts[s.left]
        for at, number in enumerate(s.devices):
            yield from self._steps_of(s, left, at, self.device(number))
        for message in dict.fromkeys(s.up):
            said = self._said[message]
            name = f"{type(said).__name__.lower()} {message}"
            rest = _without(s.up, message)
            yield f"hub hears {name}", partial(self._heard_by_hub, s, rest, message)
            if left.doubles:
                yield f"hub hears {name} twice", partial(self._heard_by_hub, self._less(s, "doubles"), s.up, message)
            if left.drops:
                yield f"{name} is dropped", partial(self._less, s._replace(up=rest), "drops")
            if left.refusals and isinstance(said, Batch):
                refusing = self._less(s._replace(up=rest), "refusals")
                yield f"hub has no room for {name}", partial(self._refused, refusing, said)
        for to in dict.fromkeys(s.down):
            at, message = to
            name = f"{type(self._said[message]).__name__.lower()} {message}"
            others = _without(s.down, to)
            if self.device(s.devices[at]).online:
                yield f"{at} hears {name}", partial(self._heard, s, others, at, message)
                if left.doubles:
                    yield (
                        f"{at} hears {name} twice",
                        partial(self._heard, self._less(s, "doubles"), s.down, at, message),
                    )
            if left.drops:
                yield f"{name} to {at} is dropped", partial(self._less, s._replace(down=others), "drops")
        if left.backups:
            yield "hub is backed up", partial(self._backed_up, s)
        if left.hub_restores:
            for nth, backup in enumerate(s.backups):
                yield (
                    f"hub restored to backup {nth}, newest first",
                    partial(self._hub_set_back, s, "hub_restores", backup),
                )
        if left.hub_losses:
            # Nobody restores a hub from nothing within the seconds that a welcome may be on its way.
            nothing = s._replace(backups=(), down=())
            yield "hub and its backups are lost", partial(self._hub_set_back, nothing, "hub_losses", self._empty_hub)

    def _steps_of(self, s: State, left: Left, at: int, device: About) -> Iterator[Step]:
        if left.facts:
            yield f"{at} captures", partial(self._captured, s, at)
        if left.blocks:
            yield f"{at} seals a block", partial(self._moved, self._less(s, "blocks"), at, "seal")
        if not device.online:
            yield f"{at} connects", partial(self._moved, s, at, "connect")
        elif left.ticks:
            yield f"{at} waits for its timer", partial(self._moved, self._less(s, "ticks"), at, "tick")
        if device.online and left.crashes:
            yield f"{at} crashes", partial(self._moved, self._less(s, "crashes"), at, "crash")
        if left.flips and device.held:
            yield f"a bit flips on {at}", partial(self._flipped, s, at)
        if left.images and s.image is None:
            yield f"image of {at}", partial(self._less, s._replace(image=s.devices[at]), "images")
        if left.device_restores and s.image is not None:
            yield f"{at} restored from its image", partial(self._device_restored, s, at)
        if left.clones:
            yield f"{at} is cloned", partial(self._cloned, s, at)

    def _moved(self, s: State, at: int, what: str) -> State:
        return self._went_on(s, s.down, at, what, 0)

    def _heard(self, s: State, down: tuple[tuple[int, int], ...], at: int, message: int) -> State:
        """A device hears a message, and these are still on their way."""
        return self._went_on(s, down, at, "hear", message)

    def _went_on(self, s: State, down: tuple[tuple[int, int], ...], at: int, what: str, argument: int) -> State:
        before = s.devices[at]
        after, sent = self._device_step(before, what, argument)
        devices = (*s.devices[:at], after, *s.devices[at + 1 :])
        up = tuple(sorted((*s.up, *sent))) if sent else s.up
        old, new = self.device(before), self.device(after)
        self._check_release(s, old, new)
        seen = s.seen | new.kept
        return _new(State, (devices, s.hub, up, down, s.backups, s.image, s.lives, seen, s.gone, s.owed, s.left))

    def _captured(self, s: State, at: int) -> State:
        after = self._moved(self._less(s, "facts"), at, "capture")
        new = self.device(after.devices[at])
        for other_at, number in enumerate(after.devices):
            other = self.device(number)
            if other_at != at and other.incarnation == new.incarnation and _differ(new.hashes, other.hashes):
                return after._replace(owed=after.owed | FORK)
        return after

    def _flipped(self, s: State, at: int) -> State:
        number, _ = self._device_step(s.devices[at], "flip", 0)
        after = self._less(s, "flips")._replace(devices=(*s.devices[:at], number, *s.devices[at + 1 :]))
        return after._replace(gone=after.gone | (after.seen & ~self._held(after)))

    def _device_restored(self, s: State, at: int) -> State:
        if s.image is None:
            raise ValueError("no image was made")
        number, _ = self._device_step(s.image, "wake", s.lives)
        after = self._less(s, "device_restores")._replace(
            devices=(*s.devices[:at], number, *s.devices[at + 1 :]), lives=s.lives + 1
        )
        image, hub = self.device(number), self.hub(s.hub)
        ends = {lane: max(n for known, n in image.hashes if known is lane) for lane in Lane}
        behind = any(
            hub.longest.get(StreamName(DEVICE, image.incarnation, lane), 0) > end for lane, end in ends.items()
        )
        owed = after.owed | (REGRESSED if behind else 0)
        return after._replace(gone=after.gone | (after.seen & ~self._held(after)), owed=owed)

    def _cloned(self, s: State, at: int) -> State:
        number, _ = self._device_step(s.devices[at], "wake", s.lives)
        return self._less(s, "clones")._replace(devices=(*s.devices, number), lives=s.lives + 1)

    def _heard_by_hub(self, s: State, up: Wire, message: int) -> State:
        """The hub hears a message, and these are still on their way."""
        hub, replies = self._hub_step(s.hub, message)
        down = self._down(s, replies) if replies else s.down
        return _new(State, (s.devices, hub, up, down, s.backups, s.image, s.lives, s.seen, s.gone, s.owed, s.left))

    def _refused(self, s: State, batch: Batch) -> State:
        """A hub whose disk is full commits nothing and says so."""
        reply = self._message(Nack(batch.incarnation, batch.lane, "busy", Credit(0, RETRY_AFTER_MS)))
        return s._replace(down=self._down(s, (reply,)))

    def _down(self, s: State, replies: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """All machines with the device's name hear what is said to it, if they are there."""
        online = [at for at, number in enumerate(s.devices) if self.device(number).online]
        return tuple(sorted((*s.down, *((at, reply) for reply in replies for at in online))))

    def _backed_up(self, s: State) -> State:
        backups = (s.hub, *s.backups)[:SAFE_BACKUPS]
        return self._less(s, "backups")._replace(hub=self._hub_after_backup(s.hub), backups=backups)

    def _backup_noted(self, number: int) -> int:
        hub = self._hubs.thing(number)
        hub.note_backup()
        return self._hubs.number(hub)

    def _hub_set_back(self, s: State, kind: str, hub: int) -> State:
        after = self._less(s, kind)._replace(hub=hub, owed=0)
        return after._replace(gone=after.gone | (after.seen & ~self._held(after)))

    # -- promises that hold in every state -------------------------------------------------------------------------

    def _held(self, s: State) -> int:
        """Facts that some disk holds, or one of the backups that exist."""
        held = self.hub(s.hub).held
        for number in s.devices:
            held |= self.device(number).held
        for backup in s.backups:
            held |= self.hub(backup).held
        return held

    def check(self, s: State) -> None:
        """P2, P3, P4, P6.

        Raises:
            Broken: one of them does not hold.
        """
        hub = self.hub(s.hub)
        if lost := s.seen & ~s.gone & ~self._held(s):
            raise Broken(f"P2: {lost.bit_count()} facts are on no disk")
        if hub.wrong:
            raise Broken(hub.wrong)
        left = self._lefts[s.left]
        set_back = left.hub_restores < self._all.hub_restores or left.hub_losses < self._all.hub_losses
        if not set_back and (wrong := self._believed(s)):
            raise Broken(wrong)

    def _believed(self, s: State) -> str:
        """D4, D6: what a device believes to be committed, the hub has."""
        for number in s.devices:
            if wrong := self._belief(number, s.hub):
                return wrong
        return ""

    def _belief_of(self, device_number: int, hub_number: int) -> str:
        device, hub = self.device(device_number), self.hub(hub_number)
        for lane, n in device.acked.items():
            stream = StreamName(DEVICE, device.incarnation, lane)
            if n and (lane, n) in device.hashes and (stream, n, device.hashes[lane, n]) not in hub.known:
                return f"D4: a device believes that {lane} is committed up to {n}; the hub does not have that"
        return ""

    def _check_release(self, before: State, old: About, new: About) -> None:
        """P7: what a device lets go, the hub holds, and so does each backup that it may be restored from."""
        freed = old.held & ~new.held
        if not freed:
            return
        safe = self.hub(before.hub).held
        for backup in before.backups:
            safe &= self.hub(backup).held
        if freed & ~safe or len(before.backups) < SAFE_BACKUPS:
            raise Broken("P7: a device let go of a fact that the hub does not hold safely")

    def _check_hub_step(self, before: int, message: int, after: int) -> None:
        """P6: a hub that does not know what it once acknowledged says so."""
        hello = self._said[message]
        if not isinstance(hello, Hello):
            return
        old, new = self._hubs.thing(before), self.hub(after)
        last = old.last_mono_ms(DEVICE, hello.boot)
        if last is not None and hello.mono_ms <= last:
            if after != before and new.kinds - {i.kind for i in old.incidents.values()} != {IncidentKind.STALE_HELLO}:
                raise Broken("H9: a hello that was played back changed something")
            return
        for claim in hello.lanes:
            acked = claim.acked or claim.head
            stream = StreamName(DEVICE, hello.incarnation, claim.lane)
            known = any(h[:MARK_HASH_BYTES] == acked.hash for h in old.placed.get((stream, acked.n), []))
            if acked.n and not known and IncidentKind.HUB_REGRESSED not in new.kinds:
                raise Broken("P6: the hub lost what it acknowledged and says nothing")

    # -- what a fair wire leads to -----------------------------------------------------------------------------------

    def fair_step(self, s: State) -> State | None:
        """The next step of a run without faults; None when nothing is under way."""
        for at, number in enumerate(s.devices):
            if not self.device(number).online:
                return self._moved(s, at, "connect")
        if s.up:
            return self._heard_by_hub(s, s.up[1:], s.up[0])
        if s.down:
            return self._heard(s, s.down[1:], *s.down[0])
        return None

    def timers(self, s: State) -> State:
        """Every device's next timer fires."""
        for at in range(len(s.devices)):
            s = self._moved(s, at, "tick")
        return s

    def unfinished(self, s: State) -> str:
        """What is not yet as it must be once everything is at rest; empty when all is."""
        hub = self.hub(s.hub)
        if missing := s.seen & ~s.gone & ~hub.held:
            return f"P2: {missing.bit_count()} facts never came to the hub"
        for at, number in enumerate(s.devices):
            about = self.device(number)
            if not about.at_rest:
                return f"device {at} does not come to rest"
        if wrong := self._believed(s):
            return wrong
        incarnations = {self.device(number).incarnation for number in s.devices}
        if len(s.devices) > 1 and s.owed & FORK and len(incarnations) < len(s.devices):
            return "P6: two devices go on under one incarnation"
        shown = hub.kinds & {IncidentKind.FORK, IncidentKind.DEVICE_REGRESSED}
        if s.owed and not shown:
            return "P6: a clone or a device restored from an image does not show"
        return ""


def _without(wire: tuple, message: object) -> tuple:  # type: ignore[type-arg]  # of either wire
    at = wire.index(message)
    return wire[:at] + wire[at + 1 :]


def _differ(one: dict[tuple[Lane, int], bytes], other: dict[tuple[Lane, int], bytes]) -> bool:
    return any(one[place] != other[place] for place in one.keys() & other.keys())
