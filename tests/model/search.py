"""Breadth-first search through every state of a scope; the first state that breaks a promise comes with the way to it."""

from collections import deque
from dataclasses import dataclass

from tests.model.scopes import Scope
from tests.model.world import Broken, State, World

MOST_TIMERS = 14
"""Rounds of timers within which everything must be at the hub, once no more faults happen."""


@dataclass(frozen=True)
class Found:
    """What a search went through."""

    states: int
    steps: int


class Search:
    """One scope."""

    def __init__(self, scope: Scope) -> None:
        self._world = World(scope.batch_facts)
        self._start = self._world.start(scope.left)
        self._came_from: dict[State, tuple[State, str] | None] = {self._start: None}
        self._settles: set[tuple[object, ...]] = set()

    def run(self, most_states: int | None = None) -> Found:
        """Go through all states.

        Raises:
            Broken: a promise does not hold; the message is the way there.
        """
        world, came_from = self._world, self._came_from
        waiting = deque([self._start])
        steps = 0
        while waiting:
            state = waiting.popleft()
            name = "settling"
            try:
                self._settle(state)
                for name, take in world.steps(state):
                    after = take()
                    steps += 1
                    if after not in came_from:
                        came_from[after] = (state, name)
                        waiting.append(after)
                        world.check(after)
            except Exception as error:
                kind = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
                raise Broken("\n  ".join([kind, *self._way_to(state), f"then: {name}"])) from error
            if most_states is not None and len(came_from) > most_states:
                break
        return Found(len(came_from), steps)

    def _way_to(self, state: State) -> list[str]:
        way = []
        came = self._came_from[state]
        while came is not None:
            state, name = came
            way.append(name)
            came = self._came_from[state]
        return way[::-1]

    def _settle(self, state: State) -> None:
        """From here, a wire that loses nothing leads to everything being at the hub."""
        world = self._world
        way = []
        rounds = 0
        was_done = False
        while True:
            place = (*state[:5], state.seen & ~state.gone, state.owed)
            if place in self._settles:
                break
            after = world.fair_step(state)
            if after is None:
                missing = world.unfinished(state)
                if was_done and not missing:
                    self._settles.add(place)
                    break
                was_done = not missing
                rounds += 1
                if rounds > MOST_TIMERS:
                    raise Broken(missing)
                after = world.timers(state)
            else:
                way.append(place)
            world.check(after)
            state = after
        self._settles.update(way)
