"""Errors of the interface: problem details (RFC 9457) for programs, plain pages for people."""

from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from hub.accounts.roles import Role
from hub.errors import CommitFailed, Refused
from hub.web.i18n import Words, language_of
from hub.web.render import page

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

E = TypeVar("E", bound=Exception)

MEDIA_TYPE: Final = "application/problem+json"
PAGES_HEADER: Final = "x-csrf-token"
"""What scripts of the pages send (`hub.accounts.deps`): they show people what they are answered."""
RETRY_AFTER_S: Final = 10


class ProblemBody(BaseModel):
    """What is wrong with a request, as RFC 9457 section 3 lays it out."""

    type: str = Field(default="about:blank", description="Names the kind of problem.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="The HTTP status, repeated for those who keep only the body.")
    detail: str = Field(default="", description="What was wrong, what was expected, what to do.")
    said: str | None = Field(
        default=None, description="`detail` in the visitor's language; only where the hub's own pages ask."
    )


class Problem(Exception):
    """A request that is refused; becomes problem details on the interface and a plain page for a browser.

    Args:
        status: HTTP status, 400 to 599.
        title: the kind of problem, equal for all of its kind.
        detail: what was wrong, what was expected, what to do; with `{name}` where values belong.
        headers: such as `Retry-After`.
        values: fill the detail in, for programs in English and for people in their language.
    """

    def __init__(
        self, status: int, title: str, detail: str = "", headers: dict[str, str] | None = None, **values: object
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail.format_map(values) if values else detail
        self.headers = headers
        self._sentence = detail
        self._values = values
        super().__init__(f"{status} {title}: {self.detail}")

    def say(self, words: Words) -> str:
        """The detail for people."""
        values = {name: words(f"role {one}") if isinstance(one, Role) else one for name, one in self._values.items()}
        return words(self._sentence, **values)


class NotFound(Problem):
    """There is no such thing. `what` it is, such as `parcel`: the catalogues have a sentence for each."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(404, "Not found", f"There is no {what} {name!r}.")
        self._what, self._name = what, name

    def say(self, words: Words) -> str:
        """The detail for people."""
        return words(f"There is no {self._what} {{name}}.", name=self._name)


class BadRequest(Problem):
    """A parameter cannot be used."""

    def __init__(self, detail: str, **values: object) -> None:
        super().__init__(400, "Bad request", detail, None, **values)


class _Unusable(Problem):
    """Parameters that do not fit what a route takes. Programs are told how each is wrong, people which."""

    def __init__(self, invalid: RequestValidationError) -> None:
        told = [
            (" ".join(map(str, error["loc"][1:])) or str(error["loc"][0]), error["msg"]) for error in invalid.errors()
        ]
        super().__init__(422, "Unusable parameters", "; ".join(f"{name}: {why}" for name, why in told))
        self._names = ", ".join(name for name, _ in told)

    def say(self, words: Words) -> str:
        """The detail for people."""
        return words("What stands in the address or the form for {names} cannot be used.", names=self._names)


PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}}
    for status, text in {
        400: "A parameter cannot be used",
        401: "Nobody is signed in, or the token is not valid",
        403: "The role does not allow this",
        404: "There is no such thing",
        422: "A parameter is missing or out of its range",
    }.items()
}
"""For `APIRouter(responses=PROBLEM_RESPONSES)` of a `DescribedApp`. As a `model` FastAPI would work it out anew for each of
some 300 answers, at each start of the hub."""


class DescribedApp(FastAPI):
    """An app whose description has the schema that `PROBLEM_RESPONSES` point to."""

    def openapi(self) -> dict[str, Any]:
        """The description of the interface."""
        document = super().openapi()
        document["components"]["schemas"].setdefault(ProblemBody.__name__, ProblemBody.model_json_schema())
        return document


def install_problems(app: FastAPI) -> None:
    """Answer every error in the form that its reader expects."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(OperationalError, _on_storage)
    app.add_exception_handler(CommitFailed, _on_storage)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(Exception, _on_crash)


def _answer(request: Request, problem: Problem) -> Response:
    words = Words(language_of(request))
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        body = ProblemBody(title=problem.title, status=problem.status, detail=problem.detail)
        if PAGES_HEADER in request.headers:
            body.said = problem.say(words)
        return JSONResponse(body.model_dump(exclude_none=True), problem.status, problem.headers, MEDIA_TYPE)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        there = quote(request.url.path + (f"?{request.url.query}" if request.url.query else ""), safe="/")
        return RedirectResponse(f"/login?next={there}", HTTPStatus.SEE_OTHER)
    answer = page(request, "problem.html", problem.status, problem=problem, said=problem.say(words))
    answer.headers.update(problem.headers or {})
    return answer


async def _on_problem(request: Request, error: Exception) -> Response:
    return _answer(request, _as(Problem, error))


async def _on_http(request: Request, error: Exception) -> Response:
    http = _as(HTTPException, error)
    title = HTTPStatus(http.status_code).phrase
    detail = str(http.detail) if http.detail != title else ""
    headers = dict(http.headers or {})
    if http.status_code == HTTPStatus.NOT_FOUND and not detail:
        return _answer(request, Problem(404, "Not found", "There is nothing at this address.", headers))
    return _answer(request, Problem(http.status_code, title, detail, headers))


async def _on_invalid(request: Request, error: Exception) -> Response:
    return _answer(request, _Unusable(_as(RequestValidationError, error)))


async def _on_storage(request: Request, error: Exception) -> Response:
    log.error("storage refuses", why=str(getattr(error, "orig", error)))
    problem = Problem(
        503,
        "The hub cannot keep anything now",
        "Its disk is full, read-only or busy. Nothing was changed; try again later.",
        {"Retry-After": str(RETRY_AFTER_S)},
    )
    return _answer(request, problem)


async def _on_refused(request: Request, error: Exception) -> Response:
    return _answer(request, Problem(409, "Refused", str(error)))


async def _on_crash(request: Request, error: Exception) -> Response:
    del error  # the server logs it; its text is nobody else's business
    return _answer(request, Problem(500, "The hub could not answer", "This is a fault of the hub. It is in its log."))


def _as(kind: type[E], error: Exception) -> E:
    assert isinstance(error, kind)  # noqa: S101 # Starlette calls a handler with the kind it was registered for
    return error
