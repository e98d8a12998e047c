import subprocess
import sys

import msgspec
import pytest
from biip import ParseError
from biip.gs1_application_identifiers import GS1ApplicationIdentifier

from contract.identity import MAX_CODE_BYTES, Candidate, Identity, identify, split_aim
from contract.identity.gs1_table import entry_of

SSCC = Identity("sscc", "00340123450000000017", (("00", "340123450000000017"),), serialised=True)
GTIN = Identity("gtin", "(01)05901234123457", (("01", "05901234123457"),))
ITEM = Identity(
    "gtin_serial", "(01)09501101530003(21)AB/1", (("01", "09501101530003"), ("21", "AB/1")), serialised=True
)
ROYAL_MAIL = Identity(
    "s10",
    "RB123456785GB",
    candidates=(Candidate("Royal Mail", "high", "UPU S10 (registered letter), check digit correct"),),
    serialised=True,
)
UPS = Identity(
    "carrier",
    "1Z5R89390357567127",
    candidates=(Candidate("UPS", "high", "1Z number, check digit correct"),),
)
CONTROL_CHARACTERS = "The code holds control characters; the key has them escaped."
USPS_CANDIDATES = (Candidate("USPS", "high", "IMpb, check digit correct"),)


@pytest.mark.parametrize(
    "raw",
    [
        b"340123450000000017",
        b"00340123450000000017",
        b"]C100340123450000000017",
        b"]d200340123450000000017",
        b"00340123450000000017\r\n",
        b"]C1\x1d00340123450000000017",
        b"(00)340123450000000017",
        b"(00) 3 4012345 000000001 7",
        b"00 34012345 0000000017",
        b"https://id.gs1.org/00/340123450000000017",
        b"HTTPS://PARCELS.EXAMPLE/a/b/00/340123450000000017?x=1",
        b"]Q1https://parcels.example/00/340123450000000017",
        b"]d1http://parcels.example:8080/00/340123450000000017#frag",
        "\uff10\uff10".encode() + b"340123450000000017",
    ],
)
def test_sscc_has_one_key_however_it_is_written(raw: bytes) -> None:
    assert msgspec.structs.replace(identify(raw), problem="") == SSCC


@pytest.mark.parametrize("raw", [b"5901234123457", b"]E05901234123457", b"(01)05901234123457", b"0105901234123457"])
def test_gtin_has_one_key_however_it_is_written(raw: bytes) -> None:
    assert identify(raw) == GTIN


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b"96385074", "(01)00000096385074"),
        (b"]E0036000291452", "(01)00036000291452"),
        (b"036000291452", "(01)00036000291452"),
        (b"0036000291452", "(01)00036000291452"),
        (b"]E3590123412345712345", "(01)05901234123457"),
        (b"10614141543219", "(01)10614141543219"),
    ],
)
def test_gtins_of_all_lengths_share_the_14_digit_key(raw: bytes, key: str) -> None:
    identity = identify(raw)

    assert (identity.kind, identity.key, identity.problem, identity.serialised) == ("gtin", key, "", False)


