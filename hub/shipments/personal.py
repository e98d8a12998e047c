"""What orders and stops tell of the people who receive. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final

from msgspec import structs

from hub.shipments.order import Order


class PersonalField(StrEnum):
    """Fields of shipments and stops that tell who it is, and where their door is."""

    CONSIGNEE = "consignee"
    ADDRESS = "address"
    PHONE = "phone"
    NOTES = "notes"
    PLACE = "place"
    """Coordinates."""


NOTHING: Final = "-"
"""In the column `withheld` of a row that is over and told nothing."""
SHIPMENT_COLUMNS: Final[Mapping[PersonalField, tuple[str, ...]]] = {
    PersonalField.CONSIGNEE: ("consignee",),
    PersonalField.ADDRESS: ("address",),
    PersonalField.PHONE: ("phone",),
    PersonalField.NOTES: ("notes",),
    PersonalField.PLACE: ("lat_e7", "lon_e7"),
}
STOP_COLUMNS: Final[Mapping[PersonalField, tuple[str, ...]]] = {
    PersonalField.CONSIGNEE: ("name",),
    PersonalField.ADDRESS: ("address",),
    PersonalField.PLACE: ("lat_e7", "lon_e7"),
}
ORDER_FIELDS: Final = frozenset(name for names in SHIPMENT_COLUMNS.values() for name in names)


@cache
def withheld_fields(text: str) -> tuple[PersonalField, ...]:
    """The fields that a row names."""
    return tuple(PersonalField(name) for name in text.split() if name != NOTHING)


def emptied(row: Mapping[str, Any], columns: Mapping[PersonalField, tuple[str, ...]]) -> dict[str, Any]:
    """What of a row is empty once it is withheld, with the fields that said something."""
    told = [field for field, names in columns.items() if any(row[name] not in (None, "") for name in names)]
    empty = {name: None if name.endswith("_e7") else "" for names in columns.values() for name in names}
    return {**empty, "withheld": " ".join(told) or NOTHING}


def impersonal(order: Order) -> Order:
    """An order without what it tells of people, to compare it with one of which that is withheld."""
    empty: dict[str, Any] = {name: None if name.endswith("_e7") else "" for name in ORDER_FIELDS}
    return structs.replace(order, **empty)
