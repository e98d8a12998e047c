"""Sensors as programs see them."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from hub.coldchain.api import router
from tests.hub.asking import app_of, ask
from tests.hub.folding import T0, Ledger, block, engine, fold

AIR = "/api/v1/sensors/van-1.probe.air"


@pytest.fixture
def database() -> Iterator[Engine]:
    made = engine()
    ledger = Ledger()
    ledger.add(block([(0, 412), (10_000, None), (20_000, -50)]))
    with made.begin() as tx:
        fold(tx, ledger.facts)
    yield made
    made.dispose()


@pytest.fixture
def client(database: Engine) -> FastAPI:
    return app_of(router, database, T0 + 60_000)


def test_a_sensor_tells_its_latest_value_when_it_was_measured_and_when_it_was_known(client: FastAPI) -> None:
    assert ask(client, AIR).json() == {
        "id": "van-1.probe.air",
        "device": "van-1",
        "quantity": "temperature_c",
        "place": "",
        "device_last_contact": "2026-05-28T20:27:40Z",
        "freshness": "fresh",
        "latest": {
            "measured_at": "2026-05-28T20:27:00Z",
            "known_at": "2026-05-28T20:27:40Z",
            "value": -0.5,
            "interval_ms": 10_000,
            "source": "device",
            "uncertainty_ms": None,
        },
        "conflicts": 0,
        "now": "2026-05-28T20:27:40Z",
    }


def test_the_list_holds_the_same_sensors(client: FastAPI) -> None:
    answer = ask(client, "/api/v1/sensors?quantity=temperature_c&device=van-1").json()

    assert ([item["id"] for item in answer["items"]], answer["next_cursor"]) == (["van-1.probe.air"], None)
    assert ask(client, "/api/v1/sensors?quantity=humidity_rh").json()["items"] == []


def test_readings_come_in_degrees_with_faults_as_null(client: FastAPI) -> None:
    answer = ask(client, f"{AIR}/readings").json()

    assert [(item["value"], item["fault"]) for item in answer["items"]] == [(4.12, False), (None, True), (-0.5, False)]
    assert (answer["readings"], answer["thinned"], answer["gaps"], answer["resolution_ms"]) == (3, False, [], 0)


@pytest.mark.parametrize("zone", ["Z", "%2B00:00", ""])
def test_f095_a_range_is_taken_in_the_zone_that_it_names_and_else_in_utc(client: FastAPI, zone: str) -> None:
    answer = ask(client, f"{AIR}/readings?from=2026-05-28T20:26:45{zone}&to=2026-05-28T20:26:55{zone}").json()

    assert [item["at"] for item in answer["items"]] == ["2026-05-28T20:26:50Z"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/sensors/nobody", 404),
        ("/api/v1/sensors/nobody/readings", 404),
        (f"{AIR}/readings?from=2026-05-28T00:00:00Z&to=2026-05-27T00:00:00Z", 400),
        (f"{AIR}/readings?from=2000-01-01T00:00:00Z", 400),
        (f"{AIR}/readings?points=1000000", 422),
        ("/api/v1/sensors?limit=501", 422),
    ],
)
def test_f118_what_cannot_be_answered_or_costs_too_much_is_refused(client: FastAPI, path: str, status: int) -> None:
    answer = ask(client, path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