@pytest.mark.parametrize(
    "raw",
    [
        b"010950110153000321AB/1",
        b"]C1010950110153000321AB/1\x1d",
        b"\x1d010950110153000321AB/1",
        b"(01)09501101530003(21)AB/1",
        b"https://id.gs1.org/01/09501101530003/21/AB%2F1",
        b"https://id.gs1.org/01/9501101530003/21/AB%2F1/",
    ],
)
def test_gtin_with_serial_has_one_key_however_it_is_written(raw: bytes) -> None:
    assert identify(raw) == ITEM


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            b"]d20109501101530003\x1d17251231" + b"10LOT\x1d21S1",
            Identity(
                "gtin_serial",
                "(01)09501101530003(21)S1",
                (("01", "09501101530003"), ("17", "251231"), ("10", "LOT"), ("21", "S1")),
                serialised=True,
            ),
        ),
        (
            b"https://a.example/01/09501101530003/10/LOT?17=251231&utm=1",
            Identity("gtin", "(01)09501101530003", (("01", "09501101530003"), ("10", "LOT"), ("17", "251231"))),
        ),
        (b"]C13705\x1d10LOT", Identity("gs1", "(10)LOT(37)05", (("37", "05"), ("10", "LOT")))),
        (b"(10)LOT(37)05", Identity("gs1", "(10)LOT(37)05", (("10", "LOT"), ("37", "05")))),
        (b"https://a.example/8004/9521CRATE", Identity("gs1", "(8004)9521CRATE", (("8004", "9521CRATE"),))),
        (
            b"]C142090210\x1d9400111201080805483016",
            Identity(
                "carrier", "9400111201080805483016", (("420", "90210"), ("94", "00111201080805483016")), USPS_CANDIDATES
            ),
        ),
        (
            b"]C1003401234500000000171012345678901234567890123\x1d3705",
            Identity(
                "sscc",
                SSCC.key,
                SSCC.elements,
                (),
                "AI (10) takes at most 20 characters, but 23 follow: "
                "the scanner probably drops the group separator (GS, 0x1D).",
                serialised=True,
            ),
        ),
        (
            b"]C1010950110153000321SERIALTOOLONGTOBETRUE10LOT",
            Identity(
                "malformed",
                "010950110153000321SERIALTOOLONGTOBETRUE10LOT",
                (("01", "09501101530003"),),
                (),
                "AI (21) takes at most 20 characters, but 26 follow: "
                "the scanner probably drops the group separator (GS, 0x1D).",
            ),
        ),
        (
            b"]C10034012345000000001799",
            Identity("sscc", SSCC.key, SSCC.elements, (), "AI (99) does not take the value ''.", serialised=True),
        ),
        (
            b"]C1AB12",
            Identity("malformed", "AB12", problem="No GS1 application identifier starts 'AB12'."),
        ),
        (
            b"(00)340123450000000017(17)250231",
            Identity(
                "sscc",
                SSCC.key,
                (*SSCC.elements, ("17", "250231")),
                (),
                "AI (17) 250231 is not a date of the form YYMMDD.",
                serialised=True,
            ),
        ),
        (
            b"]C10109501101530003" + b"21A\x1d21B",
            Identity(
                "malformed",
                r"010950110153000321A\x1d21B",
                (("01", "09501101530003"), ("21", "A"), ("21", "B")),
                (),
                "AI (21) occurs twice with different values.",
            ),
        ),
        (b"]C1370510LOT", Identity("gs1", "(10)LOT(37)05", (("37", "05"), ("10", "LOT")))),
        (
            b"]C1112512311012345678",
            Identity("gs1", "(10)12345678(11)251231", (("11", "251231"), ("10", "12345678"))),
        ),
        (
            b"010950110153000321SERIALTOOLONGTOBETRUE10LOT",
            Identity(
                "malformed",
                "010950110153000321SERIALTOOLONGTOBETRUE10LOT",
                (("01", "09501101530003"),),
                (),
                "AI (21) takes at most 20 characters, but 26 follow: "
                "the scanner probably drops the group separator (GS, 0x1D).",
            ),
        ),
        (
            b"https://a.example/01/09501101530003/21",
            Identity(
                "malformed",
                "https://a.example/01/09501101530003/21",
                (("01", "09501101530003"),),
                (),
                "The Digital Link ends in an AI without a value.",
            ),
        ),
    ],
)
def test_gs1_elements_give_key_kind_and_problem(raw: bytes, expected: Identity) -> None:
    assert identify(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            b"340123450000000018",
            Identity(
                "malformed",
                "340123450000000018",
                (("00", "340123450000000018"),),
                (),
                "The check digit of the SSCC 340123450000000018 is 8, expected 7.",
            ),
        ),
        (
            b"]C10109501101530004",
            Identity(
                "malformed",
                "0109501101530004",
                (("01", "09501101530004"),),
                (),
                "The check digit of AI (01) 09501101530004 is 4, expected 3.",
            ),
        ),
        (
            b"5901234123450",
            Identity("malformed", "5901234123450", problem="Read as a GTIN-13, the check digit is 0, expected 7."),
        ),
        (
            b"12345678",
            Identity("plain", "12345678", problem="Read as a GTIN-8, the check digit is 8, expected 0."),
        ),
        (
            b"RB123456784GB",
            Identity(
                "malformed",
                "RB123456784GB",
                (),
                (Candidate("Royal Mail", "low", "UPU S10 form (registered letter), but the check digit is wrong"),),
                "The check digit of the postal item RB123456784GB is 4, expected 5.",
            ),
        ),
        (
            b"1Z5R89390357567128",
            Identity(
                "malformed",
                "1Z5R89390357567128",
                (),
                (Candidate("UPS", "low", "1Z number, but the check digit is wrong"),),
                "The check digit of the UPS number 1Z5R89390357567128 is 8, expected 7.",
            ),
        ),
    ],
)
def test_wrong_check_digit_is_said_and_the_key_is_the_text(raw: bytes, expected: Identity) -> None:
    assert identify(raw) == expected


@pytest.mark.parametrize("raw", [b"RB123456785GB", b"rb 123 456 785 gb", b"]C0RB123456785GB"])
def test_s10_is_recognised_however_it_is_written(raw: bytes) -> None:
    assert identify(raw) == ROYAL_MAIL


@pytest.mark.parametrize("raw", [b"1Z5R89390357567127", b"1z 5r8 939 03 5756 7127"])
def test_ups_number_is_recognised_however_it_is_written(raw: bytes) -> None:
    assert identify(raw) == UPS


@pytest.mark.parametrize(
    ("raw", "step"),
    [
        (b"HF:STEP:loaded", ("HF:STEP", "loaded")),
        (b"HF:ACTOR:w.chen", ("HF:ACTOR", "w.chen")),
        (b"HF:PLACE:dock-4", ("HF:PLACE", "dock-4")),
    ],
)
def test_configuration_card_is_control(raw: bytes, step: tuple[str, str]) -> None:
    assert identify(raw) == Identity("control", raw.decode(), (step,))


