"""An order as a shipper writes it, checked field by field into a typed one. Pure.

Every field that cannot be used is told, not only the first: whoever mends a file wants to mend it once.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from contract.identity import identify
from contract.limits import MAX_CODE_BYTES, MAX_NOTE_CHARS, MAX_TEXT_CHARS
from contract.route import MAX_PARCELS_PER_STOP, Check, TaskKind
from hub.said import Said
from hub.timeline import epoch_ms

MAX_TASKS: Final = 20
MAX_AREA_CHARS: Final = 64
MAX_WEIGHT_G: Final = 40_000_000
"""More than a lorry carries is a slip of the pen or another unit."""
MAX_VOLUME_ML: Final = 100_000_000
MAX_SHOWN_CHARS: Final = 80
"""Of a value that is told back."""
LISTED: Final = re.compile(r"[;|\n]")
"""Between several values in one field of a CSV file; codes and texts may hold commas and spaces."""
_POSTCODE: Final = re.compile(r"(?<!\d)\d{5,6}(?!\d)")
"""Fewer digits are house numbers more often."""
_HIDDEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what stands beside them (Unicode Standard Annex 9, section 2)."""


_ONE_LINE: Final = frozenset({"reference", "consignee", "shipper", "area", "phone"})


class OrderKind(StrEnum):
    """Which way parcels go."""

    DELIVERY = "delivery"
    PICKUP = "pickup"


class Service(StrEnum):
    """How much it matters that it is done today; what cannot all be done is left out in this order, the last first."""

    EXPRESS = "express"
    STANDARD = "standard"
    ECONOMY = "economy"


class Item(Struct, frozen=True):
    """A parcel: its key everywhere, the code as the shipper wrote it, and what a person reads of it."""

    parcel: str
    code: str
    what: str = ""


class OrderTask(Struct, frozen=True):
    """Something to be done at the address beside."""

    kind: TaskKind
    what: str = ""
    parcel: str = ""


class Order(Struct, frozen=True):
    """An order that can be used; fields as in `hub.shipments.tables.ShipmentRow`."""

    reference: str
    consignee: str
    address: str
    shipper: str = ""
    kind: OrderKind = OrderKind.DELIVERY
    items: tuple[Item, ...] = ()
    area: str = ""
    lat_e7: int | None = None
    lon_e7: int | None = None
    day: str = ""
    window_from_ms: int | None = None
    window_to_ms: int | None = None
    service: Service = Service.STANDARD
    checks: tuple[Check, ...] = ()
    tasks: tuple[OrderTask, ...] = ()
    notes: str = ""
    phone: str = ""
    weight_g: int = 0
    volume_ml: int = 0


class Wrong(Struct, frozen=True):
    """Why a field cannot be used: what stands there, and what was expected instead."""

    field: str
    got: str
    expected: str


class Unusable(Exception):
    """An order of which nothing is kept."""

    def __init__(self, wrong: tuple[Wrong, ...]) -> None:
        super().__init__("; ".join(f"{w.field}: {w.got!r}, expected {w.expected}" for w in wrong))
        self.wrong = wrong


