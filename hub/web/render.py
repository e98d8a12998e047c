"""Pages from templates: language, who is signed in, where the live bus stands."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from contract.escape import escape_id
from hub.accounts.csrf import csrf_token
from hub.accounts.roles import Role
from hub.coldchain.freshness import MISSED_READINGS, ON_ITS_WAY_MS
from hub.context import hub_context
from hub.fleet.freshness import SILENT_AFTER_MS
from hub.web import formats
from hub.web.i18n import LANGUAGE_COOKIE, LANGUAGES, Words, language_of

LANGUAGE_S: Final = 31_536_000
PAGES: Final = (
    ("/", "Now", Role.VIEWER),
    ("/tracking", "Tracking", Role.VIEWER),
    ("/temperature", "Temperature", Role.VIEWER),
    ("/excursions", "Excursions", Role.VIEWER),
    ("/trips", "Trips", Role.VIEWER),
    ("/routes", "Routes", Role.VIEWER),
    ("/map", "Map", Role.VIEWER),
    ("/devices", "Devices", Role.VIEWER),
    ("/notices", "Notices", Role.OPERATOR),
    ("/audit", "Audit", Role.AUDITOR),
)
"""The pages' own addresses, names and who may see them, as the navigation lists them."""

_templates = Environment(
    loader=PackageLoader("hub"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def page(request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """Render a page in the visitor's language, with what every page shows."""
    words = Words(language_of(request))
    hub = hub_context(request)
    caller = getattr(request.state, "caller", None)
    now_ms = hub.now_ms()
    html = _templates.get_template(template).render(
        t=words,
        words_json=json.dumps(words.for_browser(), ensure_ascii=True).replace("<", "\\u003c"),
        languages=LANGUAGES,
        caller=caller,
        nav=[(path, name) for path, name, role in PAGES if caller and caller.may(role)],
        csrf=csrf_token(caller.secret) if caller and caller.secret else "",
        may_act=bool(caller and caller.secret and caller.may(Role.OPERATOR)),
        now_ms=now_ms,
        silent_after_ms=SILENT_AFTER_MS,
        missed_readings=MISSED_READINGS,
        on_its_way_ms=ON_ITS_WAY_MS,
        late_known_ms=formats.LATE_KNOWN_MS,
        live_after=getattr(request.state, "live_position", hub.live.position),
        wall=request.query_params.get("wall") == "1",
        here=request.url.path,
        age=lambda then_ms: formats.age(words, then_ms, now_ms),
        span=lambda length_ms: formats.span(words, length_ms),
        duration=lambda length_ms: formats.duration(words, length_ms),
        room=lambda length_s: formats.room(words, length_s),
        in_words=formats.in_words,
        hundredths=formats.hundredths,
        clock=formats.clock,
        count=formats.count,
        segment=escape_id,
        **values,
    )
    response = HTMLResponse(html, status_code)
    response.headers["Vary"] = "Cookie, Accept-Language"
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE, words.language, LANGUAGE_S, samesite="lax", httponly=True, secure=hub.secure
        )
    return response


def without(query: Mapping[str, str], *names: str) -> dict[str, str]:
    """A page's filters without some of them, for links that change those."""
    return {name: value for name, value in query.items() if name not in names and value}
