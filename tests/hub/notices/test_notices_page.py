"""The page of notices: who may see it, what it hides, and the button that sends a test."""

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.roles import Role
from hub.accounts.tables import audit_trail
from hub.notices import store
from hub.notices.finding import Kind
from hub.notices.outbox import State, new_notice
from hub.notices.targets import FILE, Target, add_target
from tests.chromium import lent_page
from tests.hub.web.seeded import MINUTE_MS, NOW_MS, SeededHub
from tests.hub.web.serving import served

PICTURES = Path(os.environ.get("HOLDFAST_PICTURES", "build/pictures"))


@pytest.fixture
def told(hub: SeededHub) -> SeededHub:
    folder = hub.database.folder
    add_target(folder, Target("duty", "mailtos://hub:s3cret@example.com?to=duty@example.com"))
    add_target(folder, Target("chat-of-the-night-shift", "tgram://1:s3cret/2", (Kind.EXCURSION,), ("仓库 4",), "zh"))
    with hub.database.write() as tx:
        made = NOW_MS - 20 * MINUTE_MS
        first = new_notice("excursion:e1", 0, "duty", 0, kind=Kind.EXCURSION, now_ms=made)
        again = new_notice("excursion:e1", 0, "duty", 1, kind=Kind.EXCURSION, now_ms=NOW_MS)
        other = new_notice("silence:van-1", 0, "chat-of-the-night-shift", 0, kind=Kind.SILENCE, now_ms=made)
        store.keep(
            tx,
            [
                replace(first, state=State.SENT, sent_ms=made + 1_000),
                again,
                replace(other, tries=4, error="the mail server cannot be reached: Connection refused"),
            ],
        )
    return hub


def test_operators_see_who_is_told_and_what_went_wrong_but_no_secret(told: SeededHub) -> None:
    assert told.signed_in(Role.VIEWER).get("/notices").status_code == 403
    html = told.signed_in(Role.OPERATOR).get("/notices").text
    assert "mailtos://…" in html
    assert "Connection refused" in html
    assert "s3cret" not in html
    assert "Send a test" not in html
    assert "Send a test" in told.signed_in(Role.ADMIN).get("/notices").text


def test_a_file_that_cannot_be_used_is_said_on_the_page(told: SeededHub) -> None:
    (told.database.folder / FILE).chmod(0o644)
    assert "chmod 600" in told.signed_in(Role.OPERATOR).get("/notices").text


def test_only_an_administrator_sends_a_test_with_a_reason_and_the_trail_has_it(told: SeededHub) -> None:
    client = told.client()

    def send(role: Role, target: str, reason: str) -> int:
        headers = {"authorization": f"Bearer {told.token(role)}"}
        return client.post(f"/api/v1/notices/{target}/test", json={"reason": reason}, headers=headers).status_code

    assert send(Role.OPERATOR, "duty", "new phone") == 403
    assert send(Role.ADMIN, "nobody", "new phone") == 404
    assert send(Role.ADMIN, "duty", "") == 422
    assert send(Role.ADMIN, "duty", "x" * 1_000_000) == 422
    assert send(Role.ADMIN, "duty", "new phone") == 200
    with told.database.read() as reader:
        waiting = [one for one in store.latest_notices(reader, 10) if one.kind is Kind.TEST]
        trail = reader.execute(select(audit_trail).where(audit_trail.c.action == "notices.test")).all()
    assert [one.target for one in waiting] == ["duty"]
    assert [(row.subject, row.why) for row in trail] == [("duty", "new phone")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "scheme", "locale"), [(390, "dark", "zh-CN"), (390, "light", "en-GB"), (1920, "light", "en-GB")]
)
def test_the_page_fits_its_window(browser: Browser, told: SeededHub, width: int, scheme: Any, locale: str) -> None:
    look = {"locale": locale, "color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with served(told) as address, lent_page(browser, {}, **look) as page:
        page.context.add_cookies([{"name": SESSION_COOKIE, "value": told.session(Role.ADMIN), "url": address}])
        page.goto(f"{address}/notices")
        expect(page.locator("table")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"notices-{width}-{scheme}.png", full_page=True)
