"""Carriers' own numbers, recognised by their published formats.

One number can fit several carriers: the answer is a ranked list. A check digit in common use is evidence,
a length alone is hardly any, and the confidence says which of them was found.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from contract.identity import checkdigit
from contract.identity.model import Candidate, Confidence


class CarrierNumber(NamedTuple):
    """What carriers make of a number.

    `number` is the parcel number itself, without the routing that label barcodes add. `problem` is set where
    an unmistakable form has a wrong check digit.
    """

    number: str
    candidates: tuple[Candidate, ...] = ()
    problem: str = ""


class _Rule(NamedTuple):
    """One published format: group `n` of the pattern is the parcel number, by default the whole."""

    name: str
    form: str
    pattern: re.Pattern[str]
    distinctive: bool = False
    # Payload without check digit -> check digit, over the group `c` or else the number.
    check: Callable[[str], str] | None = None


def _rule(name: str, form: str, pattern: str, check: Callable[[str], str] | None = None) -> _Rule:
    return _Rule(name, form, re.compile(pattern), distinctive=False, check=check)


def _distinct(name: str, form: str, pattern: str, check: Callable[[str], str] | None = None) -> _Rule:
    return _Rule(name, form, re.compile(pattern), distinctive=True, check=check)


_RULES = (
    # UPS Guide to Labeling: 1Z, account, service, package, check digit.
    _distinct("UPS", "1Z number", r"1Z(?P<c>[0-9A-Z]{16})", checkdigit.ups),
    # USPS Publication 199: IMpb, with or without AI 420 and the ZIP code.
    _distinct(
        "USPS",
        "IMpb",
        r"(?:420[0-9]{5}(?:[0-9]{4})?)?(?P<n>9[1-5][0-9]{20}|9[2-5][0-9]{24})",
        checkdigit.gs1,
    ),
    _rule("USPS", "20-digit label", r"(?:0[1-3]|13|23|7[0-9]|8[1-3])[0-9]{18}", checkdigit.gs1),
    # FedEx Ground label specification; the 34-digit form holds the Express number at its end.
    _distinct(
        "FedEx", "34-digit label", r"(?:96[0-9]{2}|100[0-9])[0-9]{16}00(?P<n>[0-9]{12})", checkdigit.fedex_express
    ),
    _distinct("FedEx", "Ground 96 label", r"96[0-9]{5}(?P<n>[0-9]{15})", checkdigit.gs1),
    _rule("FedEx", "Express, 12 digits", r"[0-9]{12}", checkdigit.fedex_express),
    _rule("FedEx", "Ground, 15 digits", r"[0-9]{15}", checkdigit.gs1),
    _rule("FedEx", "Ground Economy, 20 digits", r"6[0-9]{19}", lambda payload: checkdigit.gs1("92" + payload)),
    _rule("FedEx", "Ground Economy, in IMpb", r"(?:420[0-9]{5})?(?P<n>92612[0-9]{17})", checkdigit.gs1),
    # The leading J is the data identifier of an ISO/IEC 15459 licence plate and not printed.
    _distinct("DHL Express", "piece number", r"J(?P<n>JD[0-9]{10,22})"),
    _distinct("DHL Express", "piece number", r"JD[0-9]{16,22}"),
    _rule("DHL Express", "waybill, 10 digits", r"[0-9]{10}", checkdigit.dhl_express),
    _rule("Deutsche Post DHL", "Identcode, 12 digits", r"[0-9]{12}", checkdigit.identcode),
    _distinct("Deutsche Post DHL", "SSCC of DHL Paket", r"00340434[0-9]{12}"),
    _distinct("DHL eCommerce", "GM number", r"GM[0-9]{16,20}"),
    # DPD parcel label specification: the barcode starts with %, print ends with the check character.
    _distinct(
        "DPD", "label, 28 characters", r"(?P<c>[0-9A-Z]{7}(?P<n>[0-9]{14})[0-9]{6}[0-9A-Z])", checkdigit.mod_37_36
    ),
    _distinct("DPD", "label barcode", r"%[0-9A-Z]{7}(?P<n>[0-9]{14})[0-9]{6}"),
    _rule("DPD", "parcel number with check character", r"(?P<c>(?P<n>[0-9]{14})[0-9A-Z])", checkdigit.mod_37_36),
    _rule("DPD", "parcel number, 14 digits", r"[0-9]{14}"),
    _rule("GLS", "parcel number, 11 or 12 digits", r"[0-9]{11,12}"),
    _distinct("SF Express", "SF number", r"SF[0-9]{12,13}"),
    _rule("SF Express", "12 digits", r"[0-9]{12}"),
    _distinct("YTO Express", "YT number", r"YT[0-9]{13}"),
    _rule("ZTO Express", "12 digits from 7", r"7[3-9][0-9]{10}"),
    _distinct("JD Logistics", "JD number", r"JD(?:V[A-Z]?|X|K)?[0-9]{11,13}"),
    # 98 and 99 are GS1 prefixes of coupons, so that no trade item has them.
    _rule("China Post", "13 digits from 98 or 99", r"9[89][0-9]{11}"),
)

# Most codes fit no carrier's form, and one pattern of all forms says so sooner than each of them.
_ANY = re.compile("|".join(re.sub(r"\?P<[a-z]>", "?:", rule.pattern.pattern) for rule in _RULES))

# These forms are no one else's: with a wrong check digit they are damaged numbers, not other numbers.
_UNMISTAKABLE = frozenset({"1Z number"})
_ORDER: dict[Confidence, int] = {"high": 0, "medium": 1, "low": 2}
_LONGEST_NUMBER_CHARS = 34
_SHORTEST_NUMBER_CHARS = 10


def match_carriers(compact: str) -> CarrierNumber:
    """Rank the carriers whose formats fit a number given in capitals without spaces."""
    if not _SHORTEST_NUMBER_CHARS <= len(compact) <= _LONGEST_NUMBER_CHARS:
        return CarrierNumber(compact)
    if _ANY.fullmatch(compact) is None:
        return CarrierNumber(compact)
    found: list[tuple[Candidate, str]] = []
    problem = ""
    for rule in _RULES:
        match = rule.pattern.fullmatch(compact)
        if match is None:
            continue
        groups = match.groupdict()
        number = groups.get("n") or compact
        checked = groups.get("c") or number
        expected = rule.check(checked[:-1]) if rule.check else ""
        right = checked[-1] == expected
        if right or not rule.check:
            found.append((_candidate(rule, checked=right), number))
        elif rule.form in _UNMISTAKABLE:
            problem = f"The check digit of the {rule.name} number {compact} is {checked[-1]}, expected {expected}."
            found.append((Candidate(rule.name, "low", f"{rule.form}, but the check digit is wrong"), compact))
    found.sort(key=lambda pair: _ORDER[pair[0].confidence])
    number = found[0][1] if found and found[0][0].confidence != "low" else compact
    return CarrierNumber(number, tuple(candidate for candidate, _ in found), problem)


def _candidate(rule: _Rule, *, checked: bool) -> Candidate:
    if checked:
        confidence: Confidence = "high" if rule.distinctive else "medium"
        return Candidate(rule.name, confidence, f"{rule.form}, check digit correct")
    if rule.distinctive:
        return Candidate(rule.name, "medium", f"{rule.form}, no check digit to test")
    return Candidate(rule.name, "low", f"{rule.form}: only the length fits")
