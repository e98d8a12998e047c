"""The office: tells the hub how cold goods must be and what its sensors are called, and finds the pages worth a look.

Everything goes through the hub's REST interface, as an administrator's own program would do it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

import httpx2

from firmware_sim.demo.cast import COLD_ROOM, TEMPERATURE, Member
from firmware_sim.demo.pace import Pace
from firmware_sim.errors import SimulatorError

PROFILE = "demo-2-8"
AWAY = "van-3"
"""Whose excursion becomes known late."""
CALIBRATED_FOR = timedelta(days=200)
# A plan on a busy machine takes a while.
TIMEOUT_S = 30.0
TRIPS = 20
PROOFS = 30


class OfficeSilent(SimulatorError):
    """The hub did not answer, or refused."""


@dataclass(frozen=True, slots=True)
class Sights:
    """What is worth a look, as identities in addresses; empty where there is none yet."""

    excursion: str = ""
    parcel: str = ""
    trip: str = ""
    late: str = ""
    """A route that is late."""
    proof: str = ""
    """A proof with a signature and a photo."""


class Office:
    """Speaks to the hub with an administrator's token. Use as a context manager."""

    def __init__(self, url: str, token: str, *, transport: httpx2.BaseTransport | None = None) -> None:
        """Describe the hub at `url` (without a slash at the end); `transport` stands in for the network in tests."""
        headers = {"Authorization": f"Bearer {token}"}
        # What is on this machine is not reached through the proxies of the environment.
        self._http = httpx2.Client(
            base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def describe(self, pace: Pace, members: Iterable[Member]) -> None:
        """Say by what every temperature sensor of these is judged, and what people call it.

        Raises:
            OfficeSilent: The hub did not answer, or refused.
        """
        self.ask("PUT", "/profiles", json=profile(pace))
        due = (datetime.now(UTC) + CALIBRATED_FOR).date().isoformat()
        for member in members:
            for box in member.boxes:
                sensor = quote(f"{member.device}.{box.name}.{TEMPERATURE.quantity}", safe="")
                name = "Cold room" if member is COLD_ROOM else f"{member.place} {box.name} box"
                self.ask("PUT", f"/sensors/{sensor}/record", json={"name": name, "calibration_due": due})
                self.ask("PUT", f"/sensors/{sensor}/profile", json={"profile": PROFILE})

    def sights(self) -> Sights:
        """Return a late known excursion, a parcel that was warm in a van with its trip, a route that is late, and a proof.

        Raises:
            OfficeSilent: The hub did not answer, or refused.
        """
        found = self.ask("GET", f"/excursions?device={AWAY}&kind=excursion&alarmed=true&limit=1")["items"]
        sights = Sights(found[0]["id"] if found else "", late=self._late(), proof=self._proof())
        for trip in self.ask("GET", f"/trips?limit={TRIPS}")["items"]:
            if trip["to_at"] is None:
                continue
            for parcel in self.ask("GET", f"/trips/{trip['id']}")["items"]:
                if parcel["verdict"] == "excursion":
                    return replace(sights, parcel=quote(parcel["id"], safe=""), trip=trip["id"])
        return sights

    def _late(self) -> str:
        routes = self.ask("GET", f"/routes?day={datetime.now(UTC).date().isoformat()}")["items"]
        return next((route["id"] for route in routes if route["late"]), "")

    def _proof(self) -> str:
        for one in self.ask("GET", f"/deliveries?limit={PROOFS}")["items"]:
            pictures = self.ask("GET", f"/deliveries/{one['id']}")["pictures"]
            if {picture["signature"] for picture in pictures} == {True, False}:
                return str(one["id"])
        return ""

    def ask(self, method: str, path: str, json: object = None) -> Any:
        """Ask the REST interface.

        Raises:
            OfficeSilent: The hub did not answer, or refused.
        """
        try:
            answer = self._http.request(method, f"/api/v1{path}", json=json)
        except httpx2.HTTPError as error:
            raise OfficeSilent(f"the hub did not answer {method} {path}: {error}") from error
        if answer.is_error:
            raise OfficeSilent(f"the hub refused {method} {path} with {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None


def profile(pace: Pace) -> dict[str, object]:
    """Return the limits of refrigerated medicines, with delays as short as the demo's day is."""
    return {
        "name": PROFILE,
        "limits": [
            {"name": "above 8", "side": "above", "threshold": 800, "allowed_s": pace.allowed_s},
            {"name": "below 2", "side": "below", "threshold": 200, "allowed_s": pace.allowed_s},
        ],
        "no_data_s": pace.no_data_s,
    }
