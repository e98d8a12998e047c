"""Days that addresses name."""

from hub.errors import Refused
from hub.problems import BadRequest
from hub.routes.vehicles import read_day
from hub.said import Said, said_of


def asked_day(text: str) -> str:
    """The day of a query as YYYY-MM-DD; empty where none is asked for.

    Raises:
        BadRequest: it is none.
    """
    if not text:
        return ""
    try:
        return read_day(text).isoformat()
    except Refused as error:
        said = said_of(error)
        raise (BadRequest(said.key, **said.values) if isinstance(said, Said) else BadRequest(said)) from error
