"""What ails the hub itself is shown, and nothing that could not be kept is answered as done."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.roles import Role
from hub.app import create_app
from hub.context import HubContext
from hub.pages.home import hub_trouble
from hub.web.i18n import catalogue
from tests.hub.broken import read_only
from tests.hub.web.seeded import PASSWORD, SeededHub


def test_f038_f039_the_first_page_shows_red_while_the_hub_can_keep_nothing(hub: SeededHub) -> None:
    context = hub.context()
    ailing = HubContext(
        context.database, context.live, context.decide, context.now_ms, storage_ok=lambda: False, hears=lambda: False
    )
    with TestClient(create_app(ailing), cookies={SESSION_COOKIE: hub.session()}) as client:
        page = client.get("/", headers={"accept": "text/html"}).text
    for trouble in hub_trouble(storage_ok=False, hears=False):
        assert trouble.what in page
        assert trouble.todo in catalogue("zh").texts
        assert trouble.what in catalogue("zh").texts
    assert page.count('data-level="alarm"') >= 2
    assert hub_trouble(storage_ok=True, hears=True) == []


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_f039_a_change_that_cannot_be_kept_is_answered_503_and_works_again_afterwards(
    hub: SeededHub, tmp_path: Path, accept: str
) -> None:
    hub.session(Role.VIEWER)
    with hub.database.read() as tx:
        name = tx.exec_driver_sql("SELECT name FROM user_account").scalar_one()
    with hub.client() as client:
        page = client.get("/login").text
        form = {"name": name, "password": PASSWORD, "csrf": page.partition('name="csrf" value="')[2].partition('"')[0]}
        read_only(hub.database, on=True)
        refused = client.post("/login", data=form, headers={"accept": accept})
        read_only(hub.database, on=False)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
        assert "Nothing was changed" in refused.text
        assert client.post("/login", data=form).status_code == 303
