"""Profiles and the records of sensors, for programs."""

from functools import partial
from typing import Any

import pytest

from hub.accounts.roles import Role
from tests.hub.web.cold import REAR, folded, warm_now
from tests.hub.web.conftest import hub
from tests.hub.web.seeded import SeededHub, add_device

__all__ = ["hub"]

SENSOR = f"/api/v1/sensors/{REAR}"
FRIDGE = {"name": "fridge", "limits": [{"name": "above 8", "side": "above", "threshold": 800, "allowed_s": 60}]}


def put(hub: SeededHub, path: str, body: object) -> Any:
    return hub.client().put(path, json=body, headers={"authorization": f"Bearer {hub.token(Role.OPERATOR)}"})


def test_a_profile_is_defined_and_judges_a_sensor_that_was_never_heard(hub: SeededHub) -> None:
    hub.on_decide = partial(folded, hub)
    with hub.database.write() as tx:
        add_device(tx, "van-1")
    assert put(hub, "/api/v1/profiles", FRIDGE).status_code == 200
    assert put(hub, f"{SENSOR}/record", {"name": " Rear ", "calibration_due": "2027-01-31"}).status_code == 200
    assert put(hub, f"{SENSOR}/profile", {"profile": "fridge"}).status_code == 200

    told = hub.signed_in().get(f"{SENSOR}/record").json()
    assert (told["name"], told["calibration_due"], told["profile"]) == ("Rear", "2027-01-31", "fridge")
    (defined,) = [
        item for item in hub.signed_in().get("/api/v1/profiles").json()["items"] if item["known_at"] is not None
    ]
    assert defined["profile"] == FRIDGE


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (
            "/api/v1/profiles",
            {"name": "x", "limits": [{"name": "a", "side": "above", "threshold": -30_000}]},
            422,
            "-300",
        ),
        ("/api/v1/profiles", {"name": "x"}, 422, "limits"),
        ("/api/v1/sensors/van-9.rear.temperature_c/profile", {"profile": "pharma-2-8"}, 404, "van-9"),
        ("/api/v1/sensors/nothing/record", {"name": "x"}, 404, "nothing"),
        (f"{SENSOR}/profile", {"profile": "no such"}, 404, "no such"),
        (f"{SENSOR}/profile", {"profile": "pharma-2-8", "from": "1900-01-01T00:00:00Z"}, 422, "past two years"),
        (f"{SENSOR}/record", {"name": "x" * 1_000_000}, 422, "100"),
        (f"{SENSOR}/record", {"name": "two\nlines"}, 422, "name"),
        (f"{SENSOR}/record", {"replaced_by": REAR}, 422, "own place"),
        (f"{SENSOR}/record", {"calibration_due": "1950-01-01"}, 422, "1970"),
        (f"{SENSOR}/record", {"why": "no\0"}, 422, "why"),
    ],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(
    hub: SeededHub, path: str, body: object, status: int, words: str
) -> None:
    with hub.database.write() as tx:
        warm_now(tx, 41)
    answer = put(hub, path, body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert hub.decisions == []
