"""Before a van leaves: which of its parcels are missing and where they were seen last, and which are none of its own."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection, select

from hub.routes.progress import Progress, seen_parcels
from hub.trips.tables import stay


class Missing(Struct, frozen=True):
    """A parcel that its van does not have. `status` and `place`: where it was seen last; empty: it never was."""

    parcel: str
    what: str
    stop: str
    name: str
    status: str = ""
    place: str = ""


class Extra(Struct, frozen=True):
    """A parcel in a van that it is not for. `belongs`: the van that it is for, where one is."""

    parcel: str
    belongs: str = ""


class Loading(Struct, frozen=True):
    """How completely a van is loaded."""

    wanted: int
    loaded: int
    missing: tuple[Missing, ...]
    extra: tuple[Extra, ...]

    @property
    def complete(self) -> bool:
        """Whether it can leave."""
        return not self.missing and not self.extra


def check_loading(conn: Connection, one: Progress, others: Sequence[Progress] = ()) -> Loading:
    """How a van is loaded for the open stops of its route.

    Args:
        conn: a snapshot.
        one: its route.
        others: further routes of that day, so that a parcel too much can be told where it belongs.
    """
    lacking = [(item, at) for at in one.stops if at.open for item, _ in at.stop.items if item.parcel not in at.aboard]
    seen = seen_parcels(conn, (item.parcel for item, _ in lacking))
    missing = tuple(
        Missing(item.parcel, item.what, at.stop.stop, at.stop.name, *seen.get(item.parcel, ("", "")))
        for item, at in lacking
    )
    wanted = {parcel for at in one.stops if at.open for parcel in at.stop.parcels}
    mine = {parcel for at in one.stops for parcel in at.stop.parcels} | {
        item.parcel for at in one.stops for item in at.stop.pickups
    }
    device = one.route.device or one.route.vehicle.device
    aboard = _aboard(conn, device) if device else []
    vans = {p: o.route.vehicle.name for o in others for at in o.stops for p in at.stop.parcels}
    # What was fetched or taken back on the way belongs there.
    extra = (
        () if one.has_left else tuple(Extra(parcel, vans.get(parcel, "")) for parcel in aboard if parcel not in mine)
    )
    return Loading(len(wanted), len(wanted) - len(missing), missing, extra)


def _aboard(conn: Connection, device: str) -> list[str]:
    s = stay.c
    query = select(s.parcel).where(s.device == device, s.aboard.is_(True), s.to_ms.is_(None)).order_by(s.parcel)
    return list(conn.scalars(query))
