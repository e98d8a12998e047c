"""`python -m tests.model.cli [WORD]`: search the scopes whose names have the word, and print what was gone through."""

import sys
from time import process_time

from tests.model.scopes import SCOPES
from tests.model.search import Search
from tests.model.world import Broken


def main(words: list[str]) -> int:
    """Print one line a scope; 1 when a promise breaks."""
    states = steps = 0
    began_s = process_time()
    for name, scope in SCOPES.items():
        if not all(word in name for word in words):
            continue
        scope_began_s = process_time()
        try:
            found = Search(scope).run()
        except Broken as broken:
            print(f"{name}: {broken}")
            return 1
        _tell(found.states, found.steps, process_time() - scope_began_s, name)
        states, steps = states + found.states, steps + found.steps
    _tell(states, steps, process_time() - began_s, "in all")
    return 0


def _tell(states: int, steps: int, cpu_s: float, name: str) -> None:
    print(f"{states:>9,} states {steps:>10,} steps {cpu_s:6.1f} s CPU  {name}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
