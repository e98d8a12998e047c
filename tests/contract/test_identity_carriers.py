import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.identity import Candidate, identify


@pytest.mark.parametrize(
    ("raw", "key", "first"),
    [
        (b"986578788855", "986578788855", Candidate("FedEx", "medium", "Express, 12 digits, check digit correct")),
        (
            b"0414 4176 0228 964",
            "041441760228964",
            Candidate("FedEx", "medium", "Ground, 15 digits, check digit correct"),
        ),
        (
            b"1001921334250001000300779017972697",
            "779017972697",
            Candidate("FedEx", "high", "34-digit label, check digit correct"),
        ),
        (
            b"9611020987654312345672",
            "987654312345672",
            Candidate("FedEx", "high", "Ground 96 label, check digit correct"),
        ),
        (
            b"61299998820821171811",
            "61299998820821171811",
            Candidate("FedEx", "medium", "Ground Economy, 20 digits, check digit correct"),
        ),
        (b"9400111201080805483016", "9400111201080805483016", Candidate("USPS", "high", "IMpb, check digit correct")),
        (
            b"420902109400111201080805483016",
            "9400111201080805483016",
            Candidate("USPS", "high", "IMpb, check digit correct"),
        ),
        (
            b"]C1420902109400111201080805483016",
            "9400111201080805483016",
            Candidate("USPS", "high", "IMpb, check digit correct"),
        ),
        (
            b"92748931507708513018050063",
            "92748931507708513018050063",
            Candidate("USPS", "high", "IMpb, check digit correct"),
        ),
        (
            b"0307 1790 0005 2348 3741",
            "03071790000523483741",
            Candidate("USPS", "medium", "20-digit label, check digit correct"),
        ),
        # Starts like AI 01 with a GTIN, but no check digit says so.
        (
            b"01123456789012345674",
            "01123456789012345674",
            Candidate("USPS", "medium", "20-digit label, check digit correct"),
        ),
        (b"3318810025", "3318810025", Candidate("DHL Express", "medium", "waybill, 10 digits, check digit correct")),
        (
            b"JJD014600003889123456",
            "JD014600003889123456",
            Candidate("DHL Express", "medium", "piece number, no check digit to test"),
        ),
        (
            b"563102430313",
            "563102430313",
            Candidate("Deutsche Post DHL", "medium", "Identcode, 12 digits, check digit correct"),
        ),
        (
            b"008182709980000020033350276C",
            "09980000020033",
            Candidate("DPD", "high", "label, 28 characters, check digit correct"),
        ),
        (
            b"%008182709980000020033350276",
            "09980000020033",
            Candidate("DPD", "medium", "label barcode, no check digit to test"),
        ),
        (b"sf1234567890123", "SF1234567890123", Candidate("SF Express", "medium", "SF number, no check digit to test")),
        (
            b"YT1234567890123",
            "YT1234567890123",
            Candidate("YTO Express", "medium", "YT number, no check digit to test"),
        ),
        (
            b"JD0123456789012",
            "JD0123456789012",
            Candidate("JD Logistics", "medium", "JD number, no check digit to test"),
        ),
        (
            b"JDVA12345678901",
            "JDVA12345678901",
            Candidate("JD Logistics", "medium", "JD number, no check digit to test"),
        ),
    ],
)
def test_carrier_number_is_normalised_and_its_carrier_ranked_first(raw: bytes, key: str, first: Candidate) -> None:
    identity = identify(raw)

    assert (identity.kind, identity.key, identity.candidates[0]) == ("carrier", key, first)


def test_number_that_fits_several_carriers_lists_them_by_evidence() -> None:
    assert identify(b"986578788855").candidates == (
        Candidate("FedEx", "medium", "Express, 12 digits, check digit correct"),
        Candidate("GLS", "low", "parcel number, 11 or 12 digits: only the length fits"),
        Candidate("SF Express", "low", "12 digits: only the length fits"),
    )


def test_number_that_fits_only_by_length_stays_plain() -> None:
    identity = identify(b"12345678901")

    assert (identity.kind, identity.key) == ("plain", "12345678901")
    assert [candidate.confidence for candidate in identity.candidates] == ["low"]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"00340434161094042557", "Deutsche Post DHL"),
        (b"RR123456785CN", "China Post"),
        (b"CX473124829XX", "Post of XX"),
    ],
)
def test_candidates_accompany_identities_of_other_kinds(raw: bytes, name: str) -> None:
    identity = identify(raw)

    assert identity.kind in {"sscc", "s10"}
    assert [candidate.name for candidate in identity.candidates] == [name]


@given(st.text("0123456789", min_size=10, max_size=34))
def test_candidates_are_ranked_by_confidence(digits: str) -> None:
    ranks = [
        ["high", "medium", "low"].index(candidate.confidence) for candidate in identify(digits.encode()).candidates
    ]

    assert ranks == sorted(ranks)
