"""Tables of displays. Not a projection: `rebuild` leaves them alone."""

from sqlmodel import Field, SQLModel

from hub.db import table_of


class Display(SQLModel, table=True):
    """A screen that may read what is on the wall displays and the display topics, and nothing else."""

    __tablename__ = "display"

    name: str = Field(primary_key=True, max_length=48)
    token_hash: bytes = Field(unique=True)
    """Of the token by which a browser is let in."""
    mqtt_password: str = Field(max_length=64)
    """Needed as it is for the configuration of brokers; as with the keys of devices, the data folder keeps it."""
    made_ms: int
    made_by: str
    revoked_ms: int | None = None
    last_seen_ms: int | None = None
    """When a browser showed it last, to within minutes."""


display = table_of(Display)
