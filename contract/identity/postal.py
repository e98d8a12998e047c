"""UPU S10: the 13-character identifier of postal items, such as `RB123456785GB`."""

import re

from contract.identity import checkdigit
from contract.identity.model import Candidate, Identity

_S10 = re.compile(r"([A-Z]{2})([0-9]{8})([0-9])([A-Z]{2})")

# First letter of the service indicator (UPU S10, section 6).
_SERVICES = {
    "C": "parcel",
    "E": "EMS",
    "L": "tracked letter",
    "M": "M bag",
    "Q": "IBRS",
    "R": "registered letter",
    "U": "letter without tracking",
    "V": "insured letter",
}

# Designated operators by ISO 3166 country; the others are named by their country.
_OPERATORS = {
    "AT": "Österreichische Post",
    "AU": "Australia Post",
    "BE": "bpost",
    "BR": "Correios",
    "CA": "Canada Post",
    "CH": "Swiss Post",
    "CN": "China Post",
    "DE": "Deutsche Post DHL",
    "DK": "PostNord",
    "ES": "Correos",
    "FR": "La Poste",
    "GB": "Royal Mail",
    "HK": "Hongkong Post",
    "IE": "An Post",
    "IN": "India Post",
    "IT": "Poste Italiane",
    "JP": "Japan Post",
    "KR": "Korea Post",
    "NL": "PostNL",
    "NZ": "NZ Post",
    "PL": "Poczta Polska",
    "SE": "PostNord",
    "SG": "Singapore Post",
    "US": "USPS",
}


def parse_s10(compact: str) -> Identity | None:
    """Read an S10 identifier in capitals without spaces; None where it has another form."""
    match = _S10.fullmatch(compact)
    if match is None:
        return None
    service, serial, digit, country = match.groups()
    operator = _OPERATORS.get(country, f"Post of {country}")
    what = _SERVICES.get(service[0], "postal item")
    expected = checkdigit.s10(serial)
    if digit != expected:
        return Identity(
            kind="malformed",
            key=compact,
            candidates=(Candidate(operator, "low", f"UPU S10 form ({what}), but the check digit is wrong"),),
            problem=f"The check digit of the postal item {compact} is {digit}, expected {expected}.",
        )
    candidate = Candidate(operator, "high", f"UPU S10 ({what}), check digit correct")
    return Identity(kind="s10", key=compact, candidates=(candidate,), serialised=True)
