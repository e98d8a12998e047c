"""Deliberate bugs of the product, each a patch with the rule that it breaks and what must notice it."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parents[1]
TABLE_HEAD: Final = "| mutant | rules | the bug | caught by |\n|---|---|---|---|\n"
_HEADER: Final = re.compile(r"(?P<bug>[^\n]+)\nRule: (?P<rules>[^\n]+)\n(?P<catchers>(?:Caught by: [^\n]+\n)+)--- a/")


@dataclass(frozen=True)
class Mutant:
    """One deliberate bug.

    Attributes:
        name: Of the patch file, without its ending.
        bug: What is wrong with it, in a sentence.
        rules: Ids of `docs/protocol.md` and promises that it breaks.
        catchers: pytest's names of tests that must fail with it, the quickest first; or `simulation`, with seeds.
    """

    name: str
    bug: str
    rules: str
    catchers: tuple[str, ...]
    folder: Path = FOLDER

    @property
    def patch(self) -> Path:
        """The file."""
        return self.folder / f"{self.name}.patch"

    def row(self) -> str:
        """Its row in `docs/reliability.md`."""
        return f"| `{self.name}` | {self.rules} | {self.bug} | {'<br>'.join(map(_told, self.catchers))} |\n"


def _told(catcher: str) -> str:
    path, _, test = catcher.partition("::")
    if path == "tests/model/test_model.py":
        return "model: " + test.removeprefix("test_").replace("_", " ")
    return catcher if not test else f"`{test}` in `{path}`"


def read_all() -> list[Mutant]:
    """All mutants, by name.

    Raises:
        ValueError: a patch does not begin with bug, rule and catchers.
    """
    return sorted(map(_read, FOLDER.glob("*.patch")), key=lambda mutant: mutant.name)


def _read(path: Path) -> Mutant:
    match = _HEADER.match(path.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{path.name} must begin with a sentence, a line 'Rule: ...' and lines 'Caught by: ...'")
    catchers = tuple(line.removeprefix("Caught by: ") for line in match["catchers"].splitlines())
    return Mutant(path.stem, match["bug"], match["rules"], catchers)


def apply(mutant: Mutant, tree: Path, *, check_only: bool = False) -> str:
    """Apply a patch to a tree; what git says when it does not fit, else nothing."""
    only = ["--check"] if check_only else []
    # Inside a repository git would look for the files at its top, wherever it stands.
    environment = os.environ | {"GIT_DIR": os.devnull}
    command = ["git", "apply", *only, str(mutant.patch)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""
