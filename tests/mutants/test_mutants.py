"""Every deliberate bug fits the present tree and is caught by what is said to catch it."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mutants.mutant import ROOT, TABLE_HEAD, Mutant, apply, read_all
from tests.mutants.run import SIMULATION, is_green, survivors_of

MUTANTS = read_all()
LEAST_MUTANTS = 40
ROTATED = 3
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
RULES = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def _in_turn(mutants: Sequence[Mutant], turn: int) -> list[Mutant]:
    """As many as one run tries; all of them within a few turns."""
    return [mutants[(turn * ROTATED + nth) % len(mutants)] for nth in range(ROTATED)]


def _turn() -> int:
    """Follows from the tree that is tried, so that a red run can be repeated."""
    words = ["git", "-c", "safe.directory=*", "rev-list", "--count", "HEAD"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_patch_applies_to_the_present_tree(mutant: Mutant) -> None:
    assert apply(mutant, ROOT, check_only=True) == ""


def test_the_document_names_exactly_these_mutants() -> None:
    table = TABLE_HEAD + "".join(mutant.row() for mutant in MUTANTS)

    assert table in RELIABILITY, "print it anew: python tests/mutants/run.py --table"
    assert re.findall(r"^\| `([a-z-]+)` \|", RELIABILITY, re.MULTILINE) == [m.name for m in MUTANTS]
    assert len(MUTANTS) >= LEAST_MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mutant_breaks_rules_that_exist(mutant: Mutant) -> None:
    for rule in mutant.rules.split():
        assert re.fullmatch(r"P[1-8]", rule) or f"- **{rule}**" in RULES, rule


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_catcher_is_there(mutant: Mutant) -> None:
    for catcher in mutant.catchers:
        path, _, name = catcher.partition("::")
        if not catcher.startswith(SIMULATION):
            assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text(encoding="utf-8"), catcher


def test_some_mutants_in_turn_are_caught() -> None:
    chosen = [m for m in _in_turn(MUTANTS, _turn()) if not m.catchers[0].startswith(SIMULATION)]
    assert is_green([m.catchers[0] for m in chosen]) == ""

    assert [outcome.missed for m in chosen if (outcome := survivors_of(m, m.catchers[:1])).missed] == []


def test_a_change_that_is_no_bug_is_not_caught(tmp_path: Path) -> None:
    line = (ROOT / "contract" / "errors.py").read_text(encoding="utf-8").splitlines()[0]
    harmless = tmp_path / "harmless.patch"
    harmless.write_text(f"--- a/contract/errors.py\n+++ b/contract/errors.py\n@@ -1 +1,2 @@\n+# A comment.\n {line}\n")
    catcher = "tests/contract/delivery/test_release.py::test_f030_a_stale_ack_after_a_hub_restore_lets_nothing_go"

    outcome = survivors_of(Mutant(harmless.stem, "", "", (), tmp_path), (catcher,))

    assert [missed.partition("\n")[0] for missed in outcome.missed] == [catcher]
