"""Every route against every role, read from the app itself, so that a new route cannot be forgotten."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.roles import GRANTS, Role
from hub.app import OPEN_PATHS, create_app
from tests.hub.web.seeded import SeededHub

ENDLESS = "/api/v1/live"


def flat(routes: Any) -> Iterator[Any]:
    """All routes, those of included routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from flat(inner.routes)
        else:
            yield route


def required_roles(dependant: Any) -> set[Role]:
    own = getattr(dependant.call, "required_role", None)
    roles = {own} if own is not None else set()
    return roles.union(*(required_roles(inner) for inner in dependant.dependencies))


def api_routes(hub: SeededHub) -> list[APIRoute]:
    return [route for route in flat(create_app(hub.context()).routes) if isinstance(route, APIRoute)]


def test_f113_every_route_requires_a_role_or_is_listed_as_open(hub: SeededHub) -> None:
    app = create_app(hub.context())
    seen = set()
    for route in flat(app.routes):
        path = route.path
        seen.add(path)
        if isinstance(route, APIRoute):
            roles = required_roles(route.dependant)
            assert bool(roles) is (path not in OPEN_PATHS), f"{path}: requires {roles}"
        else:
            assert isinstance(route, Mount | Route), path
            assert path in OPEN_PATHS, path
    assert seen >= OPEN_PATHS
    assert len(seen) > 20


@pytest.mark.parametrize("role", list(Role))
def test_f113_each_role_reaches_just_the_routes_that_are_granted_to_it(hub: SeededHub, role: Role) -> None:
    token = hub.token(role)
    client = hub.client()
    for route in api_routes(hub):
        if route.path in OPEN_PATHS or route.path == ENDLESS:
            continue
        required = required_roles(route.dependant)
        url = route.path.replace("{segment:path}", "x")
        for name in route.param_convertors:
            url = url.replace(f"{{{name}}}", "x").replace(f"{{{name}:path}}", "x")
        for method in route.methods:
            answer = client.request(method, url, headers={"authorization": f"Bearer {token}"})
            allowed = all(role in {r for r, granted in GRANTS.items() if need in granted} for need in required)
            assert (answer.status_code != 403) is allowed, f"{method} {url} as {role}: {answer.status_code}"
            assert answer.status_code != 401
            assert client.request(method, url).status_code == 401, f"{method} {url} as nobody"


def test_f114_a_session_changes_nothing_without_the_page_s_token(hub: SeededHub) -> None:
    client = hub.client()
    client.cookies.set(SESSION_COOKIE, hub.session(Role.ADMIN))
    changing = [r for r in api_routes(hub) if r.methods - {"GET", "HEAD"} and r.path not in OPEN_PATHS]
    for route in changing:
        for method in route.methods - {"GET", "HEAD"}:
            url = route.path.replace("{", "").replace("}", "")
            assert client.request(method, url, json={}).status_code == 403, f"{method} {url}"


def test_the_interface_describes_every_answer_and_how_to_be_let_in(hub: SeededHub) -> None:
    document = hub.client().get("/api/v1/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            assert operation["tags"], f"{method} {path}"
            if path.startswith("/api/"):
                assert operation["security"], f"{method} {path}"
                assert "401" in operation["responses"], f"{method} {path}"
                refused = operation["responses"]["401"]["content"]["application/problem+json"]["schema"]
                assert refused == {"$ref": "#/components/schemas/ProblemBody"}, f"{method} {path}"
    assert set(document["components"]["schemas"]["ProblemBody"]["required"]) == {"title", "status"}
