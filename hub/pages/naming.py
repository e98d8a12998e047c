"""How pages call a sensor: as people named it, else by its device and probe."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from contract.event import Quantity
from hub.coldchain.excursions import SensorRecord
from hub.web.formats import in_words

Records = Mapping[str, SensorRecord]
KEPT_NAMES: Final = 20_000
"""More than all sensors of a large fleet; pages with all of them say each name several times."""


@lru_cache(KEPT_NAMES)
def probe_of(sensor: str, device: str) -> str:
    """Its id in words, without its device and without what it measures."""
    own = sensor.removeprefix(f"{device}.")
    for quantity in Quantity:
        own = own.removesuffix(f".{quantity.value}")
    return own.replace(".", " ").replace("_", " ")


def sensor_name(sensor: str, device: str, record: SensorRecord | None) -> str:
    """Such as `Van 12 rear`."""
    return record.name if record and record.name else f"{in_words(device)} {probe_of(sensor, device)}"


def unit_of(sensor: str) -> str:
    """Of its values; the id ends with what it measures."""
    return "%" if sensor.endswith(Quantity.HUMIDITY_RH.value) else "°C"
