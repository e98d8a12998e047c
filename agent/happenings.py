"""Who follows what happens on the device: the courier app's open connections."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from contract.local import Happening

WAITING: Final = 1_000
"""Happenings that a follower may be behind; one further behind is let go and follows anew."""


class Follower:
    """One who follows. `behind` is set when it missed something."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Happening] = queue.Queue(WAITING)
        self.behind = False

    def tell(self, happening: Happening) -> None:
        """Hand over without waiting."""
        try:
            self._queue.put_nowait(happening)
        except queue.Full:
            self.behind = True

    def next(self, timeout_s: float) -> Happening | None:
        """The next happening; None when none came in time."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None


class Happenings:
    """Tells every follower; from any thread, and without ever waiting for one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followers: tuple[Follower, ...] = ()

    @property
    def followed(self) -> bool:
        """Whether anybody listens."""
        return bool(self._followers)

    def tell(self, happening: Happening) -> None:
        """Something happened."""
        for follower in self._followers:
            follower.tell(happening)

    @contextmanager
    def following(self) -> Iterator[Follower]:
        """Follow for as long as the context lasts."""
        follower = Follower()
        with self._lock:
            self._followers = (*self._followers, follower)
        try:
            yield follower
        finally:
            with self._lock:
                self._followers = tuple(f for f in self._followers if f is not follower)
