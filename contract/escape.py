"""One percent-encoding of parcel ids for URL path segments, MQTT topics and NATS subjects.

A parcel id is whatever a label says, so it may hold `/`, `+`, `#`, `.`, spaces and any Unicode.
"""

import re
from urllib.parse import unquote_to_bytes

# Narrower than RFC 3986 section 2.3: `.` separates NATS subjects and makes dot segments, `~` is the marker.
_SAFE_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_BYTE_TEXT = tuple(chr(byte) if byte in _SAFE_BYTES else f"%{byte:02X}" for byte in range(256))
_ESCAPED = re.compile(r"(?:[A-Za-z0-9_~-]|%[0-9A-Fa-f]{2})*")

# An empty segment is no segment, and browsers take even `%2E%2E` for "one folder up" (WHATWG URL, 4.2):
# these three ids are told apart by a leading marker.
_MARKER = "~"
_NEEDS_MARKER = frozenset({"", ".", ".."})


def escape_id(text: str) -> str:
    """Encode any text as one safe, never empty segment of `A-Z a-z 0-9 - _ ~ %`.

    Every other character becomes `%XX` of its UTF-8 bytes, which any standard percent-decoder undoes.
    """
    escaped = "".join(_BYTE_TEXT[byte] for byte in text.encode("utf-8", "surrogatepass"))
    return _MARKER + escaped if text in _NEEDS_MARKER else escaped


def unescape_id(text: str) -> str:
    """Decode what `escape_id` made.

    Raises:
        ValueError: Where the text is not such an encoding.
    """
    if not text or not _ESCAPED.fullmatch(text):
        raise ValueError(f"Expected a percent-encoded id of A-Z a-z 0-9 - _ ~ and %XX, got {text!r}.")
    try:
        return unquote_to_bytes(text.removeprefix(_MARKER)).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise ValueError(f"Expected the percent-encoding of UTF-8 text, got {text!r}.") from error
