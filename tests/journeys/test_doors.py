"""What strangers, other devices and a broker insider can do at the broker: nothing goes in, nothing comes out."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from contract.event import Lane
from contract.messages import Ack, Batch, Credit, Mark, decode_up, encode_message
from contract.statement import Direction, seal, unseal
from contract.topics import down_topic, up_topic
from firmware_sim.relay import Relay
from tests.journeys.brokers import BROKERS
from tests.journeys.visitors import forget_retained, listening, publish
from tests.journeys.world import Credential, Site, credential_of, key_of, scan, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_hub")]

WRONG_KEY = b"?" * 32
FALSE_PARTITION = "hf1/up/00/van-2"


class Doors:
    """A hub with van-1, which works, and van-2, whose credential an attacker has."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.van = site.add_device("van-1")
        self.thief = credential_of(site.add_device("van-2").config)
        self.port = site.mqtt_port

    def scan(self, code: str) -> None:
        """Scan at van-1, and wait until it is at the hub."""
        scan(self.van.config, code)
        wait_until(lambda: code in self.site.scanned("van-1"), f"{code} is at the hub")

    def ledger(self) -> list[str]:
        """Identities of all facts."""
        return [row["id"] for row in self.site.rows()]

    def captured_batch(self, code: str) -> bytes:
        """A batch as it passes the broker, with a scan of this code in it."""
        key = key_of(self.van.config)
        with listening(self.port, self.site.insider(), "hf1/up/#") as tap:
            self.scan(code)
            return wait_until(
                lambda: next((p for t, p in tap.heard if t == up_topic("van-1") and holds(key, p, code)), None),
                "the batch passes the broker",
            )


def holds(key: bytes, payload: bytes, code: str) -> bool:
    message = decode_up(unseal(key, Direction.UP, "van-1", payload))
    return isinstance(message, Batch) and any(isinstance(i, bytes) and code.encode() in i for i in message.items)


@pytest.fixture(scope="module", params=BROKERS)
def doors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with Site(tmp_path_factory.mktemp("doors"), broker=request.param) as site:
        doors = Doors(site)
        with site.running(doors.van):
            yield doors


@pytest.mark.parametrize(
    "who",
    [
        None,
        *(
            Credential(*w)
            for w in (("van-1", "wrong"), ("van-1", ""), ("hub", "hub"), ("admin", "admin"), ("guest", "guest"))
        ),
    ],
    ids=lambda who: "anonymous" if who is None else f"{who.user}:{who.password}",
)
def test_f106_stranger_with_no_or_a_wrong_credential_is_not_let_in(doors: Doors, who: Credential | None) -> None:
    before = doors.site.incidents()
    with listening(doors.port, who, "hf1/#", down_topic("van-1")) as stranger:
        assert not publish(doors.port, who, up_topic("van-1"), b"anything")
        doors.scan(f"STRANGER-{os.urandom(4).hex()}")
        assert stranger.heard == []
    assert doors.site.incidents() == before


def test_f096_device_hears_nothing_that_is_not_its_own(doors: Doors) -> None:
    topics = ("#", "hf1/+/up/#", "hf1/up/#", "hf1/+/+/+", "hf1/#", down_topic("van-1"), "hf1/down/+", up_topic("van-1"))
    topics += ("$SYS/#", "$share/g/hf1/up/#", "$share/g/#", "+/#", "$MQTT/#", "$JS/#", "hf1/display/#")
    with ExitStack() as stack:
        control = stack.enter_context(listening(doors.port, doors.site.insider(), "hf1/up/#"))
        nosy = {topic: stack.enter_context(listening(doors.port, doors.thief, topic)) for topic in topics}
        doors.scan("SECRET")
        wait_until(lambda: control.heard, "somebody who may listen hears something")
        assert {topic: one.heard for topic, one in nosy.items() if one.heard} == {}
    log = doors.site.broker_log()
    # NATS keeps its own prefix closed to everybody, and says nothing of it.
    assert {topic for topic in topics if not _tells(log, topic)} <= {"$MQTT/#"}


