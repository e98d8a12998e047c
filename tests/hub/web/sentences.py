"""What the hub says to people, found in templates, scripts and Python, so that the catalogues can be held against it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, nodes

ROOT: Final = Path(__file__).parents[3]
SPEAKERS: Final = ("t", "words", "Said")
"""What a `Words` is called in templates, scripts and Python; and what pages say of sentences that programs read."""
SPEAKING: Final = (
    "hub/accounts/passwords.py",
    "hub/accounts/service.py",
    "hub/deliveries/correcting.py",
    "hub/notices/finding.py",
    "hub/notices/letter.py",
    "hub/pages/",
    "hub/reports/layout.py",
    "hub/web/formats.py",
    "hub/web/incident_words.py",
    "hub/web/render.py",
    "hub/tracking/correcting.py",
)
"""Where Python speaks to people: whatever reads like a sentence there is said, for it may reach a `Words` by way of a value."""
SILENT_CALLS: Final = frozenset(
    {
        "compile",
        "debug",
        "error",
        "info",
        "warning",
        "Form",
        "Path",
        "Query",
        "Problem",
        "BadRequest",
        "NotFound",
        "insert",
    }
)
"""What these are given is for logs or programs; the titles and details of problems are found by themselves."""
NO_SENTENCES: Final = frozenset(
    {
        "Cookie, Accept-Language",
        # Said by nothing but problems that only programs meet.
        "This page is for people who sign in; a token has no account.",
        # With `found ` before them these are codes.
        "begin moved to",
        "found again, began",
        "lasts after all",
        "no alarm any more",
    }
)
"""What looks like a sentence that somebody is shown, and is none."""
STATUS: Final = range(400, 600)

_SENTENCE: Final = re.compile(r"[A-Za-z{][^<>=/]* [^<>=/]*")
_WORD: Final = re.compile(r"[a-z]{3}")
_SCRIPT_CALL: Final = re.compile(r"""\bt\(\s*(?:"(?P<text>[^"]*)"|`(?P<code>[^`$]+)\$\{|(?P<choice>[^)"`]+"[^)]*)\))""")
_SCRIPT_TEXT: Final = re.compile(r'"([^"]*)"')

Places = dict[str, set[str]]


def _places() -> Places:
    return defaultdict(set)


@dataclass(frozen=True, slots=True)
class Sentences:
    """What is said, each with the files that say it.

    Attributes:
        said: sentences.
        shaped: patterns of what is put together from words and values, such as a code `state loaded`.
        mentioned: literals that are said if the catalogue has them and nothing else says those.
    """

    said: Places = field(default_factory=_places)
    shaped: Places = field(default_factory=_places)
    mentioned: Places = field(default_factory=_places)

    def files(self, key: str) -> set[str]:
        """Files that say what stands in the catalogue under a key."""
        shaped = (files for pattern, files in self.shaped.items() if re.fullmatch(pattern, key))
        return self.said.get(key, set()).union(*shaped) or self.mentioned.get(key, set())


@cache
def sentences() -> Sentences:
    """All that the hub says."""
    readers = {".html": _read_template, ".js": _read_script, ".py": _read_python}
    found = Sentences()
    for path in sorted((ROOT / "hub").rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in readers and "/vendor/" not in name and "/migrations/" not in name:
            readers[path.suffix](path.read_text(encoding="utf-8"), name, found)
    return found


def _read_template(text: str, name: str, found: Sentences) -> None:
    tree = Environment(autoescape=True).parse(text)
    for const in tree.find_all(nodes.Const):
        if isinstance(const.value, str):
            found.mentioned[const.value].add(name)
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in SPEAKERS:
            for one in _branches(call.args[0]):
                if isinstance(one, nodes.Const):
                    found.said[one.value].add(name)
                elif isinstance(one, nodes.Concat) and isinstance(one.nodes[0], nodes.Const):
                    found.shaped[_shape(one.nodes[0].value, None)].add(name)


def _branches(given: nodes.Expr) -> Iterator[nodes.Expr]:
    if isinstance(given, nodes.CondExpr):
        for branch in (given.expr1, given.expr2):
            if branch is not None:
                yield from _branches(branch)
    else:
        yield given


def _read_script(text: str, name: str, found: Sentences) -> None:
    for call in _SCRIPT_CALL.finditer(text):
        if call["code"]:
            found.shaped[_shape(call["code"], None)].add(name)
        for said in [call["text"]] if call["text"] else _SCRIPT_TEXT.findall(call["choice"] or ""):
            found.said[said].add(name)


def _read_python(text: str, name: str, found: Sentences) -> None:
    tree = ast.parse(text)
    silent = {id(one) for part in ast.walk(tree) for one in _silent(part)}
    speaking = name.startswith(SPEAKING)
    for part in ast.walk(tree):
        if speaking and isinstance(part, ast.JoinedStr):
            pieces = _pieces(part)
            if _WORD.search("".join(piece or "" for piece in pieces)):
                found.shaped[_shape(*pieces)].add(name)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in silent:
            if speaking and _SENTENCE.fullmatch(part.value):
                found.said[part.value].add(name)
            elif speaking or _SENTENCE.fullmatch(part.value):
                found.mentioned[part.value].add(name)
        if isinstance(part, ast.Call):
            _read_call(part, name, found)


def _silent(part: ast.AST) -> Iterator[ast.AST]:
    """Literals that are documentation, pieces of others, or given to what does not speak."""
    if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
        yield part.value
    elif isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Call) and _called(part) in SILENT_CALLS):
        yield from ast.walk(part)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _read_call(call: ast.Call, name: str, found: Sentences) -> None:
    match call.args:
        # The status, the title and the detail of a problem.
        case [ast.Constant(value=int(status)), ast.Constant(value=str(title)), *more] if status in STATUS:
            found.said[title].add(name)
            _read_detail(more, name, found)
        case [*details] if _called(call) == "BadRequest":
            _read_detail(details, name, found)
        case [ast.JoinedStr() as put_together, *_] if _called(call) in SPEAKERS:
            found.shaped[_shape(*_pieces(put_together))].add(name)
        case [ast.Constant(value=str(text)), *_] if _called(call) in SPEAKERS:
            found.said[text].add(name)


def _read_detail(given: list[ast.expr], name: str, found: Sentences) -> None:
    match given:
        case [ast.Constant(value=str(detail)), *_] if detail:
            found.said[detail].add(name)


def _pieces(text: ast.JoinedStr) -> list[str | None]:
    return [str(one.value) if isinstance(one, ast.Constant) else None for one in text.values]


def _shape(*pieces: str | None) -> str:
    """A pattern of what has a word for every None."""
    return "".join(r"[\w ,]+" if piece is None else re.escape(piece) for piece in pieces)
