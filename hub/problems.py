"""Errors of the interface: problem details (RFC 9457) for programs, plain pages for people."""

from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

MEDIA_TYPE: Final = "application/problem+json"


class ProblemBody(BaseModel):
    """What is wrong with a request, as RFC 9457 section 3 lays it out."""

    type: str = Field("about:blank", description="Names the kind of problem.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="The HTTP status, repeated for those who keep only the body.")
    detail: str = Field("", description="What was wrong, what was expected, what to do.")


class Problem(Exception):
    """A request that is refused; becomes problem details on the interface and a plain page for a browser.

    Args:
        status: HTTP status, 400 to 599.
        title: the kind of problem, equal for all of its kind.
        detail: what was wrong, what was expected, what to do.
        headers: such as `Retry-After`.
    """

    def __init__(self, status: int, title: str, detail: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers


class NotFound(Problem):
    """There is no such thing."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(404, "Not found", f"There is no {what} {name!r}.")


class BadRequest(Problem):
    """A parameter cannot be used."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, "Bad request", detail)


PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ProblemBody, "description": text, "content": {MEDIA_TYPE: {}}}
    for status, text in {
        400: "A parameter cannot be used",
        401: "Nobody is signed in, or the token is not valid",
        403: "The role does not allow this",
        404: "There is no such thing",
    }.items()
}
"""For `APIRouter(responses=PROBLEM_RESPONSES)`."""


def problem_response(problem: Problem, request: Request) -> JSONResponse:
    """Problem details for one refused request."""
    body = ProblemBody(type="about:blank", title=problem.title, status=problem.status, detail=problem.detail)
    del request
    return JSONResponse(body.model_dump(), problem.status, problem.headers, MEDIA_TYPE)