def _tells(log: str, topic: str) -> bool:
    """Whether a broker's log has this subscription, in the words of NATS or of Mosquitto."""
    subject = topic.replace("+", "*").replace("#", ">").replace("/", ".")
    nats, mosquitto = f'Subscription Violation - Subject "{subject}"', f" 0 {topic}\n"
    return nats in log or mosquitto in log


def test_f096_device_says_nothing_on_topics_that_are_not_its_own(doors: Doors) -> None:
    before, incidents = doors.ledger(), doors.site.incidents()
    with listening(doors.port, credential_of(doors.van.config), down_topic("van-1")) as victim:
        forged = seal(WRONG_KEY, Direction.UP, "van-1", b"forged")
        topics = (up_topic("van-1"), down_topic("van-1"), FALSE_PARTITION, "hf1/up", "hf1/display/parcel/1", "$SYS/x")
        for topic in topics:
            publish(doors.port, doors.thief, topic, forged)
        doors.scan("AFTER-FOREIGN-TOPICS")
        wait_until(lambda: victim.heard, "the hub's own answer")
        assert forged not in [payload for _, payload in victim.heard]
    # Mosquitto's pattern lets a device name any partition; then the hub refuses it.
    assert [i for i in doors.site.incidents() if FALSE_PARTITION not in i["detail"]] == incidents
    assert set(before) < set(doors.ledger())


def test_f099_retained_poison_is_ignored_by_device_and_hub(doors: Doors) -> None:
    owner = credential_of(doors.van.config)
    with listening(doors.port, owner, down_topic("van-1")) as tap:
        doors.scan("BEFORE-POISON")
        genuine = wait_until(lambda: tap.heard, "an answer of the hub")[0][1]
    # The hub's own answer, kept at the broker to be heard again by every later session; and garbage upwards.
    assert publish(doors.port, doors.site.insider(), down_topic("van-1"), genuine, "-r")
    assert publish(doors.port, owner, up_topic("van-1"), b"\xff" * 100, "-r")
    with listening(doors.port, owner, down_topic("van-1")) as later:
        # Such a message is what every new session of the device meets.
        wait_until(lambda: (down_topic("van-1"), genuine) in later.heard, "the broker retains the poison")
    doors.van.kill()
    doors.van.start().wait_ready()
    doors.scan("AFTER-POISON")
    assert doors.site.quarantine() == []
    forget_retained(doors.port, doors.site.insider(), down_topic("van-1"))
    forget_retained(doors.port, owner, up_topic("van-1"))


def test_f100_last_will_on_another_topic_does_nothing_and_on_its_own_is_refused_by_mac(doors: Doors) -> None:
    # What the van says of its own start is in the ledger when this is.
    doors.scan("BEFORE-WILLS")
    before = doors.ledger()
    known = doors.site.incidents("not_authentic", "van-1")
    # A form byte, sixteen of MAC, a body.
    will = ("--will-payload", f"\x10{'M' * 16}last will", "--will-topic")
    for topic in (up_topic("van-1"), down_topic("van-1"), up_topic("van-2")):
        with listening(doors.port, doors.thief, down_topic("van-2"), options=(*will, topic)):
            """It dies without a word at the end of the block."""
    doors.scan("AFTER-WILLS")
    wait_until(lambda: doors.site.incidents("not_authentic", "van-2"), "its own will shows")
    assert doors.site.incidents("not_authentic", "van-1") == known
    assert len(doors.ledger()) == len(before) + 1


