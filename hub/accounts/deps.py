"""FastAPI dependencies that say who calls and whether they may.

@router.get("/parcels")
def parcels(reader: Reader, caller: Annotated[Caller, Security(require(Role.VIEWER))]) -> ...
"""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from hub.accounts.roles import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a signed-in person, or a token (its label)."""

    name: str
    role: Role


def require(role: Role) -> Callable[[Request], Caller]:
    """A dependency that lets pass whoever has a role that stands in for `role`.

    Raises (when called by FastAPI):
        Problem: 401 when nobody is signed in, 403 when the role does not allow it.
    """

    def dependency(request: Request) -> Caller:
        raise NotImplementedError

    dependency.required_role = role  # type: ignore[attr-defined]  # read by the test that walks all routes
    return dependency
