"""The table of GS1 application identifiers (AI), from biip's data.

Only the data is read: importing biip for it would take 0.1 s and 20 MiB, nearly all of that for a table of company prefixes
that nobody here asks for.
"""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

import msgspec

_FILE = "gs1_application_identifiers/_application_identifiers.json"
_SHORTEST_AI = 2
_LONGEST_AI = 4


class Entry(msgspec.Struct, frozen=True):
    """One AI as biip describes it; `pattern` and `format` include the AI itself."""

    ai: str
    data_title: str
    separator_required: bool
    format: str
    pattern: str


def entry_of(start: str) -> Entry | None:
    """The AI that a text starts with; no AI is the beginning of another."""
    table = _table()
    return next((table[ai] for n in range(_SHORTEST_AI, _LONGEST_AI + 1) if (ai := start[:n]) in table), None)


@cache
def _table() -> dict[str, Entry]:
    """All entries by AI.

    Raises:
        ImportError: biip is not installed, or is laid out otherwise than the version that was pinned.
    """
    spec = find_spec("biip")
    folders = None if spec is None else spec.submodule_search_locations
    # Loaders of files and of archives alike can give what stands beside the code (`importlib.abc.ResourceLoader`).
    get_data: Callable[[str], bytes] | None = getattr(spec and spec.loader, "get_data", None)
    if not folders or get_data is None:
        raise ImportError("biip is not installed; its table of GS1 application identifiers is needed")
    try:
        data = get_data(f"{folders[0]}/{_FILE}")
    except OSError as error:
        raise ImportError(f"biip has no {_FILE}; install the version that requirements/ pin") from error
    return {entry.ai: entry for entry in msgspec.json.decode(data, type=list[Entry])}
