"""The walls between packages: who may import whom, what the contract may use, what a small device never loads."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("agent", "contract", "firmware_sim", "hub", "mobile_ui")
# Everything may import the contract; nothing else crosses.
SHARED = "contract"

DEVICE_SIDE = ("contract", "agent", "mobile_ui")
# Too heavy for a handheld, or absent on Android.
HEAVY = frozenset({"cryptography", "fastapi", "numpy", "pydantic", "sqlalchemy", "sqlmodel", "zstandard"})

# The contract decides and encodes; it never asks the machine for anything.
CONTRACT_MAY_IMPORT = frozenset(
    {
        # pure modules of the standard library
        "__future__",
        "abc",
        "base64",
        "binascii",
        "bisect",
        "calendar",
        "collections",
        "collections.abc",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        # to read biip's table without loading biip
        "importlib.util",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "statistics",
        "string",
        "struct",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "zlib",
        # and two libraries
        "biip",
        "msgspec",
    }
)
# Ways to the clock, the disk and the console that need no forbidden import.
CONTRACT_MAY_NOT_CALL = frozenset({"__import__", "input", "now", "open", "print", "today", "utcnow"})


def modules(package: str) -> Iterator[Path]:
    yield from sorted((ROOT / package).rglob("*.py"))


def imported_names(tree: ast.AST) -> set[str]:
    """The dotted names of all modules that a file imports, wherever in the file it does so."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def imports(package: str) -> set[tuple[str, str]]:
    """(file, imported module) over a whole package."""
    return {
        (file.relative_to(ROOT).as_posix(), name)
        for file in modules(package)
        for name in imported_names(ast.parse(file.read_bytes()))
    }


def top(name: str) -> str:
    return name.partition(".")[0]


def test_every_package_of_the_repository_stands_behind_the_walls() -> None:
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}

    assert packages == set(PACKAGES)


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import hub.app, os
if TYPE_CHECKING:
    from agent.outbox import Outbox
def late():
    import numpy as np
    from . import sibling
"""

    assert imported_names(ast.parse(source)) == {"hub.app", "os", "agent.outbox", "numpy"}


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_no_other_package_than_the_contract(package: str) -> None:
    forbidden = set(PACKAGES) - {package, SHARED}

    assert {(file, name) for file, name in imports(package) if top(name) in forbidden} == set()


def test_contract_imports_only_what_is_pure() -> None:
    outside = {(file, name) for file, name in imports("contract") if top(name) != "contract"}

    # Submodules of the two libraries are theirs to lay out.
    libraries = {"biip", "msgspec"}
    assert {(f, n) for f, n in outside if n not in CONTRACT_MAY_IMPORT and top(n) not in libraries} == set()


def test_contract_calls_nothing_that_reads_a_clock_or_touches_the_machine() -> None:
    called = {
        (file.relative_to(ROOT).as_posix(), node.lineno, name)
        for file in modules("contract")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call)
        for name in [getattr(node.func, "attr", None) or getattr(node.func, "id", None)]
    }

    assert {call for call in called if call[2] in CONTRACT_MAY_NOT_CALL} == set()


@pytest.mark.parametrize("package", DEVICE_SIDE)
def test_device_side_imports_nothing_heavy(package: str) -> None:
    assert {(file, name) for file, name in imports(package) if top(name) in HEAVY} == set()


LOAD_ALL = """
import importlib, json, pkgutil, sys
for package in ("contract", "agent"):
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(json.dumps(sorted(sys.modules)))
"""


def test_device_side_loads_nothing_heavy_through_its_libraries_either() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", LOAD_ALL], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert answer.returncode == 0, answer.stderr
    loaded = {top(name) for name in json.loads(answer.stdout)}
    assert {"agent", "contract"} <= loaded
    assert loaded & HEAVY == set()


def test_requirements_of_the_device_hold_nothing_heavy() -> None:
    text = (ROOT / "requirements" / "device.txt").read_text()
    pinned = {name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}

    assert "msgspec" in pinned
    assert pinned & HEAVY == set()
