import csv
import io

from sqlalchemy import func, select

from hub.accounts.tables import audit_trail
from hub.shipments.tables import shipment, shipment_parcel
from tests.hub.routes.dispatching import Dispatch, order

CSV = {"content-type": "text/csv"}
HEADER = "reference,consignee,address,parcels,latitude,longitude,day\n"


def rows(desk: Dispatch) -> int:
    with desk.database.read() as conn:
        return conn.execute(select(func.count()).select_from(shipment)).scalar_one()


def changes(desk: Dispatch, action: str) -> list[tuple[str, str, str]]:
    c = audit_trail.c
    with desk.database.read() as conn:
        query = select(c.subject, c.old, c.new).where(c.action == action).order_by(c.id)
        return [(row.subject, row.old, row.new) for row in conn.execute(query)]


def test_good_lines_are_kept_and_each_bad_one_is_told_with_its_number_and_field(desk: Dispatch) -> None:
    text = (
        HEADER
        + 'R1,Wang,"Zhongshan N. Rd 275, 3-02",P1,31.2,121.4,2026-06-01\n'
        + "R2,Li,Somewhere 1,P2,91,121.4,2026-06-01\n"
        + "\n"
        + ",Chen,Somewhere 2,P3,,,tomorrow\n"
        + "R4,Sun,Somewhere 3,P1,,,\n"
    )
    told = desk.ask("POST", "/shipments?source=monday.csv", content=text.encode(), headers=CSV)
    assert (told["created"], told["refused"]) == (1, 3)
    assert [(bad["line"], bad["reference"], [w["field"] for w in bad["wrong"]]) for bad in told["bad"]] == [
        (3, "R2", ["latitude"]),
        (5, "", ["day", "reference"]),
        (6, "R4", ["parcels"]),
    ]
    assert told["bad"][2]["wrong"][0] == {
        "field": "parcels",
        "got": "P1",
        "expected": "each parcel once; line 2 has it too",
    }
    assert rows(desk) == 1
    assert changes(desk, "shipments.import") == [("monday.csv", "", "1 new, 0 changed, 0 unchanged, 3 lines refused")]


def test_the_same_reference_again_is_unchanged_or_changes_its_shipment(desk: Dispatch) -> None:
    desk.ships(order(1), order(2))
    again = desk.ships(order(1), order(2, notes="Ring twice"))
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 1, 1)
    assert rows(desk) == 2
    [listed] = desk.ask("GET", "/shipments?q=R00002")["items"]
    assert listed["notes"] == "Ring twice"
    desk.ships(order(2, notes="Ring twice", service="express"))
    assert changes(desk, "shipment.change")[1] == ("R00002", '{"service":"standard"}', '{"service":"express"}')


def test_the_audit_trail_is_for_ever_so_it_tells_nothing_of_people(desk: Dispatch) -> None:
    desk.ships(order(2))
    desk.ships(order(2, notes="Ring twice", phone="+86 21 5555", consignee="Frau Sommer", weight_kg=3))
    [(_, old, new)] = changes(desk, "shipment.change")
    assert (old, new) == ('{"weight_g":2000}', '{"weight_g":3000,"personal":["consignee","notes","phone"]}')


def test_a_parcel_belongs_to_one_shipment(desk: Dispatch) -> None:
    desk.ships(order(1))
    told = desk.ships(order(2, parcels=["HOLDFAST-00001"]))
    assert told["created"] == 0
    assert told["bad"][0]["wrong"][0]["expected"] == "a parcel of no other shipment; 'R00001' has it"


def test_a_cancelled_shipment_is_not_planned_until_it_is_ordered_again(desk: Dispatch) -> None:
    desk.van("van-1")
    desk.ships(order(1))
    number = desk.ask("GET", "/shipments")["items"][0]["id"]
    assert desk.ask("POST", f"/shipments/{number}/cancel", json={"reason": "shipper called"})["cancelled_at"]
    desk.routes(optimise=False)
    assert desk.ask("GET", "/shipments?planned=false")["items"] == []
    assert desk.ships(order(1))["changed"] == 1
    assert len(desk.ask("GET", "/shipments?planned=false")["items"]) == 1


def test_spreadsheets_write_semicolons_and_a_byte_order_mark(desk: Dispatch) -> None:
    text = "\ufeff" + HEADER.replace(",", ";") + "R1;Wang;Rd 1, 200041;P1;31,2;121,4;2026-06-01\r\n"
    assert desk.ask("POST", "/shipments", content=text.encode(), headers=CSV)["created"] == 1


def test_a_file_of_another_encoding_or_with_unknown_columns_is_refused_whole(desk: Dispatch) -> None:
    wrong = desk.ask("POST", "/shipments", 422, content=(HEADER + "R1,王,路,P,,,\n").encode("gb18030"), headers=CSV)
    assert wrong["detail"].startswith("line 2 is not UTF-8; save the file as")
    wrong = desk.ask("POST", "/shipments", 422, content=b"reference,colour\n1,red\n", headers=CSV)
    assert wrong["detail"].startswith("line 1: unknown columns 'colour'; columns consignee, address are missing;")
    assert desk.ask("POST", "/shipments", 422, content=b"[", headers={"content-type": "application/json"})
    assert desk.ask("POST", "/shipments", 415, content=b"x", headers={"content-type": "text/plain"})
    assert rows(desk) == 0


def test_ten_thousand_bad_lines_are_told_line_by_line_and_the_good_ones_kept(desk: Dispatch) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["reference", "consignee", "address", "parcels", "weight_kg"])
    for n in range(10_100):
        writer.writerow([f"R{n}", "Wang", f"Rd {n}", f"P-{n}", "1" if n % 101 == 0 else "many"])
    told = desk.ask("POST", "/shipments", content=file.getvalue().encode(), headers=CSV)
    assert (told["created"], told["refused"]) == (100, 10_000)
    assert [bad["line"] for bad in told["bad"]] == [n + 2 for n in range(10_100) if n % 101]
    with desk.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(shipment_parcel)).scalar_one() == 100
