"""From the bytes of a code to what they name."""

import re
from dataclasses import dataclass

from contract.identity import checkdigit, control, gs1
from contract.identity.carriers import CarrierNumber, match_carriers
from contract.identity.model import Identity
from contract.identity.postal import parse_s10
from contract.identity.text import decode, fold, text_key
from contract.limits import MAX_CODE_BYTES

# ISO/IEC 15424: `]`, a letter for the symbology, a modifier.
_AIM = re.compile(rb"\][A-Za-z][0-9A-Za-z]")
_AIM_BYTES = 3

# EAN-13 and its shorter and add-on forms: nothing but GTINs are printed in them.
_RETAIL_AIMS = frozenset({"]E0", "]E3", "]E4"})
_EAN_WITH_ADD_ON = "]E3"
_EAN_DIGITS = 13

_SSCC = re.compile(r"(?:00)?([0-9]{18})")
_GTIN = re.compile(r"[0-9]{8}|[0-9]{12,14}")
_GTIN_DIGITS = 14
# The start of an element string that proves itself by a check digit, where no AIM identifier does.
_GS1_KEY_START = re.compile(r"00[0-9]{18}|01[0-9]{14}")
# ISO/IEC 15434 messages use GS too, and are no element strings.
_ISO_15434 = "[)>"
# Company-internal AIs, whose digits are part of the number where and FedEx print it as GS1-128.
_CARRIER_AI = re.compile(r"9[1-6]")
_IDENTIFYING_AIS = frozenset({"00", "01", "21"})


def split_aim(raw: bytes) -> tuple[str | None, bytes]:
    """Split the AIM symbology identifier, such as `]C1`, off the front of what a scanner sent."""
    if _AIM.match(raw) is None:
        return None, raw
    return raw[:_AIM_BYTES].decode(), raw[_AIM_BYTES:]


def identify(raw: bytes, aim: str = "") -> Identity:
    """Say what a scanned code means; never raises, and says what is wrong instead of correcting it.

    GS1 wins where a number is valid both as a GS1 key and by a carrier's format, with or without an AIM
    identifier, so that one label has one key whichever scanner read it.

    Args:
        raw: The code as the scanner sent it, with or without an AIM identifier in front.
        aim: The AIM identifier where the scanner told it apart.
    """
    if len(raw) > MAX_CODE_BYTES:
        key = text_key(decode(raw)[0])
        return Identity("malformed", key, problem=f"The code has {len(raw)} bytes; at most {MAX_CODE_BYTES} are read.")
    sent_aim, data = split_aim(raw)
    aim = aim or sent_aim or ""
    text, undecodable = decode(data)
    if aim == _EAN_WITH_ADD_ON:
        text = text[:_EAN_DIGITS]
    if (sscc := _parse_sscc(text, aim)) is not None:
        return sscc
    if text.startswith(control.PREFIX):
        return _read_card(text)
    folded, doubtful = fold(text)
    code = _Code(folded, aim, undecodable or doubtful)
    return code.as_gs1() or code.as_number() or code.as_doubtful_gs1() or code.as_text()


def _parse_sscc(text: str, aim: str) -> Identity | None:
    """Read 18 digits, or 20 with AI 00: the commonest codes, on the way to the beep."""
    match = _SSCC.fullmatch(text)
    if match is None or (text == match[1] and aim in gs1.ELEMENT_STRING_AIMS):
        return None
    digits = match[1]
    key = "00" + digits
    elements = (("00", digits),)
    expected = checkdigit.gs1(digits[:-1])
    if digits[-1] == expected:
        return Identity("sscc", key, elements, match_carriers(key).candidates, serialised=True)
    problem = f"The check digit of the SSCC {digits} is {digits[-1]}, expected {expected}."
    return Identity("malformed", text, elements, match_carriers(text).candidates, problem)


def _read_card(text: str) -> Identity:
    card = control.parse_card(text)
    if card is None:
        return Identity(
            "plain", text_key(fold(text)[0]), problem="No configuration card is known by this text; it is kept as data."
        )
    return Identity("control", text, (card,))


