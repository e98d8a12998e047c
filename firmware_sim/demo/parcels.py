"""What the people do: parcels received at the dock are loaded, taken out and delivered by a van.

A person who hears no beep scans again, and shows the card for the present step again when the device was away.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from firmware_sim.physics.codes import Code

LOADING_STEPS = ("loaded", "out_for_delivery")
VAN_STEPS = (*LOADING_STEPS, "delivered")


@dataclass(frozen=True, slots=True)
class Task:
    """One code to scan until it beeps; `step` is what the person means by it, None for a card."""

    code: Code
    step: str | None = None


def card(word: str, value: str) -> Task:
    """Return the task to show a configuration card."""
    return Task(Code(f"HF:{word}:{value}".encode(), is_card=True))


class Shift(ABC):
    """One hand's work: an iterator of numbered codes for `Hand` that never ends, but sometimes has nothing to do."""

    def __init__(self, person: str, *, first_number: int) -> None:
        """Begin with the person's own card; numbers count sends, over restarts too."""
        self._tasks = deque([card("ACTOR", person)])
        self._number = first_number - 1
        self._step_card: Task | None = None

    @property
    def has_work(self) -> bool:
        """Whether there is a code to scan now."""
        if not self._tasks:
            self._tasks.extend(self.more())
        return bool(self._tasks)

    @property
    def step(self) -> str | None:
        """What the person means by the code in hand."""
        return self._tasks[0].step if self._tasks else None

    def __iter__(self) -> Iterator[tuple[int, Code]]:
        return self

    def __next__(self) -> tuple[int, Code]:
        if not self.has_work:
            raise StopIteration
        self._number += 1
        return self._number, self._tasks[0].code

    def beeped(self, number: int) -> Task | None:
        """Take note that a code was kept; return its task when it was the one in hand."""
        if number != self._number or not self._tasks:
            return None
        task = self._tasks.popleft()
        if task.code.data.startswith(b"HF:STEP:"):
            self._step_card = task
        if task.step is not None:
            self.done(task)
        return task

    def came_back(self) -> None:
        """The device was away: make sure that it knows the step."""
        if self._step_card is not None and self._tasks and not self._tasks[0].code.is_card:
            self._tasks.appendleft(self._step_card)

    @abstractmethod
    def more(self) -> Sequence[Task]:
        """Return what to do next when everything is done; nothing while there is nothing to do."""

    @abstractmethod
    def done(self, task: Task) -> None:
        """A parcel was kept."""


class VanShift(Shift):
    """Loads some parcels, takes them out, drives, delivers them, and begins again."""

    def __init__(
        self,
        person: str,
        *,
        first_number: int = 1,
        load: int = 6,
        drive_s: float = 0.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`load` is how many parcels one round has, `drive_s` the way to the first customer by the clock `now_s`."""
        super().__init__(person, first_number=first_number)
        self.waiting: deque[Code] = deque()
        """Parcels that stand at the dock for this van."""
        self._load = load
        self._drive_s = drive_s
        self._now_s = now_s
        self._aboard: list[Code] = []
        self._there_s: float | None = None

    def more(self) -> Sequence[Task]:
        """Return what is to load once enough parcels stand there, and what is to deliver once the van is there."""
        if self._aboard:
            return self._deliver()
        if len(self.waiting) < self._load:
            return ()
        self._aboard = [self.waiting.popleft() for _ in range(self._load)]
        return [task for step in LOADING_STEPS for task in _scans(step, self._aboard)]

    def _deliver(self) -> Sequence[Task]:
        now_s = self._now_s()
        if self._there_s is None:
            self._there_s = now_s + self._drive_s
        if now_s < self._there_s:
            return ()
        parcels, self._aboard, self._there_s = self._aboard, [], None
        return _scans("delivered", parcels)

    def done(self, task: Task) -> None:
        """Go on with the next one."""


def _scans(step: str, parcels: Sequence[Code]) -> Sequence[Task]:
    return [card("STEP", step), *(Task(parcel, step) for parcel in parcels)]


class DockShift(Shift):
    """Receives parcels and puts each where the fewest stand, as long as there is room."""

    def __init__(
        self,
        person: str,
        codes: Iterator[tuple[int, Code]],
        vans: Sequence[VanShift],
        *,
        first_number: int = 1,
        room: int = 12,
    ) -> None:
        """`codes` are parcels that no one has seen before; `room` is how many may stand for one van."""
        super().__init__(person, first_number=first_number)
        self._tasks.append(card("STEP", "received"))
        self._codes = codes
        self._vans = vans
        self._room = room

    def more(self) -> Sequence[Task]:
        """Return one new parcel, if a van has room for it."""
        if min(len(van.waiting) for van in self._vans) >= self._room:
            return ()
        return [Task(code, "received") for _, code in [next(self._codes)]]

    def done(self, task: Task) -> None:
        """Put the parcel where its van will find it."""
        min(self._vans, key=lambda van: len(van.waiting)).waiting.append(task.code)
