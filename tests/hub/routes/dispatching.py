"""A dispatcher's morning for tests: vans, orders around a depot, routes, and what devices say of them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from contract.event import Event, Outcome, Proof, Scan, Step
from contract.route import MANIFEST_DOCUMENT, ROUTE_DOCUMENT, Manifest, Route, decode_manifest, decode_route
from hub import tables as t
from hub.accounts.roles import Role
from hub.db import Database
from tests.hub.folding import PROJECTIONS, Ledger
from tests.hub.web.seeded import HubClock, SeededHub, TestClient, add_device, seeded_hub

DAY = "2026-06-01"
DAWN_MS = 1_780_272_000_000
"""2026-06-01T00:00:00Z."""
HOUR_MS = 3_600_000
NOW_MS = DAWN_MS + 6 * HOUR_MS
DEPOT = (31.2304, 121.4737)
API = "/api/v1"


def order(n: int, *, seed: int = 0, **more: Any) -> dict[str, Any]:
    """An order somewhere in the city."""
    rng = random.Random(f"{seed}-{n}")
    return {
        "reference": f"R{n:05}",
        "consignee": f"Consignee {n}",
        "address": f"Nanjing W. Rd {n + 1}, 200041",
        "latitude": round(DEPOT[0] + rng.gauss(0, 0.03), 6),
        "longitude": round(DEPOT[1] + rng.gauss(0, 0.03), 6),
        "parcels": [f"HOLDFAST-{n:05}"],
        "day": DAY,
        "weight_kg": 2,
        **more,
    }


@dataclass
class Dispatch:
    """A hub with a dispatcher who asks its interface, and devices whose facts are folded at once."""

    hub: SeededHub
    clock: HubClock
    client: TestClient
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def database(self) -> Database:
        return self.hub.database

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = self.client.request(method, API + path, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    def van(self, name: str, device: str = "", **more: Any) -> None:
        body = {
            "name": name.replace("-", " "),
            "device": device,
            "depot": "Depot North",
            "depot_latitude": DEPOT[0],
            "depot_longitude": DEPOT[1],
            **more,
        }
        self.ask("PUT", f"/vehicles/{name}", json=body)

    def device(self, name: str, place: str = "") -> None:
        with self.database.write() as tx:
            add_device(tx, name, place=place)

    def ships(self, *orders: dict[str, Any]) -> Any:
        return self.ask("POST", "/shipments", json=list(orders))

    def routes(self, *vans: str, seconds: float = 0.5, **more: Any) -> Any:
        return self.ask("POST", "/routes", json={"day": DAY, "vehicles": list(vans), "seconds": seconds, **more})

    def route(self, van: str = "van-1") -> Any:
        return self.ask("GET", f"/routes/{DAY}-{van}")

    def stops(self, van: str = "van-1") -> list[str]:
        return [stop["stop"] for stop in self.route(van)["items"]]

    # -- devices -------------------------------------------------------------------------------------------------------

    def document(self, device: str, kind: str) -> tuple[int, bytes]:
        c = t.device_document.c
        with self.database.read() as conn:
            row = conn.execute(select(c.version, c.data).where(c.device == device, c.kind == kind)).one()
        return row.version, row.data

    def route_on(self, device: str) -> Route | None:
        return decode_route(self.document(device, ROUTE_DOCUMENT)[1])

    def manifest_on(self, device: str) -> Manifest | None:
        return decode_manifest(self.document(device, MANIFEST_DOCUMENT)[1])

    def say(self, device: str, event: Event, at_ms: int | None = None, known_ms: int | None = None) -> str:
        """A fact of a device, folded; its identity."""
        at = self.clock.ms if at_ms is None else at_ms
        known = self.ledger.add(
            event, at_ms=at, mono_ms=at - DAWN_MS + HOUR_MS, received_ms=known_ms or at, device=device
        )
        with self.database.write() as tx:
            changes = [change for projection in PROJECTIONS for change in projection.fold(tx, [known])]
            PROJECTIONS[-1].act(tx, changes, self.clock.ms)  # type: ignore[attr-defined]  # the last one acts
        return known.fact_id.hex()

    def load(self, device: str, *parcels: str) -> None:
        for parcel in parcels:
            self.say(device, Scan(parcel.encode(), "]C1", "plain", parcel, Step.LOADED, "Depot North", "usb0"))

    def prove(
        self, device: str, stop: str, outcome: Outcome = Outcome.DELIVERED, *parcels: str, at_ms: int | None = None,
        known_ms: int | None = None, **more: Any,
    ) -> str:  # fmt: skip
        given = outcome in {Outcome.DELIVERED, Outcome.PICKED_UP}
        proof = Proof(stop, outcome, parcels if given else (), () if given else parcels, **more)
        return self.say(device, proof, at_ms, known_ms)


@contextmanager
def dispatch(folder: Path, now_ms: int = NOW_MS) -> Iterator[Dispatch]:
    clock = HubClock(now_ms)
    with seeded_hub(folder, clock) as hub:
        client = hub.client()
        client.headers["authorization"] = f"Bearer {hub.token(Role.DISPATCHER)}"
        yield Dispatch(hub, clock, client)
