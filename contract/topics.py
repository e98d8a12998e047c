"""MQTT topics and the grammar of the ids in them."""

import re
from typing import Final
from zlib import crc32

from contract.errors import BadName
from contract.limits import PARTITIONS

DEVICE_ID: Final = re.compile(r"[a-z0-9-]{1,64}")
RESERVED_IDS: Final = frozenset({"hub", "display"})
"""`hub` states people's decisions; `display` is the user name of screens."""


def check_device_id(device: str) -> str:
    """Return the id if it may name a device.

    Raises:
        BadName: not lower-case letters, digits and hyphens, or a reserved word.
    """
    if not DEVICE_ID.fullmatch(device):
        raise BadName(f"device id {device!r}: expected 1 to 64 lower-case letters, digits or hyphens")
    if device in RESERVED_IDS:
        raise BadName(f"device id {device!r} is reserved; choose another")
    return device


def partition(device: str) -> int:
    """The ingest partition of a device, 0 to 63; one worker holds a partition at a time."""
    return crc32(device.encode()) % PARTITIONS


def up_topic(device: str) -> str:
    """Where a device speaks to the hub."""
    return f"hf1/up/{partition(device):02d}/{device}"


def down_topic(device: str) -> str:
    """Where the hub speaks to a device."""
    return f"hf1/down/{device}"


UP_FILTER: Final = "hf1/up/#"


def device_of_up_topic(topic: str) -> str:
    """The device that an up topic belongs to.

    Raises:
        BadName: not an up topic, or a partition that is not this device's.
    """
    device = topic.rsplit("/", 1)[-1]
    if not DEVICE_ID.fullmatch(device) or topic != up_topic(device):
        raise BadName(f"topic {topic!r}: expected hf1/up/PP/DEVICE with the partition of that device")
    return device