@pytest.mark.parametrize(
    "text", ["HF:STEP:eaten", "HF:NOPE:1", "HF:", "HF:PLACE:", "HF:ACTOR:a b", "HF:PLACE:\u200bdock"]
)
def test_unknown_configuration_card_is_data(text: str) -> None:
    identity = identify(text.encode())

    assert (identity.kind, identity.problem) == (
        "plain",
        "No configuration card is known by this text; it is kept as data.",
    )


def test_look_alike_of_a_configuration_card_is_no_card() -> None:
    identity = identify("\uff28\uff26\uff1aSTEP\uff1aloaded".encode())

    assert identity.kind == "plain"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"ORDER 12/+#.", Identity("plain", "ORDER 12/+#.")),
        ("\u5305\u88f9-7".encode(), Identity("plain", "\u5305\u88f9-7")),
        ("Cafe\u0301".encode(), Identity("plain", "Caf\u00e9")),
        (b"\x1b[31m\x00", Identity("plain", r"\x1b[31m\x00", problem=CONTROL_CHARACTERS)),
        (b"<script>alert(1)</script>", Identity("plain", "<script>alert(1)</script>")),
        (b"https://parcels.example/track", Identity("plain", "https://parcels.example/track")),
        (b"https://[broken", Identity("plain", "https://[broken")),
        (b"(123) 456", Identity("plain", "(123) 456")),
        (b"[)>\x1e06\x1dJABC\x1e\x04", Identity("plain", r"[)>\x1e06\x1dJABC\x1e\x04")),
        (b"", Identity("malformed", "(empty)", problem="The code is empty.")),
        (b"]e0", Identity("malformed", "(empty)", problem="The code is empty.")),
        (b"\x1d", Identity("plain", r"\x1d", problem=CONTROL_CHARACTERS)),
        ("\u200b".encode(), Identity("malformed", "(empty)", problem="The code holds no visible character.")),
        (
            "AB\u202e12".encode(),
            Identity("plain", "AB12", problem="The code holds invisible characters; they were left out of the key."),
        ),
        (
            "P\u0410RCEL".encode(),
            Identity(
                "plain",
                "P\u0410RCEL",
                problem="The code mixes Latin letters with Cyrillic or Greek ones that look alike.",
            ),
        ),
        (
            "\uff21\uff22".encode(),
            Identity(
                "plain",
                "AB",
                problem="The code is written in look-alikes of plain letters or digits; the key has the plain ones.",
            ),
        ),
        (b"\xffAB", Identity("plain", r"\xffAB", problem="The code holds bytes that are not UTF-8 text.")),
    ],
)
def test_other_text_is_its_own_key(raw: bytes, expected: Identity) -> None:
    assert identify(raw) == expected


def test_long_code_gets_a_bounded_key_that_still_tells_codes_apart() -> None:
    one, other = identify(b"1" * 7089), identify(b"1" * 7088 + b"2")

    assert one.kind == other.kind == "plain"
    assert one.key != other.key
    assert len(one.key) == 133


def test_code_beyond_the_limit_is_malformed() -> None:
    identity = identify(b"A" * (MAX_CODE_BYTES + 1))

    assert (identity.kind, identity.problem) == ("malformed", "The code has 8193 bytes; at most 8192 are read.")


@pytest.mark.parametrize(
    ("raw", "split"),
    [
        (b"]C1001", ("]C1", b"001")),
        (b"]Q1", ("]Q1", b"")),
        (b"]]1x", (None, b"]]1x")),
        (b"]C", (None, b"]C")),
        (b"ABC", (None, b"ABC")),
        (b"", (None, b"")),
    ],
)
def test_split_aim_takes_off_only_a_symbology_identifier(raw: bytes, split: tuple[str | None, bytes]) -> None:
    assert split_aim(raw) == split


def test_aim_identifier_beside_the_data_means_the_same_as_in_front() -> None:
    assert identify(b"3705\x1d10LOT", "]C1") == identify(b"]C13705\x1d10LOT")


@pytest.mark.slow
def test_no_code_loads_the_gs1_library() -> None:
    # It takes 20 MiB, half of what the whole device needs.
    program = (
        "import sys; from contract.identity import identify; identify(b']C100340123450000000017');"
        "identify(b'5901234123457'); identify(b'010950600013435221ABC', ']d2'); sys.exit('biip' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_gs1_table_says_what_the_library_says_of_every_text() -> None:
    for start in (f"{n:04}" for n in range(10_000)):
        entry = entry_of(start)
        try:
            found = GS1ApplicationIdentifier.extract(start)
        except ParseError:
            assert entry is None
        else:
            said = (found.ai, found.data_title, found.separator_required, found.format, found.pattern)
            assert entry is not None
            assert (entry.ai, entry.data_title, entry.separator_required, entry.format, entry.pattern) == said
