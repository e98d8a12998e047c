"""Ways and trips over the interface, corrections by people, and reports of them."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from msgspec import msgpack
from sqlalchemy import select

from contract.escape import escape_id
from contract.event import Decision
from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE
from hub.accounts.roles import Role
from hub.trips.tables import trip
from tests.hub.trips.way_story import GTIN, ROOM, SSCC, tell_ways
from tests.hub.web.seeded import SeededHub


@pytest.fixture
def told(hub: SeededHub) -> SeededHub:
    with hub.database.write() as tx:
        tell_ways(tx)
    return hub


@pytest.fixture
def client(told: SeededHub) -> Iterator[TestClient]:
    with told.client() as client:
        client.headers["authorization"] = f"Bearer {told.token(Role.DISPATCHER)}"
        yield client


def trip_id(hub: SeededHub) -> str:
    with hub.database.read() as reader:
        return reader.scalar(select(trip.c.id).where(trip.c.device == "van-1")) or ""


def test_parcel_has_one_temperature_history_across_dock_and_van(client: TestClient) -> None:
    said = client.get(f"/api/v1/parcels/{SSCC}/temperature").json()

    assert (said["verdict"], said["complete"], said["running"]) == ("excursion", True, False)
    assert [stay["where"] for stay in said["stays"]] == ["Dock 4", "van-1"]
    assert [(s["sensor"], s["worst"]) for s in said["stays"][1]["sensors"]] == [
        ("van-1.box.temperature_c", True),
        ("van-1.rear.temperature_c", False),
    ]
    (judged,) = said["judgements"]
    assert judged["profile"] == "pharma-2-8"
    assert [(e["limit"], e["beyond_s"]) for e in judged["excursions"]] == [("above 8", 3_000)]


def test_history_says_what_is_missing(client: TestClient) -> None:
    (gap,) = client.get("/api/v1/parcels/JD0042/temperature").json()["missing"]

    assert (gap["cause"], gap["where"]) == ("no_sensor", "Depot 7")


def test_parcel_of_any_name_has_a_history(client: TestClient) -> None:
    assert client.get(f"/api/v1/parcels/{escape_id(GTIN)}/temperature").json()["id"] == GTIN


def test_list_says_how_cold_it_is_where_each_parcel_is(client: TestClient) -> None:
    cold = {item["id"]: item["cold"] for item in client.get("/api/v1/parcels").json()["items"]}

    assert cold[SSCC] is None
    assert cold["JD0042"] is None
    assert (cold[GTIN]["sensor"][:6], 4 < cold[GTIN]["celsius"] < 6, cold[GTIN]["alarmed"]) == ("van-1.", True, False)
    assert client.get(f"/api/v1/parcels/{escape_id(GTIN)}").json()["cold"] == cold[GTIN]


def test_trips_are_listed_and_told(client: TestClient, told: SeededHub) -> None:
    (item,) = client.get("/api/v1/trips").json()["items"]
    detail = client.get(f"/api/v1/trips/{item['id']}").json()

    assert (item["id"], item["device"], item["place"], item["parcels"], item["aboard"]) == (
        *(trip_id(told), "van-1", "Van 1"),
        *(4, 2),
    )
    assert next((one["id"], one["verdict"]) for one in detail["items"]) == (SSCC, "excursion")
    assert [one["judgement"]["profile"] for one in detail["sensors"]] == ["pharma-2-8", "pharma-2-8"]


HUGE = urlsafe_b64encode(msgpack.encode((2**64 - 1, "P1"))).decode().rstrip("=")
"""A cursor with a number that no database compares with."""


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/trips/none", 404),
        ("/api/v1/trips?cursor=odd", 400),
        (f"/api/v1/trips?cursor={HUGE}", 400),
        (f"/api/v1/parcels?cursor={HUGE}", 400),
        ("/api/v1/trips?limit=100000000", 422),
        ("/api/v1/trips?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z", 200),
        ("/api/v1/parcels/none/temperature", 404),
    ],
)
def test_bad_input_gets_a_clear_answer(client: TestClient, path: str, status: int) -> None:
    assert client.get(path).status_code == status


# -- corrections -------------------------------------------------------------------------------------------------------


def facts_of(client: TestClient, parcel: str) -> list[tuple[str, str, str | None]]:
    events = client.get(f"/api/v1/parcels/{parcel}/events").json()["items"]
    return [(e["fact_id"], e["step"], e["corrected_by"]) for e in events]


def test_f121_correction_states_who_and_why_and_names_what_it_takes_back(client: TestClient, told: SeededHub) -> None:
    wrong = facts_of(client, SSCC)[-1][0]
    body = {"facts": [wrong], "step": "attempted", "reason": "  handed to the wrong door "}
    answer = client.post(f"/api/v1/parcels/{SSCC}/corrections", json=body)

    assert answer.status_code == 201
    (decision,) = told.decisions
    assert decision == Decision(
        "correct",
        (bytes.fromhex(wrong),),
        answer.json()["corrected_by"],
        "handed to the wrong door",
        f"attempted {SSCC}",
    )


def test_f121_correction_stands_beside_the_original_with_who_when_and_why(client: TestClient) -> None:
    events = client.get("/api/v1/parcels/JD0042/events").json()["items"]
    original = next(e for e in events if e["step"] == "delivered")
    correction = next(e for e in events if e["fact_id"] == original["corrected_by"])

    assert correction["targets"] == [original["fact_id"]]
    assert (correction["corrects_by"], correction["reason"]) == ("a.jansen", "scanned at the wrong door")
    assert (correction["step"], original["corrects_by"]) == ("attempted", "")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"reason": " "}, 422),
        ({"reason": "x" * 1_000_000}, 422),
        ({"facts": []}, 422),
        ({"facts": ["zz"]}, 422),
        ({"facts": ["00" * 32]}, 409),
        ({"step": "stolen"}, 422),
    ],
)
def test_correction_that_cannot_be_changes_nothing(
    client: TestClient, told: SeededHub, body: dict[str, object], status: int
) -> None:
    wrong = facts_of(client, SSCC)[-1][0]
    answer = client.post(f"/api/v1/parcels/{SSCC}/corrections", json={"facts": [wrong], "reason": "why", **body})

    assert (answer.status_code, told.decisions) == (status, [])


def test_what_was_corrected_cannot_be_corrected_again(client: TestClient, told: SeededHub) -> None:
    (gone,) = [fact for fact, _, by in facts_of(client, "JD0042") if by]
    answer = client.post("/api/v1/parcels/JD0042/corrections", json={"facts": [gone], "reason": "again"})

    assert (answer.status_code, told.decisions) == (409, [])
    assert "corrected before" in answer.json()["detail"]


def test_operator_may_not_correct(told: SeededHub) -> None:
    with told.client() as client:
        client.headers["authorization"] = f"Bearer {told.token(Role.OPERATOR)}"
        wrong = facts_of(client, SSCC)[-1][0]
        answer = client.post(f"/api/v1/parcels/{SSCC}/corrections", json={"facts": [wrong], "reason": "why"})

    assert (answer.status_code, told.decisions) == (403, [])


# -- pages -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(told: SeededHub) -> Iterator[TestClient]:
    with told.signed_in(Role.DISPATCHER) as client:
        yield client


def test_parcel_page_tells_verdict_stays_and_links(page: TestClient, told: SeededHub) -> None:
    text = page.get(f"/tracking/{SSCC}").text

    assert "A limit was exceeded for longer than it allows." in text
    assert f'href="/trips/{trip_id(told)}"' in text
    assert f'href="/api/v1/parcels/{SSCC}/report.pdf"' in text
    assert "corrected to" in page.get("/tracking/JD0042").text


def test_chart_of_a_parcel_has_its_readings_limits_and_gaps(page: TestClient) -> None:
    data = page.get("/tracking/JD0042/chart").json()

    assert len(data["gaps"]) == 1
    assert [limit["value"] for limit in data["limits"]] == [8.0, 2.0, 0.0]
    assert [span["alarm"] for span in data["excursions"]] == [True]
    assert max(value for value in data["values"] if value is not None) == pytest.approx(11.14)


def test_trip_page_and_chart(page: TestClient, told: SeededHub) -> None:
    there = f"/trips/{trip_id(told)}"

    assert "Trip of Van 1" in page.get(there).text
    assert page.get(f"{there}/chart").json()["readings"] > 1_000
    assert page.get("/trips").text.count("/trips/") >= 1
    assert page.get("/trips/none").status_code == 404


@pytest.mark.parametrize(
    "typed",
    [
        SSCC,
        f"]C1{SSCC}",
        f"(00){SSCC[2:]}",
        SSCC[2:],
        "010952123454321321ABC-7",
        "]d2010952123454321321ABC-7␝10L1",
        "010952123454321310L1<GS>21ABC-7",
        "\x1d0109521234543213\x1d21ABC-7",
        "]Q3010952123454321310L1\x1d21ABC-7",
    ],
)
def test_code_typed_by_a_scanner_opens_its_parcel(page: TestClient, typed: str) -> None:
    answer = page.get("/tracking", params={"q": typed})

    assert (answer.status_code, answer.headers.get("location")) == (
        303,
        f"/tracking/{escape_id(GTIN if 'ABC' in typed else SSCC)}",
    )


def test_scan_opens_the_very_parcel_although_others_begin_like_it(page: TestClient, told: SeededHub) -> None:
    with told.database.write() as tx:
        from tests.hub.web.seeded import Story  # noqa: PLC0415 - only here

        story = Story()
        for parcel in ("JD00421", "JD00422"):
            story.scan(parcel)
        story.tell(tx)

    assert page.get("/tracking?scan=1&q=JD0042").headers["location"] == "/tracking/JD0042"
    assert page.get("/tracking?q=JD0042").status_code == 200


def test_filters_narrow_each_other_down(page: TestClient) -> None:
    assert "JD0042" in page.get("/tracking?place=Depot 7&status=exception&since=24").text
    assert "JD0042" not in page.get("/tracking?place=Dock 4&status=exception").text.replace("JD0042</option>", "")
    assert page.get("/tracking?step=stolen").status_code == 400


def test_list_tells_how_cold_it_is_where_a_parcel_is(client: TestClient, page: TestClient) -> None:
    assert (
        'title="van-1.box' in page.get(f"/tracking?q={GTIN[:6]}").text
        or 'title="van-1.rear' in page.get("/tracking").text
    )


def test_correction_by_the_form_of_the_page(page: TestClient, told: SeededHub) -> None:
    secret = page.cookies[SESSION_COOKIE]
    wrong = facts_of(page, SSCC)[-1][0]
    there = f"/tracking/{SSCC}/corrections"
    form = {"fact": wrong, "step": "", "reason": "never happened"}

    assert page.post(there, data=form).status_code == 403
    page.headers[CSRF_HEADER] = csrf_token(secret)
    refused = page.post(there, data={**form, "reason": " "})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert told.decisions == []
    assert page.post(there, data=form).headers["HX-Refresh"] == "true"
    assert [decision.why for decision in told.decisions] == ["never happened"]


def test_unknown_sensor_of_a_trip_falls_back_to_one_that_is_there(page: TestClient, told: SeededHub) -> None:
    assert page.get(f"/trips/{trip_id(told)}?sensor={ROOM}").status_code == 200
