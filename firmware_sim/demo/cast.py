"""Who plays: the dock with its cold room, three vans, and one more for whoever tries the app.

What is plugged into each, and how their devices are configured.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.adapters.registers import FAULT_VALUE, Register

# The agent must not take a busy machine for a silent probe.
PROBE_TIMEOUT_MS = 2_000

TEMPERATURE = Register("temperature_c", 0, "s16", 0.01)
HUMIDITY = Register("humidity_rh", 1, "u16", 0.01)
TYPES = {"s16": "int16", "u16": "uint16"}


@dataclass(frozen=True, slots=True)
class Box:
    """A cold box with a probe in it; `registers` is what the probe measures."""

    name: str
    registers: tuple[Register, ...]


FRONT = Box("front", (TEMPERATURE,))
REAR = Box("rear", (TEMPERATURE, HUMIDITY))
SHELF = Box("shelf", (TEMPERATURE, HUMIDITY))


@dataclass(frozen=True, slots=True)
class Member:
    """One place with a device."""

    device: str
    place: str
    person: str = ""
    scanner: str | None = "scanner_line"
    boxes: tuple[Box, ...] = ()
    gps: bool = False
    behind_relay: bool = False
    """Whether it loses its network now and then."""

    def sensors(self, box: Box) -> Mapping[str, Register]:
        """Return the sensor ids of a box, and where their values are in its probe."""
        return {f"{self.device}.{box.name}.{register.quantity}": register for register in box.registers}


DOCK = Member("dock", "Dock 4", "s.okafor")
# Its device is not the dock's: parcels that stand there can be scanned on while nobody hears how cold it is.
COLD_ROOM = Member("cold-room", "Dock 4", scanner=None, boxes=(SHELF,), behind_relay=True)
VANS = (
    Member("van-1", "Van 1", "w.chen", boxes=(FRONT, REAR), gps=True),
    Member("van-2", "Van 2", "m.silva", scanner="scanner_ssi", boxes=(FRONT, REAR), gps=True),
    Member("van-3", "Van 3", "a.jansen", boxes=(FRONT, REAR), gps=True, behind_relay=True),
)
# Nobody drives it: a person at the courier app does (`make courier`).
OWN_VAN = Member("van-12", "Van 12", scanner=None, boxes=(FRONT,), gps=True)
CAST = (DOCK, COLD_ROOM, *VANS, OWN_VAN)
WITH_SCANNER = tuple(member for member in CAST if member.scanner is not None)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a member's simulated devices are linked."""

    folder: Path
    device: str

    @property
    def scanner(self) -> Path:
        """The scanner's port."""
        return self.folder / f"{self.device}-scanner"

    def probe(self, box: Box) -> Path:
        """Return the port of a box's probe."""
        return self.folder / f"{self.device}-{box.name}"

    @property
    def gps(self) -> Path:
        """The position receiver's port."""
        return self.folder / f"{self.device}-gps"


def agent_toml(given: str, member: Member, ports: Ports, *, hub: str, probe_interval_s: float, seal_s: int) -> str:
    """Return the device's whole configuration.

    Args:
        given: What `device add` wrote, or an earlier result of this function: only the credential is taken from it.
        member: Whose it is.
        ports: Where its simulated devices are.
        hub: `mqtt://host:port` of the broker or the relay before it.
        probe_interval_s: Seconds between two polls.
        seal_s: Seconds after which a block of readings is closed.
    """
    device = {
        "id": member.device,
        "place": member.place,
        "hub": hub,
        "credential": tomllib.loads(given)["device"]["credential"],
    }
    out = _table("[device]", device) + _table("[uplink]", {"seal_s": seal_s})
    if member.scanner is not None:
        scanner: dict[str, object] = {"kind": member.scanner, "name": "scanner", "port": str(ports.scanner)}
        if member.scanner == "scanner_line":
            scanner |= {"aim": True, "feedback": True}
        out += _table("[[drivers]]", scanner)
    if member.gps:
        out += _table("[[drivers]]", {"kind": "nmea_gps", "name": "gps", "port": str(ports.gps)})
    for box in member.boxes:
        probe = {"kind": "modbus_probe", "name": box.name, "port": str(ports.probe(box))}
        out += _table("[[drivers]]", probe | {"interval_s": probe_interval_s, "timeout_ms": PROBE_TIMEOUT_MS})
        for register in box.registers:
            out += _table("[[drivers.registers]]", _register(register))
    return out


def _register(register: Register) -> dict[str, object]:
    return {
        "quantity": register.quantity,
        "address": register.address,
        "type": TYPES[register.form],
        "scale": register.scale,
        "fault_value": FAULT_VALUE,
    }


def _table(head: str, values: Mapping[str, object]) -> str:
    # JSON's strings, numbers and booleans are TOML's as well.
    return f"{head}\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()) + "\n"
