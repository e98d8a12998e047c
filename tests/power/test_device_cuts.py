"""The power goes at any moment, between any two operations on the disk: what the device confirmed is there."""

import sqlite3
import sys

import pytest

from agent.store import database
from tests.power.device import DEEDS, REPAIRING, Life, Plan, Tally, live
from tests.power.promises import Wrong

CUTS = 2_000
QUICK = Plan(deeds=150, share=1 / 90)
"""A cut costs as much as the deeds between two of them, so there are twice as many as in the long runs."""


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_p1_p2_f003_every_confirmed_fact_is_there_after_each_of_two_thousand_power_cuts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally, seed = Tally(), 0
    while tally.cuts < CUTS:
        live(seed, tally, QUICK)
        seed += 1

    with capsys.disabled():
        sys.stdout.write(f"\ndevice: {tally}, none of them lost\n")
    often = {
        "scan",
        "readings",
        "proof",
        "opening",
        "checkpoint",
        "repairing",
        "reincarnating",
        "restarting",
        "release",
    }
    assert often <= {name for name, cuts in tally.during.items() if cuts >= 10}


def first_broken_promise(monkeypatch: pytest.MonkeyPatch, *pragmas: str) -> str:
    """Live with other settings until a promise breaks."""
    prepare = database._prepare

    def weakly(writer: sqlite3.Connection, steps: list[str], *, check: bool) -> None:
        prepare(writer, steps, check=check)
        for pragma in pragmas:
            writer.execute(f"PRAGMA {pragma}")

    monkeypatch.setattr(database, "_prepare", weakly)
    for seed in range(1, 6):
        try:
            live(seed, Tally(), QUICK)
        except Wrong as error:
            return str(error)
    return ""


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_with_less_than_full_synchronisation_the_same_cuts_lose_confirmed_facts(
    monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    assert "lost" in first_broken_promise(monkeypatch, f"synchronous = {level}")


@pytest.mark.parametrize("module", ["agent.store.files", "agent.store.salvage", "agent.store.blobs"])
def test_without_flushing_the_names_in_folders_the_same_cuts_lose_confirmed_facts(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setattr(f"{module}.sync_folder", lambda _folder: None)

    monkeypatch.setitem(DEEDS, Life.repair, 12)
    broken = ""
    for seed in range(0, 400, REPAIRING):
        try:
            live(seed, Tally(), QUICK)
        except Wrong as error:
            broken = str(error)
            break

    assert broken
