"""What the people scan: parcels received at the dock are loaded and taken out by a van; what came of a stop is proved.

A person who hears no beep scans again, and shows the card for the present step again when the device was away.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from firmware_sim.demo.handheld import Promise
from firmware_sim.demo.visits import Deed, Visit, first_try, second_try
from firmware_sim.physics.codes import Code


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

    def meaning(self, step: str, parcels: Iterable[Code]) -> Sequence[Task]:
        """Return the tasks to scan parcels with this step, behind its card where another one was shown last."""
        shown = card("STEP", step)
        return [*(() if shown == self._step_card else (shown,)), *(Task(parcel, step) for parcel in parcels)]

    @abstractmethod
    def more(self) -> Sequence[Task]:
        """Return what to do next when everything is done; nothing while there is nothing to do."""

    @abstractmethod
    def done(self, task: Task) -> None:
        """A parcel was kept."""


class VanShift(Shift):
    """Drives a tour in rounds: loads the parcels of the next stops, takes them there, proves what came of each stop.

    A stop where nobody took anything is met again at the end of its round; what nobody wants is brought back to the dock.
    """

    def __init__(
        self,
        person: str,
        prove: Callable[[Deed], Promise],
        *,
        first_number: int = 1,
        load: int = 6,
        drive_s: float = 0.0,
        door_s: float = 0.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe a courier with a van.

        Args:
            person: Who drives.
            prove: Has a proof kept by the app.
            first_number: Of the next code that is sent.
            load: How many parcels a round has, or as many more as its last stop.
            drive_s: The way to the first customer.
            door_s: From one customer to the next.
            now_s: The clock.
        """
        super().__init__(person, first_number=first_number)
        self.waiting: deque[Code] = deque()
        """Parcels that stand at the dock for this van, in the order of its tour."""
        self.brought: deque[Code] = deque()
        """Parcels that it brought back, until the dock has scanned them."""
        self._tour: deque[Visit] = deque()
        self._prove = prove
        self._load = load
        self._drive_s = drive_s
        self._door_s = door_s
        self._now_s = now_s
        self._done = 0
        self._ahead: deque[tuple[Visit, bool]] = deque()
        """Stops of this round, and whether somebody was there before."""
        self._aboard: list[Code] = []
        """What is to be brought back at the end of this round."""
        self._there_s: float | None = None
        self._scanned = False
        self._promise: Promise | None = None

    @property
    def is_done(self) -> bool:
        """Whether the tour is over."""
        return not (self._tour or self._ahead or self._promise or self.brought or self._tasks)

    def take(self, tour: Iterable[Visit]) -> None:
        """Take further stops, behind those that there are."""
        for visit in tour:
            self._tour.append(replace(visit, number=self._done))
            self._done += 1

    def more(self) -> Sequence[Task]:
        """Return what is to be scanned now; proofs are made on the way."""
        if self._promise is not None:
            if not self._promise.kept.is_set():
                return ()
            self._promise = None
            self._there_s = self._now_s() + (self._door_s if self._ahead else 0.0)
        if self._ahead:
            return self._go_on()
        self.brought.extend(self._aboard)
        self._aboard.clear()
        return self._load_up()

    def done(self, task: Task) -> None:
        """Go on with the next one."""

    def _load_up(self) -> Sequence[Task]:
        if self.brought:
            # One round ends before the next begins, or the hub sees a single long trip.
            return ()
        stops, wanted = 0, 0
        while wanted < self._load and stops < len(self._tour):
            wanted += len(self._tour[stops].codes)
            stops += 1
        if not stops or len(self.waiting) < wanted:
            return ()
        self._ahead.extend((self._tour.popleft(), False) for _ in range(stops))
        self._there_s = None
        return self.meaning("loaded", [self.waiting.popleft() for _ in range(wanted)])

    def _go_on(self) -> Sequence[Task]:
        if self._there_s is None:
            self._there_s = self._now_s() + self._drive_s
        if self._now_s() < self._there_s:
            return ()
        visit, again = self._ahead[0]
        if not again and not self._scanned:
            self._scanned = True
            return self.meaning("out_for_delivery", visit.codes)
        self._ahead.popleft()
        self._scanned = False
        tried = second_try(visit) if again else first_try(visit)
        if tried.again:
            self._ahead.append((visit, True))
        self._aboard += tried.back
        self._promise = self._prove(tried.deed)
        return ()


class DockShift(Shift):
    """Receives what comes for each van in the order of its tour and for the emptiest place first, and what is returned."""

    def __init__(self, person: str, vans: Sequence[VanShift], *, first_number: int = 1, room: int = 12) -> None:
        """`room` is how many may stand for one van."""
        super().__init__(person, first_number=first_number)
        self._vans = vans
        self._room = room
        self._coming: dict[int, deque[Code]] = {id(van): deque() for van in vans}
        self._next = vans[0]

    def expect(self, van: VanShift, codes: Iterable[Code]) -> None:
        """Parcels will come for a van, in this order."""
        self._coming[id(van)].extend(codes)

    def more(self) -> Sequence[Task]:
        """Return what a van brought back, or one parcel if there is one for a van that has room."""
        for van in self._vans:
            if van.brought:
                self._next = van
                return self.meaning("returned", [van.brought[0]])
        open_vans = [van for van in self._vans if self._coming[id(van)] and len(van.waiting) < self._room]
        if not open_vans:
            return ()
        self._next = min(open_vans, key=lambda van: len(van.waiting))
        return self.meaning("received", [self._coming[id(self._next)].popleft()])

    def done(self, task: Task) -> None:
        """Put a parcel that came where its van will find it, and one that came back aside."""
        if task.step == "returned":
            self._next.brought.popleft()
        else:
            self._next.waiting.append(task.code)
