"""Excursions for programs, and a person's acknowledgement."""

from functools import partial
from typing import Any

import pytest

from hub.accounts.roles import Role
from tests.hub.web.cold import REAR, folded, warm_now, was_warm
from tests.hub.web.conftest import hub
from tests.hub.web.seeded import SeededHub

__all__ = ["hub"]

PATH = "/api/v1/excursions"


def listed(hub: SeededHub, query: str = "") -> Any:
    return hub.signed_in().get(f"{PATH}?{query}").json()["items"]


def test_an_excursion_is_acknowledged_as_it_is_seen_and_stays_in_the_list(hub: SeededHub) -> None:
    hub.on_decide = partial(folded, hub)
    with hub.database.write() as tx:
        warm_now(tx, 41)
    (lasting,) = listed(hub, "open=true&needs_person=true")
    assert (lasting["sensor"], lasting["threshold"], lasting["extreme"], lasting["side"]) == (REAR, 8.0, 9.1, "above")
    client, token = hub.client(), {"authorization": f"Bearer {hub.token(Role.OPERATOR)}"}
    path = f"{PATH}/{lasting['id']}/acknowledge"
    assert client.post(path, json={"reason": " moved to van 3 "}, headers=token).status_code == 200
    (seen,) = listed(hub)
    assert (seen["acknowledged"]["reason"], seen["acknowledged"]["covers"]) == ("moved to van 3", True)
    assert not seen["needs_person"]
    (said,) = client.get(f"{PATH}/{lasting['id']}", headers=token).json()["acknowledgements"]
    assert said == seen["acknowledged"]
    assert listed(hub, "needs_person=true") == []
    again = client.post(path, json={"reason": "again"}, headers=token)
    assert (again.status_code, again.json()["title"]) == (409, "Acknowledged before")


@pytest.mark.parametrize("body", [{}, {"reason": "  "}, {"reason": "x" * 1_000_000}, {"reason": "a\0b"}])
def test_a_reason_is_needed_and_bounded(hub: SeededHub, body: dict[str, str]) -> None:
    with hub.database.write() as tx:
        warm_now(tx, 41)
    (lasting,) = listed(hub)
    token = {"authorization": f"Bearer {hub.token(Role.OPERATOR)}"}
    answer = hub.client().post(f"{PATH}/{lasting['id']}/acknowledge", json=body, headers=token)
    assert answer.status_code == 422
    assert "reason" in answer.json()["detail"]
    assert hub.decisions == []


def test_the_history_of_a_verdict_is_told(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        was_warm(tx, 50)
    (past,) = listed(hub, "alarmed=true")
    detail = hub.signed_in().get(f"{PATH}/{past['id']}").json()
    assert detail["excursion"] == past
    assert detail["changes"][-1]["ended_at"] == past["ended_at"]
    assert hub.signed_in().get(f"{PATH}/nobody").status_code == 404
