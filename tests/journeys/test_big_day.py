"""A day at the bounds, over real processes: the longest route, the largest photo, the longest file; nobody waits for them."""

import os
import random
import threading
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from contract.event import Outcome, Proof
from contract.limits import MAX_BLOB_BYTES
from contract.local import Kept, RecordProof
from contract.route import MAX_STOPS
from firmware_sim.processes import AgentProcess
from firmware_sim.relay import Relay
from tests.journeys.world import Site, ask, is_drained, is_in_contact, keep, status_of, wait_until
from tests.mobile_ui.test_with_agent import app

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_hub")]

DAY = "2030-01-01"
ROUTE = f"{DAY}-van-1"
BULK_BYTES_PER_S = 150_000
"""So that the largest photo takes far longer than all that must not wait for it."""
ANSWERS = 5
"""So many questions at least are answered beside a large file; where its reading holds the hub up it is one or two."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("big-day")) as site:
        yield site


def post(site: Site, method: str, path: str, status: int = 200, **body: Any) -> Any:
    answer = site.http.request(
        method,
        f"{site.hub.url}/api/v1/{path}",
        headers={"Authorization": f"Bearer {site.token}"} | body.pop("headers", {}),
        timeout=120,
        **body,
    )
    assert answer.status_code == status, answer.text[:500]
    return answer.json()


def orders(first: int, count: int) -> bytes:
    """CSV of orders around the depot."""
    rng = random.Random(first)
    lines = []
    for n in range(first, first + count):
        place = f"{31.2 + rng.random() / 20:.6f},{121.4 + rng.random() / 20:.6f}"
        lines.append(f"R{n},Consignee {n},Nanjing W. Rd {n} 200041,BOX-{n},{place},{DAY}")
    return "\n".join(["reference,consignee,address,parcels,latitude,longitude,day", *lines]).encode()


def ship(site: Site, data: bytes) -> Any:
    return post(site, "POST", "shipments", content=data, headers={"content-type": "text/csv"})


def route_version(agent: AgentProcess) -> int:
    return dict(status_of(agent).documents).get("route", 0)


def waiting(site: Site) -> list[str]:
    """Keys of all stops."""
    found: list[str] = []
    page = site.get("shipments", limit=1000)
    while page["items"]:
        found += [one["stop"] for one in page["items"]]
        page = site.get("shipments", limit=1000, cursor=page["items"][-1]["id"])
    return found


def test_the_longest_route_is_on_the_device_at_once_and_one_more_stop_changes_nothing(site: Site) -> None:
    agent = site.add_device("van-1")
    with site.running(agent):
        wait_until(lambda: is_in_contact(agent), "the device is in contact")
        depot = {"depot_latitude": 31.22, "depot_longitude": 121.42, "shift_from_min": 0, "shift_to_min": 2880}
        post(site, "PUT", "vehicles/van-1", json={"name": "van 1", "device": "van-1", **depot})
        assert ship(site, orders(0, MAX_STOPS))["created"] == MAX_STOPS
        post(site, "POST", "routes", json={"day": DAY, "optimise": False})
        stops = waiting(site)
        post(site, "PATCH", f"routes/{ROUTE}", json={"stops": stops})
        told = post(site, "POST", f"routes/{ROUTE}/assign", json={})
        wait_until(lambda: route_version(agent) == told["version"], "the route is on the device")

        with app(agent.config.parent) as (courier, loop, _link):
            loop.until(lambda: len(courier.day.stops) == MAX_STOPS)
            assert [one.stop.stop for one in courier.day.stops] == stops

            ship(site, orders(MAX_STOPS, 1))
            post(site, "POST", "routes", json={"day": DAY, "optimise": False})
            more = [*stops, *(set(waiting(site)) - set(stops))]
            post(site, "PATCH", f"routes/{ROUTE}", json={"stops": more})
            refused = post(site, "POST", f"routes/{ROUTE}/assign", 409, json={})
            assert refused["detail"] == "2001 stops; a device takes a route of at most 2000, so split it"
            assert (route_version(agent), len(courier.day.stops)) == (told["version"], MAX_STOPS)


def test_f089_the_largest_photo_goes_in_its_own_lane_and_scans_do_not_wait_for_it(site: Site) -> None:
    with Relay("127.0.0.1", site.mqtt_port) as relay:
        agent = site.add_device("van-2", port=relay.port)
        relay.bytes_per_s = BULK_BYTES_PER_S
        with site.running(agent):
            wait_until(lambda: is_in_contact(agent), "the device is in contact")
            photo = os.urandom(MAX_BLOB_BYTES)
            incoming = agent.config.parent / "incoming"
            (incoming / "door.jpg").write_bytes(photo)
            proof = Proof("stop-9", Outcome.DELIVERED, ("P9",), recipient="Wang")
            kept = ask(agent.config, RecordProof(os.urandom(16), proof, photos=("door.jpg",)))
            assert isinstance(kept, Kept)
            for n in range(10):
                keep(agent.config, f"BESIDE-{n}")
            wait_until(lambda: len(site.scanned("van-2")) == 10, "the scans are at the hub")
            delivery = f"deliveries/{kept.fact_id.hex()}"
            wait_until(
                lambda: any(one["id"] == kept.fact_id.hex() for one in site.get("deliveries")["items"]), "the proof"
            )
            assert status_of(agent).blobs_pending == 1
            (picture,) = site.get(delivery)["pictures"]
            assert picture["state"] in {"coming", "pending"}
            assert picture["percent"] < 100

            relay.bytes_per_s = None
            wait_until(lambda: is_drained(agent), "the photo is at the hub")
            (picture,) = site.get(delivery)["pictures"]
            assert (picture["state"], picture["sha256"]) == ("here", sha256(photo).hexdigest())
            assert site.get(f"{delivery}/verify")["ok"] is True


def test_a_file_of_two_hundred_thousand_lines_holds_nobody_up(site: Site) -> None:
    answers: list[str] = []

    def send() -> None:
        told = post(
            site, "POST", "shipments", 422, content=orders(10**6, 200_000), headers={"content-type": "text/csv"}
        )
        answers.append(told["detail"])

    # And one that is taken: it is read and kept beside what devices say.
    def send_good() -> None:
        answers.append(str(ship(site, orders(10**7, 10_000))["created"]))

    for work in (send, send_good):
        sender = threading.Thread(target=work)
        sender.start()
        answered = 0
        while sender.is_alive():
            assert site.http.get(f"{site.hub.url}/healthz").status_code == 200
            answered += 1
            sender.join(0.02)
        assert answered >= ANSWERS
    assert answers == ["more than 50000 orders in one file; send it in parts. Nothing was kept", "10000"]
