"""Whatever comes in at a door is kept as it is, or refused with a reason that people see; everything else flows on."""

import html
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import msgspec
import pytest

from contract.escape import escape_id
from contract.identity import identify
from contract.limits import MAX_WIRE_BYTES
from contract.statement import DEFLATED, Direction, _mac, seal
from contract.topics import up_topic
from firmware_sim.processes import AgentProcess, run_command
from firmware_sim.pty_line import PtyLine
from firmware_sim.signals import Signal, SignalLines
from tests.journeys.rogue import Rogue
from tests.journeys.visitors import publish
from tests.journeys.world import PATIENCE_S, Site, is_drained, scan, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_hub")]

MIB = 1024 * 1024
MOST_GROWTH_BYTES = 32 * MIB
"""What a bomb may cost; interpreters never grow by nothing."""


def peak_bytes(pid: int | None) -> int:
    """The most memory that a process ever had at once."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


class Counter:
    """A desk with a line scanner whose every byte the test decides."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.line = PtyLine(folder / "scanner")
        self.line.plug()
        port = f'[[drivers]]\nkind = "scanner_line"\nname = "scanner"\nport = "{self.line.link}"\nfeedback = true\n'
        self.agent: AgentProcess = site.add_device("desk-1", port)
        self._lines = SignalLines()

    def write(self, data: bytes) -> None:
        """Put bytes on the line as fast as they are taken."""
        give_up_s = time.monotonic() + PATIENCE_S
        while data:
            assert time.monotonic() < give_up_s, f"{len(data)} bytes are not read"
            written = self.line.write(data)
            data = data[written:]
            if not written:
                time.sleep(0.001)

    def beep(self) -> Signal:
        """What the device tells the person next."""
        signals = wait_until(lambda: self._lines.feed(self.line.read()), "a beep")
        assert len(signals) == 1
        assert isinstance(signals[0], Signal)
        return signals[0]

    def scan(self, code: bytes) -> Signal:
        """One whole code."""
        self.write(code + b"\r")
        return self.beep()

    def counters(self) -> dict[str, int]:
        """What the device says of its scanner."""
        [driver] = self.agent.status()["drivers"]
        counters: dict[str, int] = driver["counters"]
        return counters

    def why(self) -> str:
        """The reasons with evidence."""
        return str(self.agent.status()["drivers"][0]["why"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("bad")) as site:
        yield site


@pytest.fixture(scope="module")
def desk(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    desk = Counter(site, tmp_path_factory.mktemp("ports"))
    with site.running(desk.agent):
        wait_until(desk.line.is_open, "the driver opens the port")
        # What comes while a port is being opened is thrown away by the kernel.
        wait_until(lambda: desk.counters()["opened"] == 1, "the driver is ready")
        yield desk
    desk.line.unplug()


def flows_on(desk: Counter, code: bytes) -> None:
    """The next honest scan is kept, and comes to the hub."""
    assert desk.scan(code).is_kept
    wait_until(lambda: code.decode() in desk.site.scanned("desk-1"), "the next scan is at the hub")


# -- at the scanner --------------------------------------------------------------------------------------------------


def test_broken_frame_is_given_up_counted_and_shown(desk: Counter) -> None:
    before = desk.counters()["rejected"]
    # The rest of this code never comes.
    desk.write(b"003401234500")
    wait_until(lambda: desk.counters()["rejected"] == before + 1, "the broken frame is given up")
    assert desk.beep() is Signal.REFUSED
    assert "003401234500" in desk.why()
    flows_on(desk, b"AFTER-BROKEN")
    assert not [code for code in desk.site.scanned() if code.startswith("0034")]


def test_line_without_end_is_refused_without_filling_memory(desk: Counter) -> None:
    before, peak = desk.counters(), peak_bytes(desk.agent.pid)
    desk.write(b"7" * (10 * MIB))
    desk.write(b"\r")
    wait_until(
        lambda: desk.counters().get("rejected_too_long", 0) > before.get("rejected_too_long", 0), "it is counted"
    )
    assert desk.beep() is Signal.REFUSED
    assert "too_long" in desk.why()
    assert peak_bytes(desk.agent.pid) - peak < MOST_GROWTH_BYTES / 4
    flows_on(desk, b"AFTER-LONG")


def test_f075_longest_possible_code_is_kept_whole(desk: Counter) -> None:
    code = b"5" * 7_089
    assert desk.scan(code).is_kept
    wait_until(lambda: code.decode() in desk.site.scanned("desk-1"), "the code is at the hub")
    # People see a name that fits a page.
    shown = desk.site.shows(identify(code).key, "received")
    assert len(shown["id"]) <= 256


@pytest.mark.parametrize(
    "code",
    [b"<script>alert(1)</script>", b'"><img src=x onerror=alert(1)>', b"{{7*7}}", b"'; DROP TABLE fact; --"],
    ids=["script", "image", "template", "sql"],
)
def test_f076_f078_code_that_means_something_elsewhere_is_only_text(desk: Counter, code: bytes) -> None:
    assert desk.scan(code).is_kept
    parcel = identify(code).key
    assert desk.site.shows(parcel, "received")["id"] == parcel
    with signed_in(desk.site) as http:
        for path in (f"/tracking/{escape_id(parcel)}", f"/tracking?q={escape_id(parcel)}"):
            page = http.get(path)
            assert page.status_code == 200, path
            assert parcel in html.unescape(page.text)
            assert parcel not in page.text or parcel == html.escape(parcel)
            assert "unsafe-inline" not in page.headers["content-security-policy"]


def test_f073_f079_control_characters_are_kept_raw_and_shown_escaped(desk: Counter) -> None:
    code = b"\x1b[2J\x00\x07A\tB\x1dC level=error"
    assert desk.scan(code).is_kept
    wait_until(lambda: code.decode() in desk.site.scanned("desk-1"), "the code is at the hub")
    listed = run_command("holdfast-agent", "outbox", "--config", str(desk.agent.config))
    told = run_command("holdfast-agent", "status", "--config", str(desk.agent.config))
    logs = desk.agent.stderr_path.read_text() + desk.site.hub.stderr_path.read_text()
    for text in (listed, told, logs):
        assert not re.search(r"[\x00\x07\x1b\x1d]", text)
    parcel = desk.site.shows(identify(code).key, "received")
    with signed_in(desk.site) as http:
        page = http.get(f"/tracking/{parcel['url_id']}")
        assert page.status_code == 200
        assert not re.search(r"[\x00\x07\x1b\x1d]", page.text)


@contextmanager
def signed_in(site: Site) -> Iterator[httpx2.Client]:
    """An operator's browser, without the browser."""
    name = f"operator-{os.urandom(4).hex()}"
    answer = run_command(
        "holdfast-hub", "user", "add", name, "--role", "operator", "--data", str(site.hub.data), "--json"
    )
    password = msgspec.json.decode(answer)["password"]
    with httpx2.Client(base_url=site.hub.url, trust_env=False, timeout=PATIENCE_S, follow_redirects=True) as http:
        csrf = re.search(r'name="csrf"[^>]*value="([^"]+)"', http.get("/login").text)
        assert csrf
        form = {"name": name, "password": password, "csrf": csrf[1], "next": "/"}
        done = http.post("/login", data=form, headers={"Origin": site.hub.url})
        assert done.status_code == 200, done.text
        yield http


# -- at the broker ---------------------------------------------------------------------------------------------------


def others_flow_on(site: Site) -> None:
    """Another device is served as ever."""
    code = f"HONEST-{os.urandom(4).hex()}"
    honest = site.add_device(f"honest-{os.urandom(4).hex()}")
    with site.running(honest):
        scan(honest.config, code)
        wait_until(lambda: is_drained(honest) and code in site.scanned(), "another device's scan is at the hub")


def test_f064_f065_deflate_bomb_is_refused_and_shown_without_filling_memory(site: Site) -> None:
    rogue = Rogue(site, "bomber")
    others_flow_on(site)
    peak = peak_bytes(site.hub.pid)
    for size in (2 * MIB, 60 * MIB, 200 * MIB):
        rogue.say(rogue.bomb(size))
    incident = wait_until(lambda: site.incidents("malformed", "bomber"), "the operator sees it")[0]
    wait_until(lambda: site.incidents("malformed", "bomber")[0]["count"] == 3, "all three are counted")
    assert "inflates beyond" in incident["detail"]
    assert peak_bytes(site.hub.pid) - peak < MOST_GROWTH_BYTES
    others_flow_on(site)


@pytest.mark.parametrize(
    ("name", "payload", "kind"),
    [
        ("empty", lambda r: b"\x00", "malformed"),
        ("noise", lambda r: os.urandom(500), "malformed"),
        ("wrong-mac", lambda r: seal(b"?" * 32, Direction.UP, r.name, b"x"), "not_authentic"),
        ("down", lambda r: seal(r.key, Direction.DOWN, r.name, r.batch([r.core("X")])), "not_authentic"),
        ("too-large", lambda r: r.sealed(b"x") + bytes(MAX_WIRE_BYTES), "malformed"),
        ("not-deflate", lambda r: r.bomb(2 * MIB)[:1] + mac_over(r, b"\xff\xff"), "malformed"),
    ],
)
def test_f063_statement_that_cannot_be_read_is_refused_and_shown(
    site: Site, name: str, payload: Callable[[Rogue], bytes], kind: str
) -> None:
    rogue = Rogue(site, f"rogue-{name}")
    # The first byte of noise must not happen to be a form.
    rogue.say(payload(rogue) if name != "noise" else b"\xee" + payload(rogue))
    incident = wait_until(lambda: site.incidents(kind, rogue.name), "the operator sees it")[0]
    assert incident["detail"]
    assert site.rows(device=rogue.name) == []
    others_flow_on(site)


def mac_over(rogue: Rogue, body: bytes) -> bytes:
    return _mac(rogue.key, Direction.UP, rogue.name, DEFLATED, body) + body


def test_f061_f068_f069_genuine_statement_that_says_nothing_known_is_kept_in_quarantine(site: Site) -> None:
    rogue = Rogue(site, "babbler")
    bodies = [
        b"\xc1",
        msgspec.msgpack.encode({"a": 1}),
        msgspec.msgpack.encode(["batch", b"short"]),
        msgspec.msgpack.encode(["hello", float("nan"), 2**63, -1]),
        b"\x91" * 100_000,
    ]
    for body in bodies:
        rogue.say(rogue.sealed(body))
    held = wait_until(
        lambda: (h := [q for q in site.quarantine() if q["device"] == "babbler"]) and len(h) == 5 and h, "all"
    )
    assert all(h["why"] for h in held)
    assert "babbler" in run_command("holdfast-hub", "quarantine", "list", "--data", str(site.hub.data))
    assert site.incidents("quarantine", "babbler")
    others_flow_on(site)


def test_p5_f061_f071_poison_in_a_batch_goes_to_quarantine_and_its_neighbours_to_the_ledger(site: Site) -> None:
    rogue = Rogue(site, "poisoner")
    poison = {
        b"\xff" * 40: "",
        b"\x91" * 5_000: "",
        rogue.core("FOREIGN", device="van-9"): "foreign_origin",
    }
    cores = [rogue.core("GOOD-1"), *poison, rogue.core("GOOD-2")]
    rogue.say(rogue.sealed(rogue.batch(cores)))
    held = wait_until(
        lambda: (h := [q for q in site.quarantine() if q["device"] == "poisoner"]) and len(h) == len(poison) and h,
        "the poison is in quarantine",
    )
    assert all(h["why"] for h in held)
    assert any("foreign_origin" in h["why"] for h in held)
    assert site.incidents("quarantine", "poisoner")
    rows = site.rows(device="poisoner")
    assert [bytes.fromhex(row["core"]) for row in rows] == cores
    assert [row["problem"] is None for row in rows] == [True, False, False, False, True]
    site.shows("GOOD-2", "loaded")
    others_flow_on(site)


def test_p3_f023_f024_batches_out_of_order_and_doubled_come_out_in_order_and_once(site: Site) -> None:
    rogue = Rogue(site, "shuffler")
    cores = [rogue.core(f"TURN-{i}") for i in range(4)]
    batches = [rogue.sealed(rogue.batch([core], after=cores[:i])) for i, core in enumerate(cores)]
    # Nothing can be appended behind what is unknown; the device is told and says it again.
    for i in (3, 1, 2, 0, 0, 2, 1, 1, 3, 2, 0, 3):
        rogue.say(batches[i])
    wait_until(lambda: len(site.rows(device="shuffler")) == 4, "all four are at the hub")
    rows = site.rows(device="shuffler")
    assert [bytes.fromhex(row["core"]) for row in rows] == cores
    assert [row["position"] for row in rows] == [1, 2, 3, 4]
    assert {row["branch"] for row in rows} == {0}
    assert site.incidents(device="shuffler") == []


def test_message_that_no_device_may_send_is_cut_off_at_the_broker(site: Site) -> None:
    rogue = Rogue(site, "giant")
    before = peak_bytes(site.hub.pid)
    publish(site.mqtt_port, rogue.who, up_topic("giant"), bytes(20 * MIB))
    others_flow_on(site)
    assert site.rows(device=rogue.name) == []
    assert peak_bytes(site.hub.pid) - before < MOST_GROWTH_BYTES
