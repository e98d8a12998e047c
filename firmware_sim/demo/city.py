"""A demo city: who ordered what, at which address, as shippers' programs tell the hub. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from firmware_sim.chance import chance
from firmware_sim.physics.codes import Code
from firmware_sim.physics.van import ROTTERDAM

# So far from the depot live most people, in degrees; a degree of longitude is shorter there.
AROUND_DEG: Final = (0.013, 0.022)
WINDOW_H: Final = (5, 7)
STREETS: Final = (
    ("Coolsingel", "30110"),
    ("Blaak", "30110"),
    ("Wijnhaven", "30110"),
    ("Mariniersweg", "30110"),
    ("Witte de Withstraat", "30120"),
    ("Westersingel", "30140"),
    ("Mauritsweg", "30120"),
    ("Nieuwe Binnenweg", "30140"),
    ("Schiekade", "30320"),
    ("Bergweg", "30370"),
    ("Goudsesingel", "30310"),
    ("Crooswijksesingel", "30340"),
    ("Oudedijk", "30610"),
    ("Lusthofstraat", "30610"),
    ("Maasboulevard", "30630"),
    ("Wilhelminakade", "30720"),
)
PEOPLE: Final = (
    "L. Visser", "N. Haddad", "P. Okonkwo", "J. Bakker", "M. Yilmaz", "S. de Groot", "T. Nguyen", "A. Kowalska",
    "R. Pereira", "Wang Xiaoming", "E. Lindqvist", "F. Osei", "C. Moreau", "H. Tanaka", "B. Jansen-van den Heuvel", "K. Singh",
)  # fmt: skip
HOUSES: Final = (
    "Maas Pharmacy", "Blaak Clinic", "Noord Dental", "Kade Laboratory", "Singel Veterinary Practice", "Oost Pharmacy",
)  # fmt: skip
COLD_GOODS: Final = ("Insulin, 2-8 °C", "Vaccines, 2-8 °C", "Eye drops, 2-8 °C")
OTHER_GOODS: Final = ("Dressings", "Spare parts", "Shoes", "Books", "Contact lenses")


@dataclass(frozen=True, slots=True)
class Order:
    """One shipment: its codes as they are scanned, and what its shipper tells the hub."""

    reference: str
    codes: tuple[Code, ...]
    body: Mapping[str, object]

    def until(self, closes: datetime) -> "Order":
        """Return the same for a customer who must have it earlier."""
        body = {**self.body, "window_from": (closes - timedelta(hours=1)).isoformat(), "window_to": closes.isoformat()}
        return Order(self.reference, self.codes, body)


def orders(codes: Iterator[tuple[int, Code]], count: int, parcels: tuple[int, int], now: datetime) -> Sequence[Order]:
    """Return the orders of one tour.

    Args:
        codes: What lies at the dock, numbered; as many are taken as are needed.
        count: How many orders.
        parcels: How many parcels an order has, at least and at most.
        now: Windows begin here.
    """
    made = []
    for _ in range(count):
        number, first = next(codes)
        rng = chance(number, "order")
        more = [next(codes)[1] for _ in range(rng.randint(*parcels) - 1)]
        made.append(_order(f"T{number:07}", number, (first, *more), now))
    return made


def _order(reference: str, number: int, codes: tuple[Code, ...], now: datetime) -> Order:
    rng = chance(number, "address")
    (street, postcode), is_house = rng.choice(STREETS), rng.random() < 0.3  # noqa: PLR2004 one in three is a business
    is_cold = is_house or rng.random() < 0.3  # noqa: PLR2004 as many people need medicines
    latitude, longitude = (middle + rng.gauss(0, around) for middle, around in zip(ROTTERDAM, AROUND_DEG, strict=True))
    body: dict[str, object] = {
        "reference": reference,
        "shipper": "Demo Wholesale",
        "consignee": rng.choice(HOUSES if is_house else PEOPLE),
        # The number of the order as the number of the house: each is an address of its own.
        "address": f"{street} {number}, {postcode}",
        "day": now.date().isoformat(),
        "latitude": round(latitude, 6),
        "longitude": round(longitude, 6),
        "parcels": [
            {"code": code.data.decode(), "what": rng.choice(COLD_GOODS if is_cold else OTHER_GOODS)} for code in codes
        ],
        "checks": [*(["cold"] if is_cold else []), *(["signature"] if is_house else [])],
        "service": "express" if is_cold else "standard",
    }
    if is_house:
        body |= {"window_from": now.isoformat(), "window_to": (now + timedelta(hours=rng.choice(WINDOW_H))).isoformat()}
    return Order(reference, codes, body)


# What a person drives who tries the app: short codes, because they are typed.
_PERSONAL: Final = (
    ("Maas Pharmacy", "Coolsingel 12, 30110", ("Insulin, 2-8 °C", "Vaccines, 2-8 °C"), ("cold", "signature"), (-1, 6)),
    ("L. Visser", "Blaak 31, 30110", ("Contact lenses",), (), None),
    ("Wang Xiaoming", "Wijnhaven 88, 30110", ("Books", "Shoes"), ("photo",), None),
    ("Blaak Clinic", "Mariniersweg 7, 30110", ("Vaccines, 2-8 °C",), ("cold", "signature", "photo"), (-1, 5)),
    ("N. Haddad", "Westersingel 104, 30140", ("Spare parts",), (), None),
    ("Noord Dental", "Schiekade 60, 30320", ("Dressings",), ("signature",), None),
)
_PERSONAL_NOTES: Final = {"L. Visser": "Second door; the bell is broken", "Blaak Clinic": "Reception, ground floor"}
_PERSONAL_TASKS: Final = {"N. Haddad": "collect: Old modem"}


def personal_orders(prefix: str, now: datetime) -> Sequence[Order]:
    """Return the few orders of the van that a person drives; their codes begin with `prefix`."""
    made = []
    for number, (name, address, goods, checks, window_h) in enumerate(_PERSONAL, 1):
        rng = chance(number, "personal")
        codes = tuple(Code(f"{prefix}-{number}{letter}".encode()) for letter, _ in zip("AB", goods, strict=False))
        body: dict[str, object] = {
            "reference": f"{prefix}-{number}",
            "shipper": "Demo Wholesale",
            "consignee": name,
            "address": address,
            "day": now.date().isoformat(),
            "latitude": round(ROTTERDAM[0] + rng.gauss(0, AROUND_DEG[0] / 2), 6),
            "longitude": round(ROTTERDAM[1] + rng.gauss(0, AROUND_DEG[1] / 2), 6),
            "parcels": [{"code": c.data.decode(), "what": what} for c, what in zip(codes, goods, strict=True)],
            "checks": list(checks),
            "notes": _PERSONAL_NOTES.get(name, ""),
            "phone": "+31 10 555 01 12",
            "tasks": [_PERSONAL_TASKS[name]] if name in _PERSONAL_TASKS else [],
        }
        if window_h is not None:
            opens, closes = (now + timedelta(hours=hours) for hours in window_h)
            body |= {"window_from": opens.isoformat(), "window_to": closes.isoformat()}
        made.append(Order(f"{prefix}-{number}", codes, body))
    return made
