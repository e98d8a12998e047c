"""Check digits of parcel numbers. Each function takes the payload without the check digit, and returns it."""

_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_FEDEX_WEIGHTS = (3, 1, 7)
_IDENTCODE_WEIGHTS = (4, 9)
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def gs1(payload: str) -> str:
    """Modulo 10, weights 3 and 1 from the right (GS1 General Specifications, section 7.9).

    Used by all GS1 keys, and also by USPS IMpb (Publication 199) and FedEx Ground.
    """
    digits = payload.encode()[::-1]
    # The weights are 3 + 1 from the right and "0" is 48, which is taken off once for the whole sum.
    total = 3 * sum(digits[::2]) + sum(digits[1::2]) - 48 * (3 * ((len(digits) + 1) // 2) + len(digits) // 2)
    return str(-total % 10)


def s10(serial: str) -> str:
    """Weighted modulo 11 over eight digits (UPU S10, annex A)."""
    remainder = sum(int(digit) * weight for digit, weight in zip(serial, _S10_WEIGHTS, strict=True)) % 11
    return {0: "5", 1: "0"}.get(remainder, str(11 - remainder))


def ups(payload: str) -> str:
    """Modulo 10 with doubled even places over the 15 characters after `1Z`; A counts 2, B 3 and so on."""
    values = [int(char) if char.isdigit() else (ord(char) - 63) % 10 for char in payload]
    return str(-(sum(values) + sum(values[1::2])) % 10)


def fedex_express(payload: str) -> str:
    """Modulo 11 then 10 with weights 1, 3, 7 from the right, over the 11 digits of an Express number."""
    weights = (_FEDEX_WEIGHTS * 4)[: len(payload)]
    return str(sum(int(digit) * weight for digit, weight in zip(payload, weights, strict=True)) % 11 % 10)


def dhl_express(payload: str) -> str:
    """Remainder by 7 of the nine digits of an air waybill (IATA Resolution 600a)."""
    return str(int(payload) % 7)


def identcode(payload: str) -> str:
    """Modulo 10 with weights 4 and 9 from the left, over the 11 digits of a Deutsche Post Identcode."""
    weights = (_IDENTCODE_WEIGHTS * 6)[: len(payload)]
    return str(-sum(int(digit) * weight for digit, weight in zip(payload, weights, strict=True)) % 10)


def mod_37_36(payload: str) -> str:
    """Hybrid system MOD 37,36 (ISO/IEC 7064, section 9), as DPD uses it."""
    product = 36
    for char in payload:
        product = (product + _ALPHANUMERIC.index(char)) % 36 or 36
        product = product * 2 % 37
    return _ALPHANUMERIC[(37 - product) % 36]
