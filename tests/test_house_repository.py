"""The repository itself: nothing of one machine, every exception with its reason, every job by one word."""

import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAX_MODULE_LINES = 500
# Module -> why it is better whole.
LONG_MODULES: dict[str, str] = {
    "hub/migrations/versions/0001_the_first_schema.py": "one step of the schema, written by alembic from the tables",
}

INDEX_FREE = ("requirements/", "package-lock.json", "package.json")
MACHINE_PATHS = ("/home/", "/root/")

# A suppression with its codes, and then a reason of two words at least.
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)\b")
REASONED = re.compile(
    r"#\s*(?:noqa:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*|type:\s*ignore\[[\w, -]+\])[\s#:;—-]+[A-Za-z]\S*\s+\S+"
)


def tracked_files() -> list[Path]:
    # safe.directory: in CI the checkout often belongs to another user.
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def text_of(file: Path) -> str:
    """The file's text; nothing for one that is no text, such as a picture."""
    content = file.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", "replace")


def python_files() -> list[Path]:
    return [file for file in tracked_files() if file.suffix == ".py"]


def unreasoned_suppressions(source: str) -> list[str]:
    if not SUPPRESSION.search(source):
        return []
    comments = (
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    )
    return [comment for comment in comments if SUPPRESSION.search(comment) and not REASONED.search(comment)]


def uncommented_ignores(pyproject: str) -> list[str]:
    """Lines that name ruff codes to ignore without a comment beside them."""
    section = re.search(r"^\[tool\.ruff\.lint\]$(.*?)^\[tool\.(?!ruff)", pyproject, re.MULTILINE | re.DOTALL)
    assert section is not None
    lines = section[1].splitlines()
    return [line for line in lines if re.search(r'"[A-Z]+\d*"', line) and "select" not in line and "#" not in line]


def test_tracked_files_name_no_path_of_one_machine() -> None:
    files = [file for file in tracked_files() if file != Path(__file__)]

    assert {(name(f), path) for f in files for path in MACHINE_PATHS if path in text_of(f)} == set()


def test_locked_requirements_name_no_index() -> None:
    files = [file for file in tracked_files() if name(file).startswith(INDEX_FREE)]

    assert {"requirements/run.txt", "requirements/dev.txt", "package-lock.json"} <= {name(file) for file in files}
    # Where to thank a package's authors is no index.
    addresses = [line for file in files for line in text_of(file).splitlines() if "://" in line]
    assert [line for line in addresses if not line.strip().startswith('"url": "https://github.com/')] == []


def test_every_locked_requirement_has_a_hash() -> None:
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.split(r"\n(?=\S)", file.read_text())
        assert [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: S108 - short is what it is for",
        "# noqa: S108, S105 made-up folder",
        "# type: ignore[attr-defined]  # the stubs lag behind",
    ],
)
def test_suppression_with_a_reason_is_accepted(comment: str) -> None:
    assert unreasoned_suppressions(f"x = 1  {comment}\n") == []


@pytest.mark.parametrize(
    "comment",
    ["# noqa", "# noqa: S108", "# noqa: S108, S105", "# type: ignore", "# type: ignore[misc]", "# noqa because I can"],
)
def test_suppression_without_code_and_reason_is_found(comment: str) -> None:
    assert unreasoned_suppressions(f"x = 1  {comment}\n") == [comment]


def test_every_suppression_has_its_reason_beside_it() -> None:
    assert {(name(f), found) for f in python_files() for found in unreasoned_suppressions(text_of(f))} == set()


def test_ruff_ignore_without_a_comment_is_found() -> None:
    pyproject = '[tool.ruff.lint]\nignore = [\n  "EM", # why\n  "FBT",\n]\n[tool.mypy]\n'

    assert uncommented_ignores(pyproject) == ['  "FBT",']


def test_every_ruff_ignore_has_a_comment() -> None:
    assert uncommented_ignores((ROOT / "pyproject.toml").read_text()) == []


def test_modules_stay_short() -> None:
    lengths = {name(file): len(text_of(file).splitlines()) for file in python_files()}

    too_long = {module for module, lines in lengths.items() if lines >= MAX_MODULE_LINES}
    assert too_long == set(LONG_MODULES)


def test_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()

    assert "make demo" in readme
    assert "make test" in readme


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"

    assert "make test" in script.read_text()
    assert script.stat().st_mode & 0o111


def test_browser_parts_are_pinned_exactly_and_without_addresses() -> None:
    lock = (ROOT / "package-lock.json").read_text()

    assert '"resolved"' not in lock
    assert re.findall(r'"[~^><]', (ROOT / "package.json").read_text()) == []
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')
