"""Headers, problems and health of the web side."""

import re

import pytest

from hub.accounts.roles import Role
from hub.web.headers import CONTENT_SECURITY_POLICY
from tests.hub.web.seeded import NOW_MS, SeededHub, Story, add_device

HTML = {"accept": "text/html"}


@pytest.mark.parametrize("path", ["/login", "/static/app.js", "/healthz", "/api/v1/devices", "/nope"])
def test_every_answer_forbids_foreign_and_inline_content(hub: SeededHub, path: str) -> None:
    headers = hub.client().get(path, headers=HTML).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY.format(origin="")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_pages_have_no_inline_script_or_style(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        story.scan("P1")
        story.readings("van-1.rear.temperature_c")
        story.tell(tx)
    client = hub.signed_in()
    for path in (
        "/",
        "/tracking",
        "/tracking/P1",
        "/temperature",
        "/temperature/van-1%2Erear%2Etemperature_c",
        "/devices",
    ):
        page = client.get(path, headers=HTML)
        assert page.status_code == 200, path
        assert "style=" not in page.text
        assert " onclick" not in page.text
        assert "http://" not in page.text.replace("http://www.w3.org", "")
        assert "https://" not in page.text


def test_errors_of_the_interface_are_problem_details(hub: SeededHub) -> None:
    client = hub.signed_in()
    missing = client.get("/api/v1/devices/nobody")
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json() == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "There is no device 'nobody'.",
    }
    assert hub.client().get("/api/v1/devices").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "query",
    ["limit=1000000000", "limit=0", "limit=x", "after=-1", "after=99999999999999999999999", "device=" + "x" * 65],
)
def test_f118_what_a_request_may_ask_for_is_bounded(hub: SeededHub, query: str) -> None:
    answer = hub.signed_in().get(f"/api/v1/facts?{query}")
    assert answer.status_code == 422
    assert answer.json()["status"] == 422


def test_errors_of_pages_are_plain_pages(hub: SeededHub) -> None:
    answer = hub.signed_in().get("/devices/<script>", headers=HTML)
    assert answer.status_code == 404
    assert "&lt;script&gt;" in answer.text
    assert "<h1>Not found</h1>" in answer.text


ZH = {**HTML, "accept-language": "zh-CN"}


@pytest.mark.parametrize(
    ("path", "english", "chinese"),
    [
        ("/devices/nobody", "There is no device nobody.", "没有设备 nobody。"),
        ("/nope", "There is nothing at this address.", "此地址没有任何内容。"),
        ("/devices?page=x", "What stands in the address or the form for page", "地址或表单中的 page"),
        ("/audit", "This needs the role auditor;", "此操作需要角色“审计员”"),
        ("/tracking?status=odd", "There is no status odd; expected one of", "没有 status odd；"),
    ],
)
def test_problems_are_told_to_people_in_their_language_and_to_programs_in_english(
    hub: SeededHub, path: str, english: str, chinese: str
) -> None:
    client = hub.signed_in()
    assert english in client.get(path, headers=HTML).text
    page = client.get(path, headers=ZH).text
    assert chinese in page
    assert english not in page
    told = client.get(path, headers={"accept": "application/json", "accept-language": "zh-CN"}).json()
    assert told["detail"].isascii()
    assert "said" not in told


def test_scripts_of_pages_are_told_what_to_say(hub: SeededHub) -> None:
    headers = {"accept-language": "zh-CN", "x-csrf-token": "page"}
    told = hub.signed_in().get("/api/v1/devices/nobody", headers=headers).json()
    assert (told["detail"], told["said"]) == ("There is no device 'nobody'.", "没有设备 nobody。")


def test_health_readiness_and_figures_need_nobody_signed_in(hub: SeededHub) -> None:
    client = hub.client()
    assert client.get("/healthz").text == "ok"
    assert client.get("/readyz").status_code == 200
    hub.ready = False
    assert client.get("/readyz").status_code == 503
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=None)
    assert "holdfast_devices_silent 1.0" in client.get("/metrics").text


def test_what_waits_on_a_device_is_told_with_when_it_said_so(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=NOW_MS - 120_000, backlog=145)
        add_device(tx, "van-2", contact_ms=NOW_MS)
    page = hub.signed_in().get("/devices").text
    told = dict(re.findall(r'<tr data-key="(van-\d)".*?(<small data-f="told".*?)</td>', page))
    assert "2 min ago" in told["van-1"]
    assert '<span data-f="backlog">145</span>' in told["van-1"]
    assert told["van-2"].startswith('<small data-f="told" hidden>')
    assert "as it said" in hub.signed_in().get("/devices/van-1").text


def test_a_device_that_never_spoke_and_a_parcel_named_like_a_path_have_pages(hub: SeededHub) -> None:
    names = ["a/b", "a%2Fb", "..", "(01)09506000134352(21)A+B#?&", "语", "<script>alert(1)</script>"]
    with hub.database.write() as tx:
        add_device(tx, "van-1", contact_ms=None)
        story = Story()
        for name in names:
            story.scan(name)
        story.tell(tx)
    client = hub.signed_in(Role.AUDITOR)
    page = client.get("/tracking", headers=HTML).text
    assert "<script>alert" not in page
    links = {part.split('"')[0] for part in page.split('href="')[1:] if part.startswith("/tracking/")}
    assert len(links) == len(names)
    titles = [client.get(link, headers=HTML).text.split("<title>")[1].split(" · ")[0] for link in links]
    assert len(set(titles)) == len(names)
