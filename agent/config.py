"""`agent.toml`: what this device is, which hub it speaks to, and what is plugged into it.

The file is read once into frozen structs whose existence proves that every value was legal. Unknown keys are errors: a
misspelt `regsiters` must not become a probe without registers.
"""

import copy
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from agent.config_error import ConfigError, explain
from contract.errors import BadName
from contract.event import Quantity, Step
from contract.limits import DEFAULT_SEAL_S, HOLD_DEFAULT_MS, HOLD_MIN_MS, LIVE_INTERVAL_MS
from contract.topics import check_device_id

HOUR_MS = 3_600_000
CREDENTIAL_BYTES = 32
DEFAULT_PORT = 1883
DEFAULT_TLS_PORT = 8883

# What people write for the bytes that end a code; anything else is taken literally.
SUFFIX_WORDS = {"cr": "\r", "lf": "\n", "crlf": "\r\n", "tab": "\t", "eot": "\x04", "etx": "\x03", "none": ""}

Slug = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
SensorName = Annotated[str, Meta(pattern=r"\A[a-z0-9_-]{1,32}\Z")]
PortPath = Annotated[str, Meta(min_length=1, max_length=256)]
Baud = Annotated[int, Meta(ge=300, le=4_000_000)]
Word = Annotated[int, Meta(ge=0, le=0xFFFF)]
Unit = Annotated[int, Meta(ge=1, le=247)]
Function = Literal[3, 4]


class Credential(bytes):
    """The device's own 32-byte key. A secret: neither printing nor logging it shows it; `hex()` does."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Credential(hidden)"

    __str__ = __repr__


class HubAddress(str):
    """Where the hub's broker listens: `mqtt://host:port` or `mqtts://host:port`, checked."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """Name or address, without brackets."""
        return urlsplit(self).hostname or ""

    @property
    def port(self) -> int:
        """TCP port; 1883 (8883 with TLS) where none is given."""
        return urlsplit(self).port or (DEFAULT_TLS_PORT if self.tls else DEFAULT_PORT)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted and the broker's certificate checked."""
        return urlsplit(self).scheme == "mqtts"


class DeviceConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[device]`: who this is. Without `hub` the device keeps everything and speaks to no one."""

    id: str
    data: Path
    """Folder of the device database, absolute."""
    place: Annotated[str, Meta(max_length=256)] = ""
    hub: HubAddress | None = None
    credential: Credential | None = None

    def __post_init__(self) -> None:
        try:
            check_device_id(self.id)
        except BadName as error:
            raise ValueError(str(error)) from error
        if self.hub is not None and self.credential is None:
            raise ValueError("`hub` is given without `credential`; expected the 64 hex digits of `device add`")


class DriverBase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every entry of `[[drivers]]` has."""

    name: Slug = ""
    """Part of sensor ids; by default the kind and a number, such as `scanner-line-1`."""

    @property
    def kind(self) -> str:
        """The word that chose this driver."""
        return str(self.__struct_config__.tag)


class ScannerLineConfig(DriverBase, frozen=True, kw_only=True, tag="scanner_line"):
    """A USB-CDC or RS-232 scanner that sends each code as a line: [prefix] [AIM id] DATA suffix."""

    port: PortPath
    step: Step = Step.RECEIVED
    """What a scan means until a configuration card says otherwise."""
    baud: Baud = 9600
    prefix: str = ""
    suffix: str | None = None
    """Bytes that end a code. Left out: CR, LF or both. Empty (or `none`): a pause of `idle_gap_ms` ends it.

    Codes that hold CR or LF themselves need a suffix other than these."""
    aim: bool | None = None
    """Whether the scanner sends the AIM symbology identifier; left out: taken off where it is there."""
    idle_gap_ms: Annotated[int, Meta(ge=5, le=60_000)] | None = None
    """Silence that ends a code (no suffix, default 50) or gives up a broken one (suffix, default 1,000)."""
    feedback: bool = False
    """Whether to write `KEPT`, `UNEXPECTED`, `DUPLICATE` or `REFUSED` back as a line."""

    def __post_init__(self) -> None:
        for key, text in (("prefix", self.prefix), ("suffix", self.suffix or "")):
            if not text.isascii():
                raise ValueError(f"`{key}` is {text!r}; expected ASCII characters")

    @property
    def suffix_bytes(self) -> bytes | None:
        """The suffix with words such as `crlf` resolved; None means any line end."""
        if self.suffix is None:
            return None
        return SUFFIX_WORDS.get(self.suffix.lower(), self.suffix).encode("ascii")


class ScannerSsiConfig(DriverBase, frozen=True, kw_only=True, tag="scanner_ssi"):
    """A Zebra scanner in packeted SSI mode with ACK/NAK handshake."""

    port: PortPath
    step: Step = Step.RECEIVED
    baud: Baud = 9600
    aim: bool | None = None


class ScannerHidConfig(DriverBase, frozen=True, kw_only=True, tag="scanner_hid"):
    """A scanner that poses as a keyboard: `port` names its event device, or vendor, product and device name find it."""

    port: Annotated[str, Meta(max_length=256)] = ""
    vendor: Word | None = None
    product: Word | None = None
    device_name: str = ""
    step: Step = Step.RECEIVED
    aim: bool | None = None
    end: Literal["key", "gap"] = "key"
    """What ends a code: the Enter or Tab key, or a pause."""
    idle_gap_ms: Annotated[int, Meta(ge=5, le=60_000)] | None = None
    """Silence that ends a code (`gap`, default 150) or gives up a broken one (`key`, default 1,000)."""

    def __post_init__(self) -> None:
        if not self.port and self.vendor is None and self.product is None and not self.device_name:
            raise ValueError("nothing says which device; expected `port`, `vendor`, `product` or `device_name`")


class RegisterConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One measured value in a probe's register map."""

    quantity: Quantity
    address: Word
    """As on the wire, counted from 0."""
    function: Function = 3
    type: Literal["int16", "uint16", "float32"] = "int16"
    word_order: Literal["big", "little"] = "big"
    """Which word of a float32 comes first: `big` the high one."""
    scale: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    """The register times this is degrees Celsius or percent."""
    fault_value: int | None = None
    """What the probe sends when its sensor is broken, such as 0x8000."""
    unit: Unit | None = None
    """For several probes on one bus; left out: the driver's."""
    sensor: SensorName = ""
    """The last part of the sensor id; left out: the quantity."""

    @property
    def sensor_name(self) -> str:
        """The last part of the sensor id."""
        return self.sensor or self.quantity.value

    @property
    def words(self) -> int:
        """Registers it takes."""
        return 2 if self.type == "float32" else 1


class StatusRegisterConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A register that says whether the probe's values are good: (register & mask) == ok."""

    address: Word
    function: Function = 3
    mask: Word = 0xFFFF
    ok: Word = 0


class ModbusProbeConfig(DriverBase, frozen=True, kw_only=True, tag="modbus_probe"):
    """One or more Modbus RTU probes on a serial bus."""

    port: PortPath
    registers: Annotated[tuple[RegisterConfig, ...], Meta(min_length=1, max_length=64)]
    unit: Unit = 1
    baud: Baud = 9600
    interval_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 10.0
    timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1000
    """Keep it above the slowest answer of the probe: RTU answers carry nothing that ties them to their question."""
    status_register: StatusRegisterConfig | None = None

    def __post_init__(self) -> None:
        repeated = [name for name, n in Counter(r.sensor_name for r in self.registers).items() if n > 1]
        if repeated:
            raise ValueError(f"two registers are sensor {repeated[0]!r}; expected a different `sensor` for each")


class NmeaGpsConfig(DriverBase, frozen=True, kw_only=True, tag="nmea_gps"):
    """A position receiver that speaks NMEA 0183."""

    port: PortPath
    baud: Baud = 9600
    min_interval_s: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    """Positions closer together than this are left out."""


DriverConfig = ScannerLineConfig | ScannerSsiConfig | ScannerHidConfig | ModbusProbeConfig | NmeaGpsConfig
ScannerConfig = ScannerLineConfig | ScannerSsiConfig | ScannerHidConfig


class FeedbackConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[feedback]`: how a person hears or sees what became of a scan whose scanner cannot say it."""

    kind: Literal["serial", "sound", "none"] = "none"
    port: str = ""
    baud: Baud = 9600

    def __post_init__(self) -> None:
        if self.kind == "serial" and not self.port:
            raise ValueError("`kind` is 'serial' without `port`; expected the path of the feedback port")


class StorageConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[storage]`: how much room facts may take and how long even safe ones stay."""

    budget_mib: Annotated[int, Meta(ge=16, le=1_048_576)] = 512
    hold_days: Annotated[int, Meta(ge=HOLD_MIN_MS // (24 * HOUR_MS), le=3650)] = HOLD_DEFAULT_MS // (24 * HOUR_MS)


class UplinkConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[uplink]`: pace and trust of the connection."""

    seal_s: Annotated[int, Meta(ge=1, le=3600)] = DEFAULT_SEAL_S
    """While in contact a block of readings is closed this long after its first."""
    live_s: Annotated[int, Meta(ge=1, le=3600)] = LIVE_INTERVAL_MS // 1000
    ca_file: Path | None = None
    """Certificates to trust for `mqtts`; left out: the system's."""


class AgentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Drivers have their names filled in."""

    device: DeviceConfig
    drivers: tuple[DriverConfig, ...] = ()
    feedback: FeedbackConfig = FeedbackConfig()
    storage: StorageConfig = StorageConfig()
    uplink: UplinkConfig = UplinkConfig()

    def __post_init__(self) -> None:
        for key in ("name", "port"):
            values = [value for driver in self.drivers if (value := getattr(driver, key))]
            repeated = [value for value, n in Counter(values).items() if n > 1]
            if repeated:
                raise ValueError(f"two drivers have `{key}` {repeated[0]!r}; expected a different one for each")


def load_config(path: Path) -> AgentConfig:
    """Read and check `agent.toml`.

    Relative folders in it are taken from the folder of the file.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or holds a wrong, unknown or missing key.
    """
    return parse_config(read_text(path), path)


def read_text(path: Path) -> str:
    """The text of a configuration file, with its line ends as they are.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; expected the device's agent.toml") from error


def parse_config(text: str, path: Path) -> AgentConfig:
    """Check the text of a configuration that is or will be the file at `path`.

    Raises:
        ConfigError: as `load_config`.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: expected TOML: {error}") from error
    tables = copy.deepcopy(given)
    _fill_in(tables)
    folder = path.absolute().parent

    def convert(kind: type, value: object) -> object:
        if not isinstance(value, str):
            raise ValueError(f"Expected `str`, got `{type(value).__name__}`")  # noqa: TRY004 msgspec adds the place to ValueError only
        if kind is Path:
            return folder / value
        return _READERS[kind](value)

    try:
        return msgspec.convert(tables, AgentConfig, dec_hook=convert)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {explain(str(error), given, AgentConfig)}") from error


def _fill_in(tables: dict[str, Any]) -> None:
    """Put in what depends on the file: its folder, and numbered driver names. Wrong shapes are left for the check."""
    device, drivers = tables.get("device"), tables.get("drivers")
    if isinstance(device, dict):
        device.setdefault("data", ".")
    numbers: Counter[str] = Counter()
    for driver in drivers if isinstance(drivers, list) else ():
        if isinstance(driver, dict) and isinstance(kind := driver.get("kind"), str):
            numbers[kind] += 1
            driver.setdefault("name", f"{kind.replace('_', '-')}-{numbers[kind]}")


def _credential(text: str) -> Credential:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != CREDENTIAL_BYTES:
        raise ValueError(f"Expected {2 * CREDENTIAL_BYTES} hex digits, as `device add` writes them")
    return Credential(key)


def _hub_address(text: str) -> HubAddress:
    try:
        url = urlsplit(text)
        usable = url.scheme in {"mqtt", "mqtts"} and url.hostname and url.port != 0 and "@" not in url.netloc
    except ValueError:
        usable = False
    if not usable or url.path not in {"", "/"} or url.query or url.fragment:
        raise ValueError("Expected `mqtt://host:port` or `mqtts://host:port`")
    return HubAddress(text)


_READERS: dict[type, Callable[[str], object]] = {Credential: _credential, HubAddress: _hub_address}