@dataclass(frozen=True, slots=True)
class _Code:
    """A folded text on its way through the readings that it may have, surest first."""

    text: str
    aim: str
    doubt: str

    def as_gs1(self) -> Identity | None:
        """Read what is marked as GS1 by form or symbology, or proves to be by its check digits."""
        marked = gs1.parse_digital_link(self.text) or gs1.parse_hri(self.text)
        if marked is None and self.text and self.aim in gs1.ELEMENT_STRING_AIMS:
            marked = gs1.parse_element_string(self.text)
        if marked is None and gs1.GS in self.text and not self.text.startswith(_ISO_15434):
            separated = gs1.parse_element_string(self.text)
            marked = separated if separated.elements else None
        if marked is not None:
            return self._from_elements(marked)
        if _GS1_KEY_START.match(self.text):
            unmarked = gs1.parse_element_string(self.text)
            return None if unmarked.problem else self._from_elements(unmarked)
        return None

    def as_number(self) -> Identity | None:
        """Read a GTIN, a postal item or a carrier's number; people type these with spaces."""
        compact = self.text.replace(" ", "").upper()
        if (sscc := _parse_sscc(compact, self.aim)) is not None:
            return self._doubted(sscc)
        if (item := parse_s10(compact)) is not None:
            return self._doubted(item)
        found = match_carriers(compact)
        if _GTIN.fullmatch(compact):
            return self._doubted(self._from_gtin_digits(compact, found))
        if found.problem:
            return self._doubted(Identity("malformed", compact, (), found.candidates, found.problem))
        if _is_likely(found):
            return self._doubted(Identity("carrier", found.number, (), found.candidates))
        if found.candidates:
            return self._doubted(Identity("plain", compact, (), found.candidates))
        return None

    def as_doubtful_gs1(self) -> Identity | None:
        """Read as GS1 what begins like it and is nothing else, to say what is wrong with it."""
        if not _GS1_KEY_START.match(self.text):
            return None
        parsed = gs1.parse_element_string(self.text)
        if parsed.broken and parsed.faulty:
            return None
        return self._from_elements(parsed)

    def as_text(self) -> Identity:
        """Take the text itself as the name."""
        if not self.text:
            problem = "The code holds no visible character." if self.doubt else "The code is empty."
            return Identity("malformed", text_key(""), problem=problem)
        odd = not self.text.isprintable() and not self.text.startswith(_ISO_15434)
        problem = "The code holds control characters; the key has them escaped." if odd else ""
        return self._doubted(Identity("plain", text_key(self.text), problem=problem))

    def _from_gtin_digits(self, digits: str, found: CarrierNumber) -> Identity:
        expected = checkdigit.gs1(digits[:-1])
        if digits[-1] == expected:
            gtin = digits.zfill(_GTIN_DIGITS)
            return Identity("gtin", f"(01){gtin}", (("01", gtin),), found.candidates)
        retail = self.aim in _RETAIL_AIMS
        if _is_likely(found) and not retail:
            return Identity("carrier", found.number, (), found.candidates)
        problem = f"Read as a GTIN-{len(digits)}, the check digit is {digits[-1]}, expected {expected}."
        # Thirteen digits that no carrier claims are an EAN; other lengths are as common in house numbers.
        claims_gtin = retail or (len(digits) == _EAN_DIGITS and not found.candidates)
        return Identity("malformed" if claims_gtin else "plain", digits, (), found.candidates, problem)

    def _from_elements(self, parsed: gs1.ElementString) -> Identity:
        elements, problem = parsed.elements, parsed.problem
        values = dict(elements)
        sscc, gtin, serial = (values.get(ai) for ai in ("00", "01", "21"))
        if sscc is not None and "00" not in parsed.faulty:
            key = "00" + sscc
            return self._doubted(
                Identity("sscc", key, elements, match_carriers(key).candidates, problem, serialised=True)
            )
        if parsed.broken and _is_certain(label := match_carriers(self.text)):
            return self._doubted(Identity("carrier", label.number, elements, label.candidates, problem))
        if parsed.broken or parsed.faulty & _IDENTIFYING_AIS or not elements:
            problem = problem or "The code holds no GS1 element."
            return self._doubted(Identity("malformed", text_key(self.text), elements, (), problem))
        if gtin is not None and serial is not None:
            return self._doubted(
                Identity("gtin_serial", f"(01){gtin}(21){serial}", elements, (), problem, serialised=True)
            )
        if gtin is not None:
            return self._doubted(Identity("gtin", f"(01){gtin}", elements, (), problem))
        ai, value = elements[-1]
        found = match_carriers(ai + value) if _CARRIER_AI.fullmatch(ai) else CarrierNumber("")
        if _is_likely(found):
            return self._doubted(Identity("carrier", found.number, elements, found.candidates, problem))
        key = text_key("".join(f"({ai}){value}" for ai, value in sorted(elements)))
        return self._doubted(Identity("gs1", key, elements, (), problem))

    def _doubted(self, identity: Identity) -> Identity:
        """Add what was already wrong with the text itself."""
        if not self.doubt:
            return identity
        return Identity(
            kind=identity.kind,
            key=identity.key,
            elements=identity.elements,
            candidates=identity.candidates,
            problem=f"{self.doubt} {identity.problem}".rstrip(),
            serialised=identity.serialised,
        )


def _is_certain(found: CarrierNumber) -> bool:
    return bool(found.candidates) and found.candidates[0].confidence == "high"


def _is_likely(found: CarrierNumber) -> bool:
    return bool(found.candidates) and found.candidates[0].confidence != "low"
