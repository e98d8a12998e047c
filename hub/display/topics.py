"""Where displays hear of things: one retained topic for each parcel and each sensor."""

from contract.escape import escape_id


def parcel_topic(parcel: str) -> str:
    """The topic of a parcel."""
    return f"hf1/display/parcel/{escape_id(parcel)}"


def sensor_topic(sensor: str) -> str:
    """The topic of a sensor."""
    return f"hf1/display/sensor/{escape_id(sensor)}"
