"""The seals of a report: SHA-256 over exact bytes, so that any changed byte shows.

A JSON report is `{"holdfast_report":1,"seal":"…","content":{…}}` with the seal over the bytes of `content`. A PDF report has
that same file attached, and after its end one comment line with the seal over all bytes before that line.

A seal alone does not tell who made a report. For that the hub keeps every seal that it gave in its ledger
(`hub.reports.record`), and the facts inside must lead to chain heads that hub and devices know.
"""

import re
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec

from hub.errors import Refused
from hub.reports.content import FORMAT, ReportInput

SEAL_CHARS: Final = 64
PRINTED_CHARS: Final = 16
"""Of the seal, at the foot of each page: enough that nobody finds a second report for it by trying."""
MAX_REPORT_BYTES: Final = 512 * 1024 * 1024
"""A year of a few sensors is 20 MB; a damaged or hostile file may claim more than memory holds."""

_HEAD: Final = b'{"holdfast_report":%d,"seal":"' % FORMAT
_BETWEEN: Final = b'","content":'
_TAIL: Final = b"}\n"
_JSON: Final = re.compile(re.escape(_HEAD) + rb"([0-9a-f]{64})" + re.escape(_BETWEEN))

PDF_START: Final = b"%PDF-"
_PDF_END: Final = b"\n%%holdfast-report-seal %s\n"
_PDF_SEAL: Final = re.compile(rb"\n%holdfast-report-seal ([0-9a-f]{64})\n\Z")
_PDF_SEAL_BYTES: Final = len(_PDF_END % (b"0" * SEAL_CHARS))
_STREAM: Final = re.compile(rb"stream\r?\n")

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(ReportInput)


class Altered(Refused):
    """A report that is not as it was made.

    Attributes:
        part: which part of the file: `file`, `print`, `attachment`, `seal` or `content`.
    """

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part


def content_seal(content: bytes) -> str:
    """The seal of a report with this content."""
    return sha256(b"hf1.report" + content).hexdigest()


def seal_json(report: ReportInput) -> tuple[str, bytes]:
    """The seal of a report, and its JSON file."""
    content = _encode(report)
    seal = content_seal(content)
    return seal, b"".join((_HEAD, seal.encode(), _BETWEEN, content, _TAIL))


def open_json(data: bytes) -> tuple[str, ReportInput]:
    """The seal and content of a JSON report.

    Raises:
        Altered: it is not whole, a byte was changed, or it is of a format that this version does not know.
    """
    head = _JSON.match(data)
    if head is None:
        raise Altered(
            "file",
            f"Not a report of format {FORMAT}: it does not begin as one. Its beginning was changed, or it is something else.",
        )
    if not data.endswith(_TAIL):
        raise Altered(
            "file", f"The report is cut off or was added to: its {len(data)} bytes do not end as a report does."
        )
    seal, content = head[1].decode(), data[head.end() : -len(_TAIL)]
    if content_seal(content) != seal:
        raise Altered("seal", f"The content was changed after it was sealed: it does not hash to {seal}.")
    try:
        return seal, _decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Altered("content", f"The seal fits, but this is no content of a report: {error}") from error


def seal_pdf(printed: bytes) -> bytes:
    """A PDF with the line that seals all bytes before it. Readers of PDF pass over what follows the end."""
    return printed + _PDF_END % sha256(printed).hexdigest().encode()


def pdf_seal(data: bytes) -> str:
    """The seal of a sealed PDF, as the hub keeps it."""
    return sha256(data[:-_PDF_SEAL_BYTES]).hexdigest()


def check_pdf(data: bytes) -> None:
    """Whether every byte of a PDF report is as it was made.

    Raises:
        Altered: it is not whole, or a byte was changed.
    """
    sealed = _PDF_SEAL.search(data, len(data) - _PDF_SEAL_BYTES) if len(data) > _PDF_SEAL_BYTES else None
    if sealed is None:
        raise Altered("file", f"The PDF is cut off or was added to: its {len(data)} bytes do not end with a seal.")
    if pdf_seal(data) != sealed[1].decode():
        raise Altered("print", "The PDF was changed after it was sealed: its bytes do not hash to the seal at its end.")


def attached_json(data: bytes) -> bytes:
    """The JSON report inside a PDF report.

    Raises:
        Altered: there is none.
    """
    for stream in _streams(data):
        if stream.startswith(_HEAD):
            return stream
    raise Altered("attachment", "The PDF has no JSON report attached that could be read.")


def _streams(data: bytes) -> Iterator[bytes]:
    """What the streams of a PDF hold (ISO 32000-2, 7.3.8): those that are deflated, and only begun where they are not ours."""
    for start in _STREAM.finditer(data):
        inflate = zlib.decompressobj()
        try:
            begun = inflate.decompress(data[start.end() : start.end() + _PEEK_BYTES], len(_HEAD))
            if begun == _HEAD:
                inflate = zlib.decompressobj()
                yield inflate.decompress(data[start.end() :], MAX_REPORT_BYTES)
        except zlib.error:
            continue


_PEEK_BYTES: Final = 1_024
"""More than deflate's longest header of codes, so that the first bytes behind it can be told."""
