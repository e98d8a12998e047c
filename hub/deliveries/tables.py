"""Tables of deliveries. `delivery` is a projection of proofs; figures are worked out from it and from routes, with a log.

Times are UTC epoch ms; `happened_ms` is corrected time (`hub.timeline`).
"""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from hub.db import table_of
from hub.timeline import DatedRow

WITHOUT_ROWID = {"sqlite_with_rowid": False}


class DeliveryRow(DatedRow, table=True):
    """One proof: one attempt at one stop, by one device."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_stop", "stop"),
        Index("ix_delivery_happened", "happened_ms"),
        Index("ix_delivery_boot", "boot", "device"),
    )

    fact_id: bytes = Field(primary_key=True)
    stop: str = Field(max_length=256)
    incarnation: bytes
    ord: int
    actor: str = ""
    outcome: str = Field(max_length=16)
    delivered: str
    """Keys of parcels, as JSON."""
    refused: str
    reason: str = ""
    recipient: str = ""
    relation: str = ""
    notes: str = ""
    lat_e7: int | None = None
    lon_e7: int | None = None
    accuracy_m: int | None = None
    fix_age_s: int | None = None
    cold_verdict: str = ""
    cold_budget_s: int | None = None
    signature: bytes | None = None
    photos: bytes = b""
    """Digests, one behind the other."""
    withheld: str = Field(default="", max_length=64)
    """Names of the fields that the fact told and that are withheld now (`hub.archive.redaction`)."""


class FigureRow(SQLModel, table=True):
    """Figures of one route within one area; worked out anew when facts come. Those of days and areas are their sums."""

    __tablename__ = "figure"
    __table_args__ = (WITHOUT_ROWID,)

    day: str = Field(primary_key=True, max_length=10)
    route: str = Field(primary_key=True, max_length=64)
    area: str = Field(primary_key=True, max_length=64)
    stops: int
    done: int
    """Delivered or picked up, wholly or in part."""
    attempted: int
    refused: int
    open: int
    windowed: int
    """Of those that anybody went to: with a window."""
    on_time: int
    """Of these: first met within the window, by the corrected time of the device."""
    visited: int
    """Where anybody was, further attempts left out."""
    first_attempt: int
    """Of those visited: done by the first proof."""
    worked_ms: int


class FigureChangeRow(SQLModel, table=True):
    """A figure that was told otherwise before a late fact came."""

    __tablename__ = "figure_change"
    __table_args__ = (Index("ix_figure_change_day", "day"),)

    id: int = Field(primary_key=True)
    at_ms: int
    day: str = Field(max_length=10)
    scope: str = Field(max_length=16)
    """`day`, `route` or `area`."""
    name: str = Field(max_length=64)
    before: str
    """The figures as JSON."""
    after: str
    cause: bytes
    """The proof that came late, or that somebody corrected."""


delivery = table_of(DeliveryRow)
figure = table_of(FigureRow)
figure_change = table_of(FigureChangeRow)
