"""Parcel ids in URLs: any text, as one percent-encoded segment."""

from urllib.parse import unquote_to_bytes

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from contract.escape import unescape_id
from hub.problems import BadRequest


class RawPathRoute(APIRoute):
    """A route whose parameters stay percent-encoded.

    Starlette matches decoded paths, where the id `a/events` cannot be told from the events of `a`.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the path as it was sent."""
        raw = scope.get("raw_path")
        if not raw:
            return super().matches(scope)
        return super().matches({**scope, "path": raw.partition(b"?")[0].decode("latin-1")})


def parcel_key(parcel_id: str) -> str:
    """The key in a segment of a `RawPathRoute`; clients that encode less than `contract.escape` are understood too.

    Raises:
        BadRequest: not the percent-encoding of any text.
    """
    try:
        return unescape_id(parcel_id)
    except ValueError:
        pass
    try:
        return unquote_to_bytes(parcel_id).decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"Expected the percent-encoded id of a parcel, got {parcel_id!r}.") from error