FIELDS: Final = (
    "reference", "shipper", "kind", "parcels", "what", "consignee", "address", "area", "latitude", "longitude", "day",
    "window_from", "window_to", "service", "checks", "tasks", "notes", "phone", "weight_kg", "volume_l",
)  # fmt: skip
"""Names of columns and of keys. `docs/routes.md` says what each holds."""

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class _Reader:
    """Takes fields out of one order and collects what is wrong with them."""

    def __init__(self, fields: Mapping[str, Any], zone: ZoneInfo) -> None:
        self._fields = fields
        self._zone = zone
        self.wrong: list[Wrong] = []

    def refuse(self, field: str, got: object, expected: str) -> None:
        self.wrong.append(Wrong(field, str(got)[:MAX_SHOWN_CHARS], expected))

    def value(self, field: str) -> Any:
        got = self._fields.get(field)
        return got.strip() if isinstance(got, str) else got

    def text(self, field: str, most: int = MAX_TEXT_CHARS, *, needed: bool = False) -> str:
        got = self.value(field)
        if isinstance(got, int) and not isinstance(got, bool):
            got = str(got)
        if got is None or got == "":
            if needed:
                self.refuse(field, "", Said("a text of at most {most} characters", most=most))
            return ""
        if not isinstance(got, str) or len(got) > most or _HIDDEN.search(got):
            self.refuse(field, got, Said("a text of at most {most} characters without control characters", most=most))
            return ""
        if "\n" in got and field in _ONE_LINE:
            self.refuse(field, got, "a text of one line; a quote before it may have taken in the lines behind")
            return ""
        return got

    def choice(self, field: str, kinds: type[E], usual: E) -> E:
        got = self.value(field)
        if got in (None, ""):
            return usual
        found = _member(kinds, got)
        if found is None:
            self.refuse(field, got, Said("one of {every}", every=", ".join(kinds)))
        return found or usual

    def listed(self, field: str, most: int) -> list[Any]:
        got = self.value(field)
        if got in (None, ""):
            return []
        several = [part.strip() for part in LISTED.split(got)] if isinstance(got, str) else got
        if not isinstance(several, list) or len(several) > most:
            self.refuse(field, got, Said("a list of at most {most}", most=most))
            return []
        return [one for one in several if one != ""]

    def number(self, field: str, scale: int, low: int, high: int, expected: str) -> int | None:
        got = self.value(field)
        if got in (None, ""):
            return None
        scaled = high + 1
        if isinstance(got, str | int | float) and not isinstance(got, bool):
            with suppress(ValueError, OverflowError):
                scaled = round(float(got.replace(",", ".") if isinstance(got, str) else got) * scale)
        if not low <= scaled <= high:
            self.refuse(field, got, expected)
            return None
        return scaled

    def day(self) -> str:
        got = self.value("day")
        return (
            self._made("day", got, lambda text: date.fromisoformat(text).isoformat(), Said("a day such as 2026-11-23"))
            or ""
        )

    def moment(self, field: str, day: str) -> int | None:
        def read(text: str) -> int:
            short = len(text) <= len("23:59:59") and ":" in text
            moment = datetime.fromisoformat(f"{day}T{text:0>5}" if short else text)
            # At either end of the calendar there is no such day in every zone.
            return epoch_ms((moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(self._zone))

        expected = Said("a time such as 2026-11-23T14:00:00+08:00, or 14:00 where the day is said")
        return self._made(field, self.value(field), read, expected)

    def _made(self, field: str, got: object, read: Callable[[str], T], expected: str) -> T | None:
        if got in (None, ""):
            return None
        if isinstance(got, str):
            with suppress(ValueError, OverflowError):
                return read(got)
        self.refuse(field, got, expected)
        return None


def _member(kinds: type[E], got: object) -> E | None:
    wanted = got.casefold().replace(" ", "_") if isinstance(got, str) else None
    return next((kind for kind in kinds if kind.value == wanted), None)


def parse_order(fields: Mapping[str, Any], zone: ZoneInfo) -> Order:
    """Check one order.

    Args:
        fields: by the names in FIELDS; texts as in a CSV file, or numbers and lists as in JSON.
        zone: of times that name none.

    Raises:
        Unusable: all fields that cannot be used.
    """
    r = _Reader(fields, zone)
    for name in fields.keys() - set(FIELDS):
        r.refuse(name, fields[name], Said("one of {every}", every=", ".join(FIELDS)))
    day = r.day()
    starts_ms = r.moment("window_from", day)
    if not day and starts_ms is not None:
        day = datetime.fromtimestamp(starts_ms / 1000, zone).date().isoformat()
    address = r.text("address", needed=True)
    order = Order(
        reference=r.text("reference", needed=True),
        consignee=r.text("consignee", needed=True),
        address=address,
        shipper=r.text("shipper"),
        kind=r.choice("kind", OrderKind, OrderKind.DELIVERY),
        items=tuple(_items(r)),
        area=r.text("area", MAX_AREA_CHARS) or _area(address),
        lat_e7=r.number("latitude", 10**7, -900_000_000, 900_000_000, Said("degrees from -90 to 90, such as 31.2304")),
        lon_e7=r.number(
            "longitude", 10**7, -1_800_000_000, 1_800_000_000, Said("degrees from -180 to 180, such as 121.4737")
        ),
        day=day,
        window_from_ms=starts_ms,
        window_to_ms=r.moment("window_to", day),
        service=r.choice("service", Service, Service.STANDARD),
        checks=tuple(_checks(r)),
        tasks=tuple(_tasks(r)),
        notes=r.text("notes", MAX_NOTE_CHARS),
        phone=r.text("phone", 64),
        weight_g=r.number("weight_kg", 1000, 0, MAX_WEIGHT_G, Said("kilograms from 0 to 40000")) or 0,
        volume_ml=r.number("volume_l", 1000, 0, MAX_VOLUME_ML, Said("litres from 0 to 100000")) or 0,
    )
    _together(r, order)
    if r.wrong:
        raise Unusable(tuple(r.wrong))
    return order


def _together(r: _Reader, order: Order) -> None:
    """What fields must be beside each other."""
    told = {wrong.field for wrong in r.wrong}
    if (order.lat_e7 is None) != (order.lon_e7 is None) and not told & {"latitude", "longitude"}:
        r.refuse("latitude", r.value("latitude"), Said("both latitude and longitude, or neither"))
    if (order.lat_e7, order.lon_e7) == (0, 0):
        r.refuse("latitude", "0, 0", Said("a place on land; leave both empty where it is not known"))
    starts, ends = order.window_from_ms, order.window_to_ms
    if (starts is None) != (ends is None) and not told & {"window_from", "window_to"}:
        r.refuse("window_to", r.value("window_to"), Said("both ends of the window, or neither"))
    if starts is not None and ends is not None and starts >= ends:
        r.refuse("window_to", r.value("window_to"), Said("a time after window_from"))
    if order.kind is OrderKind.DELIVERY and not (order.items or order.tasks or "parcels" in told or "tasks" in told):
        r.refuse("parcels", "", Said("at least one parcel to deliver, or a task"))


def _items(r: _Reader) -> Iterator[Item]:
    what = r.text("what")
    seen: set[str] = set()
    for one in r.listed("parcels", MAX_PARCELS_PER_STOP):
        code, told = (one.get("code"), one.get("what", "")) if isinstance(one, dict) else (one, what)
        code = str(code) if isinstance(code, int) and not isinstance(code, bool) else code
        if not isinstance(code, str) or not isinstance(told, str) or len(told) > MAX_TEXT_CHARS:
            r.refuse("parcels", one, Said("a code, or an object with code and what"))
            continue
        # Separators of GS1 and ISO 15434 are control characters, too.
        if "\0" in code or _HIDDEN.search(told):
            r.refuse("parcels", one, "a code without NUL, and a text without control characters")
            continue
        data = code.strip().encode()
        if not 0 < len(data) <= MAX_CODE_BYTES:
            r.refuse("parcels", code, Said("a code of 1 to {most} bytes", most=MAX_CODE_BYTES))
            continue
        identity = identify(data)
        if identity.kind in {"malformed", "control"}:
            r.refuse(
                "parcels",
                code,
                Said("a parcel's code; this is {what}", what=identity.problem or Said("a configuration card")),
            )
        elif identity.key in seen:
            r.refuse("parcels", code, Said("each parcel once"))
        else:
            seen.add(identity.key)
            yield Item(identity.key, code.strip(), told.strip())


def _checks(r: _Reader) -> Iterator[Check]:
    got = r.value("checks")
    names = re.split(r"[\s;|,]+", got) if isinstance(got, str) else r.listed("checks", len(Check))
    found = []
    for name in names:
        check = _member(Check, name)
        if check is not None:
            found.append(check)
        elif name:
            r.refuse("checks", name, Said("some of {every}", every=", ".join(Check)))
    yield from (check for check in Check if check in found)


def _tasks(r: _Reader) -> Iterator[OrderTask]:
    for one in r.listed("tasks", MAX_TASKS):
        if isinstance(one, str):
            kind, _, what = one.partition(":")
            one = {"kind": kind.strip(), "what": what}  # noqa: PLW2901 - both forms are read alike from here
        if not isinstance(one, dict) or (found := _member(TaskKind, one.get("kind"))) is None:
            r.refuse("tasks", one, Said("kind: what, where the kind is one of {every}", every=", ".join(TaskKind)))
            continue
        what, code = str(one.get("what", "")).strip(), str(one.get("parcel", "")).strip()
        if len(what) > MAX_TEXT_CHARS or _HIDDEN.search(what) or len(code.encode()) > MAX_CODE_BYTES:
            r.refuse(
                "tasks",
                what,
                Said("a text of at most {most} characters without control characters", most=MAX_TEXT_CHARS),
            )
            continue
        yield OrderTask(found, what, identify(code.encode()).key if code else "")


def _area(address: str) -> str:
    """The last number in it that looks like a postcode: what areas are compared by where the shipper names none."""
    found = _POSTCODE.findall(address)
    return found[-1] if found else ""
