"""A screen at the broker: hears what is said to displays, those that come late included, and nothing else; on both brokers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.topics import down_topic, up_topic
from firmware_sim.processes import ProcessFailed, run_command
from hub.display.topics import parcel_topic
from tests.journeys.brokers import BROKERS
from tests.journeys.visitors import listening, publish
from tests.journeys.world import Credential, Site, credential_of, scan, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_hub")]

CODE = "PARCEL/7+#"


@pytest.fixture(scope="module", params=BROKERS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("displays"), broker=request.param) as site:
        van = site.add_device("van-1")
        with site.running(van):
            scan(van.config, CODE, "loaded")
            wait_until(lambda: CODE in site.scanned("van-1"), "the scan is at the hub")
            yield site


def add_display(site: Site, name: str) -> Credential:
    made = json.loads(run_command("holdfast-hub", "display", "add", name, "--data", str(site.hub.data), "--json"))
    who = Credential(made["user"], made["password"])
    if site.mosquitto is not None:
        site.mosquitto.let_in(who.user, who.password, "hf1/display/#")
    return who


def test_a_screen_that_comes_late_hears_the_latest_of_each_parcel(site: Site) -> None:
    screen = add_display(site, "late")
    van = credential_of(site.folder / "van-1" / "agent.toml")
    with listening(site.mqtt_port, screen, "hf1/display/#") as heard:
        wait_until(lambda: dict(heard.heard).get(parcel_topic(CODE)), "what is retained")
        told = json.loads(dict(heard.heard)[parcel_topic(CODE)])
        assert (told["parcel"], told["status"]) == (CODE, "in_transit")
        # The broker drops what a device says to displays, retained or not.
        publish(site.mqtt_port, van, parcel_topic(CODE), b"forged", "-r")
        scan(site.folder / "van-1" / "agent.toml", CODE, "arrived")
        wait_until(lambda: b"in_store" in dict(heard.heard)[parcel_topic(CODE)], "the change")
        assert b"forged" not in [payload for _, payload in heard.heard]


def test_f096_a_screen_hears_no_device_and_says_nothing(site: Site) -> None:
    screen = add_display(site, "curious")
    victim = credential_of(site.folder / "van-1" / "agent.toml")
    own = (up_topic(screen.user), down_topic(screen.user))
    foreign = ("#", "hf1/#", "hf1/up/#", "hf1/down/#", "hf1/down/van-1", "$SYS/#", *own)
    before = site.rows()
    with (
        listening(site.mqtt_port, screen, *foreign) as heard,
        listening(site.mqtt_port, screen, "hf1/display/#") as shown,
        listening(site.mqtt_port, victim, down_topic("van-1")) as van,
    ):
        for topic in (parcel_topic("forged"), up_topic("van-1"), down_topic("van-1"), *own):
            publish(site.mqtt_port, screen, topic, b"forged", "-r")
        scan(site.folder / "van-1" / "agent.toml", "AFTER-FORGERY")
        wait_until(lambda: parcel_topic("AFTER-FORGERY") in dict(shown.heard), "the scan is shown")
        assert [topic for topic, _ in heard.heard if not topic.startswith("hf1/display/")] == []
        assert b"forged" not in [payload for _, payload in (*shown.heard, *van.heard)]
    assert len(site.rows()) == len(before) + 1
    assert [i for i in site.incidents() if screen.user in i["device"] + i["detail"]] == []


def test_f060_a_revoked_screen_is_let_in_no_more(site: Site) -> None:
    screen = add_display(site, "gone")
    run_command("holdfast-hub", "display", "revoke", "gone", "--data", str(site.hub.data))
    if site.mosquitto is not None:
        site.mosquitto.let_in(*_van(site), down_topic("van-1"))
    wait_until(lambda: not publish(site.mqtt_port, screen, "x", b"x"), "it is let in no more")
    listed = json.loads(run_command("holdfast-hub", "display", "list", "--data", str(site.hub.data), "--json"))
    assert [row["revoked_ms"] is not None for row in listed["items"] if row["name"] == "gone"] == [True]


def test_a_broker_that_was_killed_is_told_everything_again(site: Site) -> None:
    screen = add_display(site, "patient")
    if site.mosquitto is None:
        assert site.kill_broker()
    else:
        site.mosquitto.kill()
        site.mosquitto.start().wait_ready()
    wait_until(lambda: publish(site.mqtt_port, screen, "x", b"x"), "the broker is back")
    with listening(site.mqtt_port, screen, "hf1/display/#") as heard:
        wait_until(lambda: parcel_topic(CODE) in dict(heard.heard), "what is shown is said anew")


def _van(site: Site) -> tuple[str, str]:
    who = credential_of(site.folder / "van-1" / "agent.toml")
    return who.user, who.password


def test_an_unusable_name_of_a_screen_is_refused(site: Site, tmp_path: Path) -> None:
    for name in ("", "A b", "x" * 49, "#"):
        with pytest.raises(ProcessFailed):
            run_command("holdfast-hub", "display", "add", name, "--data", str(site.hub.data))
    with pytest.raises(ProcessFailed):
        site.hub.add_device("display-x", tmp_path / "x.toml", place="")
