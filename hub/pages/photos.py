"""What proofs show: photos and signatures, beside the step that they prove, and each by itself.

A photo is handed out as what its own first bytes say it is. A signature is strokes, which are drawn here: nothing but their
numbers reaches the drawing. Anything else is a file to keep, never one to open.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import FileResponse, Response
from msgspec import Struct
from sqlalchemy import Connection, select

from contract.errors import ContractError
from contract.event import Proof
from contract.fact import decode_core
from contract.signature import svg_of
from hub import tables as t
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.archive.file import ArchiveDamaged
from hub.archive.store import whole
from hub.archive.tables import erased_blob
from hub.blobs import place_of
from hub.context import Hub, Reader
from hub.fleet.queries import refused_attachments
from hub.pictures import picture_in, signature_in
from hub.problems import NotFound
from hub.tracking.queries import EventView

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

ASKED_AGAIN: Final = "private,no-cache"
"""A browser may keep a picture, and asks each time whether it may still show it: it can be erased, and people sign out."""

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


class Part(StrEnum):
    """What an attachment is to its proof."""

    PHOTO = "photo"
    SIGNATURE = "signature"


class State(StrEnum):
    """Whether it can be shown."""

    HERE = "here"
    FILE = "file"
    """It is here, and no picture that pages show."""
    WAITING = "waiting"
    """The fact came before it."""
    ERASED = "erased"
    REFUSED = "refused"
    """Its device will not send it any more."""
    UNKNOWN = "unknown"
    """What the proof names cannot be read: its archive is damaged."""


class Shown(Struct, frozen=True):
    """One attachment of a proof; `digest` in hex, `number` among those of its part from 1."""

    digest: str
    part: Part
    number: int
    state: State


def shown_by(reader: Connection, events: Iterable[EventView]) -> Mapping[bytes, tuple[Shown, ...]]:
    """By proof, its photos in the order in which they were taken, and its signature."""
    device_of = {event.fact_id: event.device for event in events if event.kind == "proof"}
    proofs = list(device_of)
    if not proofs:
        return {}
    named = dict(_named(reader, proofs))
    digests = {digest for proof in named.values() for digest, _, _ in proof}
    b, e = t.blob.c, erased_blob.c
    here = {
        row.sha256: row.media_type
        for row in reader.execute(select(b.sha256, b.media_type).where(b.sha256.in_(digests)))
    }
    erased = set(reader.scalars(select(e.sha256).where(e.sha256.in_(digests))))
    refused = refused_attachments(reader, set(device_of.values()), digests)

    def state(digest: bytes) -> State:
        if not digest:
            return State.UNKNOWN
        if digest in here:
            return State.HERE if here[digest].startswith("image/") else State.FILE
        if digest in erased:
            return State.ERASED
        return State.REFUSED if digest in refused else State.WAITING

    return {
        fact_id: tuple(Shown(digest.hex(), part, number, state(digest)) for digest, part, number in proof)
        for fact_id, proof in named.items()
    }


def _named(reader: Connection, proofs: list[bytes]) -> Iterator[tuple[bytes, list[tuple[bytes, Part, int]]]]:
    c = t.fact.c
    query = select(c.fact_id, c.core).where(c.fact_id.in_(proofs), c.core.is_not(None))
    for fact_id, core in reader.execute(query):
        try:
            event = decode_core(whole(reader, core, fact_id).core).event
        except ArchiveDamaged:
            yield fact_id, [(b"", Part.PHOTO, 1)]
            continue
        except ContractError:
            continue
        if isinstance(event, Proof):
            photos = [(digest, Part.PHOTO, number) for number, digest in enumerate(dict.fromkeys(event.photos), 1)]
            yield fact_id, [*photos, *([(event.signature, Part.SIGNATURE, 1)] if event.signature else [])]


@router.get("/photos/{digest}")
def photo(request: Request, reader: Reader, hub: Hub, digest: Digest) -> Response:
    """One picture, whole; what is no picture as a file to keep."""
    kept = reader.scalar(select(t.blob.c.seq).where(t.blob.c.sha256 == bytes.fromhex(digest)))
    path = place_of(hub.database.folder, bytes.fromhex(digest))
    if kept is None or not path.is_file():
        raise NotFound("photo", digest)
    headers = {"ETag": f'"{digest}"', "Cache-Control": ASKED_AGAIN}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if (signature := signature_in(path)) is not None:
        return Response(svg_of(signature), media_type="image/svg+xml", headers=headers)
    if picture := picture_in(path):
        return FileResponse(path, media_type=picture.media_type, headers=headers)
    return FileResponse(path, media_type="application/octet-stream", filename=digest, headers=headers)