def test_p7_f101_forged_acknowledgement_of_a_broker_insider_changes_nothing(doors: Doors) -> None:
    doors.scan("BEFORE-FORGERY")
    hub_pid = doors.site.hub.pid
    assert hub_pid is not None
    status = doors.van.status()
    os.kill(hub_pid, signal.SIGSTOP)
    try:
        scan(doors.van.config, "NOT-COMMITTED")
        incarnation = bytes.fromhex(status["incarnation"])
        for key in (WRONG_KEY, bytes(32)):
            for n in (status["lanes"]["custody"]["kept"] + 1, 10**6):
                ack = encode_message(Ack(incarnation, Lane.CUSTODY, Mark(n, b"m" * 16), Credit()))
                assert publish(
                    doors.port, doors.site.insider(), down_topic("van-1"), seal(key, Direction.DOWN, "van-1", ack)
                )
        # Even with the right key a prefix that the device never had frees nothing.
        ack = encode_message(Ack(incarnation, Lane.CUSTODY, Mark(10**6, b"m" * 16), Credit()))
        right = seal(key_of(doors.van.config), Direction.DOWN, "van-1", ack)
        assert publish(doors.port, doors.site.insider(), down_topic("van-1"), right)
        after = doors.van.status()["lanes"]["custody"]
        assert after["committed"] < after["kept"]
        assert after["released"] == status["lanes"]["custody"]["released"]
    finally:
        os.kill(hub_pid, signal.SIGCONT)
    wait_until(lambda: "NOT-COMMITTED" in doors.site.scanned("van-1"), "the scan is at the hub after all")


def test_f102_forged_batch_with_a_stolen_broker_password_is_refused_and_shown(doors: Doors) -> None:
    genuine = doors.captured_batch("TEMPLATE")
    body = unseal(key_of(doors.van.config), Direction.UP, "van-1", genuine).replace(b"TEMPLATE", b"INVENTED")
    before = doors.ledger()
    owner = credential_of(doors.van.config)
    for payload in (
        seal(WRONG_KEY, Direction.UP, "van-1", body),
        seal(WRONG_KEY, Direction.UP, "van-2", body),
        genuine[:-1],
    ):
        assert publish(doors.port, owner, up_topic("van-1"), payload)
    wait_until(lambda: doors.site.incidents("not_authentic", "van-1"), "the operator sees it")
    # The insider at the broker may not even speak in a device's place.
    publish(doors.port, doors.site.insider(), up_topic("van-1"), seal(WRONG_KEY, Direction.UP, "van-1", body))
    doors.scan("AFTER-FORGERY")
    assert "INVENTED" not in doors.site.scanned()
    assert set(before) < set(doors.ledger())


def test_p3_f023_f072_captured_batches_played_again_have_no_effect(doors: Doors) -> None:
    genuine = doors.captured_batch("ONCE")
    doors.site.shows("ONCE", "received")
    events = len(doors.site.get("parcels/ONCE/events")["items"])
    owner = credential_of(doors.van.config)
    for _ in range(10):
        assert publish(doors.port, owner, up_topic("van-1"), genuine)
        # On the topic of the thief's own device the statement is another device's.
        assert publish(doors.port, doors.thief, up_topic("van-2"), genuine)
    wait_until(lambda: doors.site.incidents("not_authentic", "van-2"), "the other device's replay shows")
    doors.scan("AFTER-REPLAY")
    assert doors.site.scanned().count("ONCE") == 1
    assert len(doors.site.get("parcels/ONCE/events")["items"]) == events
    assert doors.site.quarantine() == []


def test_f098_another_device_that_takes_over_the_client_id_gets_and_changes_nothing(doors: Doors) -> None:
    """The device's client id is on the wire; a thief with van-2's credential connects with it again and again."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(60)
        port = trap.getsockname()[1]
        van = doors.site.add_device("van-3", port=port)
        with doors.site.running(van):
            connection, _ = trap.accept()
            with connection:
                connection.settimeout(20)
                client_id = re.search(rb"van-3-[0-9a-f]{16}", connection.recv(4096))
            trap.close()
            assert client_id
            with Relay("127.0.0.1", doors.port, listen_port=port):
                wait_until(lambda: van.status()["link"] == "synced", "the device is in contact")
                heard: list[tuple[str, bytes]] = []
                for i in range(3):
                    same_id = ("-i", client_id[0].decode())
                    with listening(doors.port, doors.thief, down_topic("van-2"), options=same_id) as thief:
                        scan(van.config, f"MINE-{i}")
                        wait_until(lambda i=i: f"MINE-{i}" in doors.site.scanned("van-3"), "the scan is at the hub")
                        heard += thief.heard
    assert heard == []
    assert sorted(doors.site.scanned("van-3")) == ["MINE-0", "MINE-1", "MINE-2"]
    assert doors.site.rows(device="van-2") == []
