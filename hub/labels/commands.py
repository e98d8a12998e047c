"""`holdfast-hub cards` and `holdfast-hub labels`: PDF for the printer at the dock."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contract.event import Step
from hub.errors import Refused
from hub.web.i18n import LANGUAGES

if TYPE_CHECKING:
    from sqlalchemy import Connection

Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The PDF; replaced where it is there.")]
Language = Annotated[str, typer.Option("--language", metavar="en|zh", help="Of the words on it.")]


def cards_command(
    out: Out,
    step: Annotated[
        list[Step] | None, typer.Option(help="A card for this step; all steps when nothing is named.")
    ] = None,
    actor: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A card that signs a person on.")] = None,
    place: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A card that says where scans are made.")
    ] = None,
    language: Language = "en",
) -> None:
    """Print control cards: barcodes that switch what the following scans mean. Needs no data folder and no hub."""
    from hub.labels.cards import cards  # noqa: PLC0415 - drawing and printing load for a second
    from hub.labels.printing import print_sheet  # noqa: PLC0415 - as above

    _write(out, print_sheet(cards([one.value for one in step or ()], actor or (), place or (), _language(language))))


def labels_command(  # noqa: PLR0917 - as many as it has options
    out: Out,
    codes: Annotated[
        list[str] | None, typer.Argument(metavar="[CODE]...", help="Labels with these codes alone.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The hub's data folder.", envvar="HOLDFAST_HUB_DATA")
    ] = None,
    route: Annotated[
        str, typer.Option(metavar="ID", help="All parcels of this route, in the order of its stops.")
    ] = "",
    shipment: Annotated[
        list[str] | None, typer.Option(metavar="REFERENCE", help="All parcels of this shipment.")
    ] = None,
    language: Language = "en",
) -> None:
    """Print labels: of codes, of a route, or of shipments. Works while the hub runs."""
    from hub.labels.parcels import plain_labels, route_labels, shipment_labels  # noqa: PLC0415 - as above
    from hub.labels.printing import print_sheet  # noqa: PLC0415 - as above
    from hub.web.i18n import Words  # noqa: PLC0415 - as above

    if sum((bool(codes), bool(route), bool(shipment))) != 1:
        raise Refused("name codes, or --route, or --shipment: one of them")
    if codes:
        _write(out, print_sheet(plain_labels(codes)))
        return
    if data is None:
        raise Refused("--data DIR says which hub knows the route or shipment")
    words = Words(_language(language))
    with _reading(data) as conn:
        sheet = route_labels(conn, route, words) if route else shipment_labels(conn, shipment or (), words)
    _write(out, print_sheet(sheet))


def _language(name: str) -> str:
    if name not in LANGUAGES:
        raise Refused(f"--language {name!r}: expected {' or '.join(LANGUAGES)}")
    return name


def _write(out: Path, data: bytes) -> None:
    try:
        out.write_bytes(data)
    except OSError as error:
        raise Refused(f"cannot write {out}: {error.strerror}") from error


@contextmanager
def _reading(folder: Path) -> "Iterator[Connection]":
    """The hub's database as it is now, whether the hub runs or not."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - as above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    from hub.db import DATABASE_FILE  # noqa: PLC0415 - as above

    path = folder / DATABASE_FILE
    if not path.is_file():
        raise Refused(f"{folder} is no data folder of a hub; `holdfast-hub init` makes one")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as conn:
            yield conn
    finally:
        engine.dispose()
