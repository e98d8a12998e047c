"""Fetches whole documents of the hub from the agent, slice by slice; a newer version in between begins anew."""

from collections.abc import Callable
from typing import Protocol

from contract.local import Answer, DocumentSlice, GetDocument, Request


class Asks(Protocol):
    """The link to the agent."""

    def ask(self, request: Request, done: Callable[[Answer], None] = ...) -> None:
        """Ask; `done` gets the answer on the app's own thread."""


def fetch(link: Asks, kind: str, done: Callable[[int, bytes], None]) -> None:
    """Fetch a document; `done` gets its version (0: there is none) and its bytes."""
    _fetch(link, kind, 0, b"", done)


def _fetch(link: Asks, kind: str, version: int, so_far: bytes, done: Callable[[int, bytes], None]) -> None:
    def take(answer: Answer) -> None:
        if not isinstance(answer, DocumentSlice):
            return
        if so_far and answer.version != version:
            _fetch(link, kind, 0, b"", done)
            return
        data = so_far + answer.data
        if len(data) >= answer.size or not answer.data:
            done(answer.version, data)
        else:
            _fetch(link, kind, answer.version, data, done)

    link.ask(GetDocument(kind, len(so_far)), take)
