import msgspec

from contract.identity import Candidate, Element, IdentityReport, identity_report


def test_report_names_identifiers_and_elements() -> None:
    assert identity_report(b"]d2010950110153000321S1\x1d10LOT") == IdentityReport(
        code=r"010950110153000321S1\x1d10LOT",
        aim="]d2",
        kind="gtin_serial",
        key="(01)09501101530003(21)S1",
        serialised=True,
        identifiers={"gtin": "09501101530003", "serial": "S1", "lot": "LOT"},
        elements=(
            Element("01", "GTIN", "09501101530003"),
            Element("21", "SERIAL", "S1"),
            Element("10", "BATCH/LOT", "LOT"),
        ),
        candidates=(),
        problem="",
    )


def test_report_of_a_postal_item_is_readable_json() -> None:
    report = msgspec.json.decode(msgspec.json.encode(identity_report(b"RB123456785GB")))

    assert report["identifiers"] == {"s10": "RB123456785GB"}
    assert report["candidates"] == [
        msgspec.to_builtins(Candidate("Royal Mail", "high", "UPU S10 (registered letter), check digit correct"))
    ]


def test_report_of_a_carrier_number_holds_the_number_without_routing() -> None:
    assert identity_report(b"420902109400111201080805483016").identifiers == {"number": "9400111201080805483016"}


def test_report_of_a_configuration_card_holds_its_word() -> None:
    report = identity_report(b"HF:STEP:loaded")

    assert (report.identifiers, report.elements) == ({"HF:STEP": "loaded"}, (Element("HF:STEP", "", "loaded"),))
