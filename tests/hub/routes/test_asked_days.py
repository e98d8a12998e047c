"""Days that addresses name."""

from tests.hub.routes.dispatching import DAY, Dispatch

ASKED = ("/figures", "/routes", "/shipments", "/shipments/undone")
PAGES = ("/routes", "/routes/figures", "/routes/map", "/shipments")


def test_a_query_for_what_is_no_day_is_told_what_was_expected(desk: Dispatch) -> None:
    for path in ASKED:
        desk.ask("GET", path, params={"day": DAY})
        for day in ("nonsense", "2026-02-30"):
            problem = desk.ask("GET", path, 400, params={"day": day})
            assert problem["detail"] == f"expected a day such as 2026-11-23, not “{day}”"
    desk.ask("GET", "/figures", 422, params={"day": ""})
    # As ISO 8601 writes days of weeks.
    assert desk.ask("GET", "/figures", params={"day": "2026-W23-1"})["day"] == DAY


def test_pages_say_so_in_the_visitors_language(desk: Dispatch) -> None:
    client = desk.hub.signed_in()
    for path in PAGES:
        answer = client.get(path, params={"day": "nonsense", "lang": "zh"}, headers={"accept": "text/html"})
        assert answer.status_code == 400
        assert "应为日期，例如 2026-11-23，而不是“nonsense”" in answer.text
