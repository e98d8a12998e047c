"""Starts programs again that died, as init does on a device: whoever killed them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firmware_sim.processes import ProcessFailed, Program

# What a service manager waits, too.
RESTART_AFTER_S = 1.0
# A program that dies so often before it is ready will not come up by trying again.
MAX_FAILED_STARTS = 3


@dataclass(slots=True)
class Watched:
    """One program and where its life stands."""

    program: Program
    restart_s: float | None = None
    was_ready: bool = True
    failed_starts: int = 0
    is_new: bool = False
    """Whether it comes up for the first time, so that nobody misses it."""


class Supervisor:
    """Looks after running programs; `look` must be called often, from the main thread."""

    def __init__(self, programs: Sequence[Program], died: Callable[[Program], None]) -> None:
        """Take programs over once they are ready.

        Args:
            programs: What to look after.
            died: Told at once when one of them was found dead.
        """
        self._watched = [Watched(program) for program in programs]
        self._died = died

    def watch(self, program: Program) -> None:
        """Look after one more, which was started and may not be ready yet."""
        self._watched.append(Watched(program, was_ready=False, is_new=True))

    @property
    def down(self) -> list[str]:
        """Names of programs that are not ready now."""
        return [w.program.name for w in self._watched if not w.was_ready and not w.is_new]

    def look(self, now_s: float) -> None:
        """Note the dead, and start them again a moment later.

        Raises:
            ProcessFailed: One does not come up again.
        """
        for watched in self._watched:
            if watched.restart_s is not None:
                if now_s >= watched.restart_s:
                    watched.restart_s = None
                    watched.program.start()
            elif not watched.program.is_running:
                self._found_dead(watched, now_s)
            elif not watched.was_ready and watched.program.poll_ready():
                watched.was_ready, watched.failed_starts, watched.is_new = True, 0, False

    def _found_dead(self, watched: Watched, now_s: float) -> None:
        if not watched.was_ready:
            watched.failed_starts += 1
            if watched.failed_starts >= MAX_FAILED_STARTS:
                program = watched.program
                raise ProcessFailed(f"{program.name} does not come up again: {program.last_words()}")
        watched.was_ready = False
        watched.restart_s = now_s + RESTART_AFTER_S
        self._died(watched.program)
