"""Road times from a real routing server's interface, from an estimate, and from the estimate where the server is away."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hub.errors import Refused
from hub.routes.roads import Estimate, parse_roads

PLACES = [(312_304_000 + n * 10_000, 1_214_737_000) for n in range(130)]


class Router(BaseHTTPRequestHandler):
    """Answers as OSRM and Valhalla do: a second for each 1e-7 degree of latitude, ten metres a second."""

    asked: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        wanted = dict(part.split("=") for part in query.split("&"))
        places = [round(float(pair.split(",")[1]) * 1e7) for pair in path.rpartition("/")[2].split(";")]
        self.asked.append(path.rpartition("/")[0])
        rows, columns = ([places[int(i)] for i in wanted[name].split(";")] for name in ("sources", "destinations"))
        seconds: list[list[float | None]] = [[abs(a - b) / 10_000 for b in columns] for a in rows]
        self._say(
            {
                "code": "Ok",
                "durations": seconds,
                "distances": [[None if s is None else s * 10 for s in row] for row in seconds],
            }
        )

    def do_POST(self) -> None:
        self.asked.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        cells = [
            [
                {"time": abs(a["lat"] - b["lat"]) * 1e3, "distance": abs(a["lat"] - b["lat"]) * 10}
                for b in body["targets"]
            ]
            for a in body["sources"]
        ]
        self._say({"sources_to_targets": cells})

    def _say(self, told: Any) -> None:
        data = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def router() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (Router,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_osrm_is_asked_block_by_block() -> None:
    with router() as (url, asked):
        table, source = parse_roads(f"osrm+{url}").table(PLACES)
    assert source == "osrm"
    assert len(asked) == 9
    assert set(asked) == {"/table/v1/driving"}
    assert (table.size, table.second(0, 129), table.metre(129, 60), table.second(7, 7)) == (130, 129, 690, 0)


def test_valhalla_answers_in_kilometres() -> None:
    with router() as (url, asked):
        table, source = parse_roads(f"valhalla+{url}/").table(PLACES[:3])
    assert source == "valhalla"
    assert asked == ["/sources_to_targets"]
    assert (table.second(0, 2), table.metre(0, 2)) == (2, 20)


def test_times_are_estimated_and_said_to_be_where_the_service_is_away() -> None:
    with router() as (url, _):
        pass
    table, source = parse_roads(f"osrm+{url}").table(PLACES[:2])
    assert source == "estimate"
    assert table == Estimate().table(PLACES[:2])[0]


def test_an_estimate_is_the_line_of_flight_with_a_detour() -> None:
    # One degree of latitude is 111.2 km.
    table, _ = Estimate(detour=1.5, speed_km_h=60).table([(0, 0), (10_000_000, 0)])
    assert table.metre(0, 1) == pytest.approx(166_792, abs=5)
    assert table.second(0, 1) == pytest.approx(10_007, abs=2)


@pytest.mark.parametrize("text", ["http://here", "osrm+ftp://x", "osrm+http://", "osm+http://x"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="expected osrm"):
        parse_roads(text)
