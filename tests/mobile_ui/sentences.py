"""Finds every sentence that the app says: `python -m tests.mobile_ui.sentences` prints those without Chinese."""

import ast
from collections.abc import Iterator
from pathlib import Path

from mobile_ui.core.words import catalogue

ROOT = Path(__file__).parents[2] / "mobile_ui"


def said() -> dict[str, set[str]]:
    """Each key with the files that say it."""
    found: dict[str, set[str]] = {}
    for file in sorted(ROOT.rglob("*.py")):
        for key in _keys(ast.parse(file.read_text(encoding="utf-8"))):
            found.setdefault(key, set()).add(file.relative_to(ROOT.parent).as_posix())
    return found


def _keys(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and node.args:
            (first, *_) = node.args
            assert isinstance(first, ast.Constant), ast.unparse(node)
            if first.value:
                yield first.value


if __name__ == "__main__":
    for key in said():
        if key not in catalogue("zh"):
            print(repr(key))  # noqa: T201 it is a command
