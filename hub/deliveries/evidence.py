"""The pictures of a proof: here, on their way, or erased; and whether proof and pictures still are what the device stated."""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import file_digest
from operator import attrgetter
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, select

from contract.errors import ContractError
from contract.event import Proof
from contract.fact import decode_core, fact_id, next_hash, root_hash
from hub import tables as t
from hub.archive.file import ArchiveDamaged
from hub.archive.redaction import Personal
from hub.archive.store import whole
from hub.archive.tables import erased_blob
from hub.blobs import FOLDER, came_so_far
from hub.deliveries.state import ProofView
from hub.fleet.queries import refused_attachments
from hub.ledger.heads import stream_name
from hub.said import Said


class PictureState(StrEnum):
    """Where a picture is."""

    HERE = "here"
    COMING = "coming"
    PENDING = "pending"
    """On the device, as far as anybody knows; nothing of it came yet."""
    ERASED = "erased"
    REFUSED = "refused"
    """Its device will not send it any more."""


class Picture(Struct, frozen=True):
    """A picture that a proof names. `came` and `size` in bytes, as far as they are known.

    Attributes:
        why: it was refused, as its device states.
    """

    sha256: bytes
    signature: bool
    state: PictureState
    media_type: str = ""
    came: int = 0
    size: int = 0
    why: str = ""

    @property
    def percent(self) -> int:
        """How much of it came, rounded down: whole is said only of what is whole."""
        if self.state is PictureState.HERE:
            return 100
        return self.came * 100 // self.size if self.size else 0


class Finding(Struct, frozen=True):
    """One thing that was checked. `ok` None: it cannot be checked yet, or any more.

    Attributes:
        withheld: fields whose time is over, so that what is left cannot be held against the identity.
    """

    what: str
    ok: bool | None
    detail: str = ""
    withheld: tuple[Personal, ...] = ()


def pictures_of(conn: Connection, folder: Path, proof: ProofView) -> tuple[Picture, ...]:
    """Pictures of a proof, the signature first."""
    named = [(proof.signature, True)] if proof.signature else []
    named += [(digest, False) for digest in proof.photos]
    return tuple(_picture(conn, folder, proof.device, digest, sign) for digest, sign in named)


def _picture(conn: Connection, folder: Path, device: str, digest: bytes, signature: bool) -> Picture:
    b, e = t.blob.c, erased_blob.c
    row = conn.execute(select(b.size, b.media_type).where(b.sha256 == digest)).first()
    if row is not None:
        return Picture(digest, signature, PictureState.HERE, row.media_type, row.size, row.size)
    gone = conn.execute(select(e.size).where(e.sha256 == digest)).scalar()
    if gone is not None:
        return Picture(digest, signature, PictureState.ERASED, size=gone)
    # Even where a part of it came: what is damaged on its device may be found so in the middle.
    if (why := refused_attachments(conn, {device}, {digest}).get(digest)) is not None:
        return Picture(digest, signature, PictureState.REFUSED, why=why)
    came = came_so_far(folder, digest, device)
    if came is None:
        return Picture(digest, signature, PictureState.PENDING)
    return Picture(digest, signature, PictureState.COMING, came=came[0], size=came[1])


def verify_proof(conn: Connection, folder: Path, proof: ProofView) -> tuple[Finding, ...]:
    """Work out all hashes of a proof anew, from the bytes that the device sent to the pictures on disk.

    Args:
        conn: a snapshot.
        folder: the hub's data folder.
        proof: as it is shown.
    """
    f = t.fact.c
    row = conn.execute(select(f.core, f.stream_id, f.n, f.branch, f.cause).where(f.fact_id == proof.fact_id)).first()
    if row is None or row.core is None:
        why = Said("it is not in the ledger") if row is None else Said("its content is gone: {why}", why=row.cause)
        return (Finding("core", False, why),)
    found = [*_check_core(conn, row.core, proof), _check_place(conn, proof.fact_id, row.stream_id, row.n)]
    found += [_check_picture(folder, picture) for picture in pictures_of(conn, folder, proof)]
    return tuple(found)


def _check_core(conn: Connection, stored: bytes, proof: ProofView) -> Sequence[Finding]:
    try:
        content = whole(conn, stored, proof.fact_id)
    except ArchiveDamaged as error:
        return [Finding("core", False, str(error))]
    if content.withheld:
        core = Finding("core", None, ", ".join(content.withheld), content.withheld)
    elif fact_id(content.core) == proof.fact_id:
        core = Finding("core", True)
    else:
        return [Finding("core", False, Said("its content hashes to another identity; it was changed"))]
    try:
        event = decode_core(content.core).event
    except ContractError as error:
        return [core, Finding("shown", False, str(error))]
    shown = isinstance(event, Proof) and _said(event) == _said(proof)
    return [core, Finding("shown", shown, "" if shown else Said("what is shown differs; run rebuild"))]


_said = attrgetter("stop", "outcome", "reason", "recipient", "relation", "notes", "signature", "photos", "cold_verdict")
"""What a page shows as the proof says it; parcels may be corrected."""


def _check_place(conn: Connection, identity: bytes, stream_id: int | None, n: int | None) -> Finding:
    """Whether its place in the device's chain follows from the one before it."""
    p = t.position.c
    if stream_id is None or n is None:
        return Finding("chain", None, Said("it has no place in a chain yet"))
    stream = conn.execute(select(t.stream).where(t.stream.c.id == stream_id)).one()
    name = stream_name(stream.device, stream.incarnation, stream.lane)
    here = conn.execute(select(p.hash, p.branch).where(p.stream_id == stream_id, p.n == n, p.fact_id == identity)).all()
    before = list(conn.scalars(select(p.hash).where(p.stream_id == stream_id, p.n == n - 1)))
    if n == 1:  # the first; before it is only the root of the stream
        before = [root_hash(name.device, name.incarnation, name.lane)]
    if not here or not before:
        return Finding("chain", False, Said("position {at} or the one before it is not there", at=n))
    follows = any(next_hash(parent, n, identity) == row.hash for parent in before for row in here)
    told = Said("position {at} of {device}", at=n, device=stream.device)
    wrong = Said("{told}: its hash does not follow from the one before it", told=told)
    return Finding("chain", follows, told if follows else wrong)


def _check_picture(folder: Path, picture: Picture) -> Finding:
    what = "signature" if picture.signature else "photo"
    name = picture.sha256.hex()
    if picture.state is PictureState.ERASED:
        return Finding(what, None, Said("{name}: erased when its time was over", name=name))
    if picture.state is PictureState.REFUSED:
        return Finding(what, None, Said("{name}: it will not come", name=name))
    if picture.state is not PictureState.HERE:
        return Finding(what, None, Said("{name}: {percent} % came", name=name, percent=picture.percent))
    try:
        with blob_path(folder, picture.sha256).open("rb") as file:
            ok = file_digest(file, "sha256").digest() == picture.sha256
    except FileNotFoundError:
        return Finding(what, False, Said("{name}: its file is gone", name=name))
    return Finding(what, ok, name if ok else Said("{name}: its file was changed", name=name))


def blob_path(folder: Path, digest: bytes) -> Path:
    """Where an attachment lies, as `hub.blobs.BlobStore.path` says."""
    name = digest.hex()
    return folder / FOLDER / name[:2] / name
