"""Who may do what, in one table: every route of the app must have its line here, and every line is tried with every role."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.accounts.roles import Role
from hub.app import OPEN_PATHS
from tests.hub.accounts.staffed import StaffedHub, staffed_hub
from tests.hub.web.seeded import TestClient
from tests.hub.web.test_routes import ENDLESS, api_routes

EVERYBODY = frozenset(Role)
OPERATORS = frozenset({Role.OPERATOR, Role.DISPATCHER, Role.ADMIN})
DISPATCHERS = frozenset({Role.DISPATCHER, Role.ADMIN})
AUDITORS = frozenset({Role.AUDITOR, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})

# fmt: off
MATRIX: dict[frozenset[Role], str] = {
    EVERYBODY: """
        GET /api/v1/parcels
        GET /api/v1/parcels/{parcel_id}
        GET /api/v1/parcels/{parcel_id}/events
        GET /api/v1/parcels/{parcel_id}/temperature
        GET /api/v1/parcels/{parcel_id}/report.pdf
        GET /api/v1/parcels/{parcel_id}/report.json
        GET /api/v1/sensors
        GET /api/v1/sensors/{sensor_id}
        GET /api/v1/sensors/{sensor_id}/readings
        GET /api/v1/sensors/{sensor_id}/readings.csv
        GET /api/v1/sensors/{sensor_id}/record
        GET /api/v1/profiles
        GET /api/v1/excursions
        GET /api/v1/excursions/{excursion_id}
        GET /api/v1/trips
        GET /api/v1/trips/{trip_id}
        GET /api/v1/trips/{trip_id}/report.pdf
        GET /api/v1/trips/{trip_id}/report.json
        GET /api/v1/reports/{seal}
        GET /api/v1/devices
        GET /api/v1/devices/{device_id}
        GET /api/v1/devices/{device_id}/track
        GET /api/v1/positions
        GET /api/v1/shipments
        GET /api/v1/shipments/undone
        GET /api/v1/shipments/{shipment_id}
        GET /api/v1/vehicles
        GET /api/v1/routes
        GET /api/v1/routes/{route_id}
        GET /api/v1/routes/{route_id}/loading
        GET /api/v1/routes/{route_id}/labels.pdf
        GET /api/v1/deliveries
        GET /api/v1/deliveries/{delivery_id}
        GET /api/v1/deliveries/{delivery_id}/verify
        GET /api/v1/figures
        GET /api/v1/blobs/{sha256}
        GET /shipments
        GET /routes
        GET /routes/map
        GET /routes/figures
        GET /routes/{route_id}
        GET /deliveries
        GET /deliveries/{delivery_id}
        GET /deliveries/{delivery_id}/verify
        GET /api/v1/facts
        GET /api/v1/incidents
        GET /api/v1/quarantine
        GET /
        GET /tracking
        GET /tracking/{segment:path}
        GET /tracking/{segment}/chart
        GET /photos/{digest}
        GET /temperature
        GET /temperature/{sensor_id}
        GET /temperature/{sensor_id}/chart
        GET /temperature/{sensor_id}/means
        GET /excursions
        GET /excursions/{excursion_id}
        GET /trips
        GET /trips/{trip_id}
        GET /trips/{trip_id}/chart
        GET /devices
        GET /devices/{device_id}
        GET /map
        GET /map/tiles.pmtiles
        GET /display/tracking
        GET /display/temperature
        GET /account
        POST /account/password
        POST /account/sessions
    """,
    OPERATORS: """
        POST /api/v1/incidents/{key:path}/close
        POST /api/v1/excursions/{excursion_id}/acknowledge
        PUT /api/v1/profiles
        PUT /api/v1/sensors/{sensor_id}/record
        PUT /api/v1/sensors/{sensor_id}/profile
        POST /temperature/{sensor_id}/record
        GET /temperature/new
        POST /temperature/new
        GET /notices
    """,
    DISPATCHERS: """
        POST /api/v1/parcels/{parcel_id}/corrections
        POST /tracking/{segment}/corrections
        POST /api/v1/shipments
        POST /api/v1/shipments/{shipment_id}/cancel
        POST /api/v1/shipments/again
        POST /api/v1/deliveries/{delivery_id}/corrections
        POST /api/v1/deliveries/{delivery_id}/restore
        PUT /api/v1/vehicles/{vehicle_id}
        POST /api/v1/routes
        PATCH /api/v1/routes/{route_id}
        POST /api/v1/routes/{route_id}/optimise
        POST /api/v1/routes/{route_id}/assign
        POST /api/v1/routes/{route_id}/withdraw
        POST /shipments
        POST /routes
        POST /routes/vehicles
        POST /routes/again
        POST /routes/{route_id}
        POST /deliveries/{delivery_id}/corrections
        POST /deliveries/{delivery_id}/restore
    """,
    AUDITORS: """
        GET /api/v1/audit
        GET /api/v1/audit/chain
        GET /audit
        GET /audit/chain
        GET /audit.csv
    """,
    ADMINS: """
        POST /api/v1/devices
        POST /api/v1/devices/{device_id}/revoke
        GET /api/v1/users
        POST /api/v1/users
        PATCH /api/v1/users/{name}
        POST /api/v1/users/{name}/reset
        GET /api/v1/tokens
        POST /api/v1/tokens
        POST /api/v1/tokens/{token_id}/revoke
        GET /api/v1/displays
        POST /api/v1/displays
        POST /api/v1/displays/{name}/revoke
        POST /api/v1/notices/{target}/test
        GET /enrol
        POST /enrol
        POST /devices/{device_id}/revoke
        GET /account/users
        POST /account/users
        GET /account/tokens
        POST /account/tokens
        GET /account/displays
        POST /account/displays
    """,
}
# fmt: on

LINES = {line.strip(): roles for roles, lines in MATRIX.items() for line in lines.strip().splitlines()}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StaffedHub]:
    with staffed_hub(tmp_path) as made:
        yield made


def asked(client: TestClient, line: str, token: str | None) -> int:
    method, path = line.split()
    url = path.replace("{segment:path}", "x").replace("{key:path}", "x")
    url = "/".join("x" if part.startswith("{") else part for part in url.split("/"))
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return client.request(method, url, headers=headers).status_code


def test_f113_every_route_of_the_app_has_its_line_in_the_table(hub: StaffedHub) -> None:
    routes = {
        f"{method} {route.path}"
        for route in api_routes(hub)
        if route.path not in OPEN_PATHS and route.path != ENDLESS
        for method in route.methods
    }
    missing, stale = sorted(routes - set(LINES)), sorted(set(LINES) - routes)
    assert missing == [], f"say in MATRIX who may: {missing}"
    assert stale == [], f"no route is like that any more: {stale}"


@pytest.mark.parametrize("role", [None, *Role])
def test_f113_each_role_is_let_in_just_where_the_table_says(hub: StaffedHub, role: Role | None) -> None:
    token = None if role is None else hub.token(role)
    client = hub.client()
    wrong = []
    for line, roles in LINES.items():
        status = asked(client, line, token)
        expected = "401" if role is None else "let in" if role in roles else "403"
        told = {401: "401", 403: "403"}.get(status, "let in" if status < 500 else f"fails with {status}")
        if told != expected:
            wrong.append(f"{line}: {told}, expected {expected}")
    assert wrong == []
