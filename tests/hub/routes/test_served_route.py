"""A route over a real broker: it is on the device at once, and proofs of the device are verified to the last hash."""

import json
import queue
import shutil
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from contract.event import Outcome, Proof
from contract.messages import Document, decode_down
from contract.route import ROUTE_DOCUMENT, Route, decode_route
from contract.statement import Direction, unseal
from tests.hub.routes.dispatching import DEPOT, order
from tests.hub.served import ServedHub, WiredDevice, initialised_hub, run_hub

pytestmark = pytest.mark.slow

WAIT_S = 60


class Program:
    """A shipper's program with a token."""

    def __init__(self, hub: ServedHub) -> None:
        self._base = f"{hub.ready['http']}/api/v1"
        made = run_hub("token", "create", "--role", "dispatcher", "--data", hub.data)
        self._token = made.stdout.strip()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, headers, method=method)  # noqa: S310 our own hub
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 as above
            return json.loads(answer.read())


def heard_route(van: WiredDevice) -> Route | None:
    """The route that the device is sent; documents come in parts."""
    assert van.visitor is not None
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        try:
            _, payload = van.visitor.heard.get(timeout=0.2)
        except queue.Empty:
            continue
        message = decode_down(unseal(van.key, Direction.DOWN, van.device.name, payload))
        if isinstance(message, Document) and message.kind == ROUTE_DOCUMENT:
            return decode_route(message.data)
    raise AssertionError("no route came")


def test_a_route_reaches_a_device_in_contact_at_once_and_its_proof_comes_back(tmp_path: Path) -> None:
    data = Path(shutil.copytree(initialised_hub(), tmp_path / "hub"))
    with ServedHub(data) as hub:
        out = tmp_path / "van-1.toml"
        assert run_hub("device", "add", "van-1", "--data", data, "--out", out).returncode == 0
        van = WiredDevice.of_config(out)
        van.device.store.append(b"hello")
        van.connect(hub)
        assert van.exchange(1)
        program = Program(hub)
        depot = {"depot_latitude": DEPOT[0], "depot_longitude": DEPOT[1]}
        program.ask("PUT", "/vehicles/van-1", {"device": "van-1", "shift_from_min": 0, "shift_to_min": 2880, **depot})
        program.ask("POST", "/shipments", [order(n, day="2030-01-01") for n in range(3)])
        assert program.ask("POST", "/routes", {"day": "2030-01-01", "seconds": 0.5})["waiting"] == []
        told = program.ask("POST", "/routes/2030-01-01-van-1/assign", {})
        assert told["told"] == ["van-1"]

        route = heard_route(van)
        assert route is not None
        assert len(route.stops) == 3

        stop = route.stops[0]
        event = Proof(stop.stop, Outcome.DELIVERED, (stop.parcels[0].parcel,), recipient="Wang Xiaoming")
        van.disconnect()
        # Of another courier who helps out: devices of these tests keep no documents, and this one is sent none.
        out = tmp_path / "van-2.toml"
        assert run_hub("device", "add", "van-2", "--data", data, "--out", out).returncode == 0
        other = WiredDevice.of_config(out, seed=2)
        identity = other.device.store.keep(event)
        other.connect(hub)
        assert other.exchange(1)
        other.disconnect()
        # A fact is acknowledged before it is folded.
        until_s = time.monotonic() + WAIT_S
        while not program.ask("GET", "/deliveries")["items"] and time.monotonic() < until_s:
            time.sleep(0.05)
        told = program.ask("GET", f"/deliveries/{identity.hex()}/verify")
        assert (told["ok"], [(one["what"], one["ok"]) for one in told["items"]]) == (
            True,
            [("core", True), ("shown", True), ("chain", True)],
        )
        assert program.ask("GET", "/routes/2030-01-01-van-1")["done"] == 1
