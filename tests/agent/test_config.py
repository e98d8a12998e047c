import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import (
    AgentConfig,
    Credential,
    DeviceConfig,
    HubAddress,
    ModbusProbeConfig,
    NmeaGpsConfig,
    RegisterConfig,
    ScannerHidConfig,
    ScannerLineConfig,
    ScannerSsiConfig,
    StatusRegisterConfig,
    load_config,
    parse_config,
)
from agent.config_edit import TomlValue, append_driver
from agent.config_error import ConfigError
from contract.event import Quantity, Step

KEY = "ab" * 32
DEVICE = f'[device]\nid = "van-12"\nhub = "mqtt://hub.example:1884"\ncredential = "{KEY}"\n'
WHOLE = (
    DEVICE
    + """place = "dock-4"
data = "state"

[[drivers]]
kind = "scanner_line"
port = "/dev/ttyACM0"
step = "loaded"
prefix = "\\u0002"
suffix = "CRLF"
aim = true
feedback = true

[[drivers]]
kind = "scanner_ssi"
port = "/dev/ttyACM1"
name = "gate"
baud = 115200

[[drivers]]
kind = "scanner_hid"
vendor = 0x05e0
product = 0x1200

[[drivers]]
kind = "modbus_probe"
port = "/dev/ttyUSB0"
unit = 3
interval_s = 2
timeout_ms = 500
registers = [
  { quantity = "temperature_c", address = 0, scale = 0.1, fault_value = 0x8000 },
  { quantity = "humidity_rh", address = 1, function = 4, type = "uint16", scale = 0.1 },
]
status_register = { address = 9, mask = 0x0f }

[[drivers]]
kind = "nmea_gps"
port = "/dev/ttyUSB1"

[[drivers]]
kind = "scanner_line"
port = "/dev/ttyACM2"

[feedback]
kind = "serial"
port = "/dev/ttyUSB2"

[storage]
budget_mib = 64

[uplink]
seal_s = 5
ca_file = "ca.pem"
"""
)
FILE = Path("/etc/holdfast/agent.toml")


def test_whole_file_is_read_into_typed_values(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(WHOLE)
    config = load_config(path)
    assert config.device == DeviceConfig(
        id="van-12",
        data=tmp_path / "state",
        place="dock-4",
        hub=HubAddress("mqtt://hub.example:1884"),
        credential=Credential(bytes.fromhex(KEY)),
    )
    assert config.drivers == (
        ScannerLineConfig(
            name="scanner-line-1",
            port="/dev/ttyACM0",
            step=Step.LOADED,
            prefix="\x02",
            suffix="CRLF",
            aim=True,
            feedback=True,
        ),
        ScannerSsiConfig(name="gate", port="/dev/ttyACM1", baud=115200),
        ScannerHidConfig(name="scanner-hid-1", vendor=0x05E0, product=0x1200),
        ModbusProbeConfig(
            name="modbus-probe-1",
            port="/dev/ttyUSB0",
            unit=3,
            interval_s=2,
            timeout_ms=500,
            registers=(
                RegisterConfig(quantity=Quantity.TEMPERATURE_C, address=0, scale=0.1, fault_value=0x8000),
                RegisterConfig(quantity=Quantity.HUMIDITY_RH, address=1, function=4, type="uint16", scale=0.1),
            ),
            status_register=StatusRegisterConfig(address=9, mask=0x0F),
        ),
        NmeaGpsConfig(name="nmea-gps-1", port="/dev/ttyUSB1"),
        ScannerLineConfig(name="scanner-line-2", port="/dev/ttyACM2"),
    )
    assert [driver.kind for driver in config.drivers][:2] == ["scanner_line", "scanner_ssi"]
    assert (config.feedback.kind, config.feedback.port) == ("serial", "/dev/ttyUSB2")
    assert (config.storage.budget_mib, config.storage.hold_days) == (64, 14)
    assert (config.uplink.seal_s, config.uplink.ca_file) == (5, tmp_path / "ca.pem")


def test_a_device_alone_has_its_data_beside_the_file_and_every_default() -> None:
    config = parse_config('[device]\nid = "a"\n', FILE)
    assert config == AgentConfig(device=DeviceConfig(id="a", data=FILE.parent))
    assert (config.storage.budget_mib, config.uplink.seal_s, config.feedback.kind) == (512, 60, "none")


def test_an_absolute_data_folder_is_left_alone() -> None:
    assert parse_config('[device]\nid = "a"\ndata = "/var/lib/x"\n', FILE).device.data == Path("/var/lib/x")


@pytest.mark.parametrize(
    ("address", "host", "port", "tls"),
    [
        ("mqtt://hub:1884", "hub", 1884, False),
        ("mqtt://hub", "hub", 1883, False),
        ("mqtts://hub/", "hub", 8883, True),
        ("mqtts://[::1]:99", "::1", 99, True),
    ],
)
def test_hub_address_has_host_port_and_tls(address: str, host: str, port: int, tls: bool) -> None:
    hub = parse_config(DEVICE.replace("mqtt://hub.example:1884", address), FILE).device.hub
    assert hub is not None
    assert (hub.host, hub.port, hub.tls) == (host, port, tls)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [(None, None), ("cr", b"\r"), ("TAB", b"\t"), ("none", b""), ("", b""), ("\x03\r", b"\x03\r"), ("##", b"##")],
)
def test_suffix_may_be_a_word_or_the_bytes_themselves(suffix: str | None, expected: bytes | None) -> None:
    assert ScannerLineConfig(name="a", port="/dev/x", suffix=suffix).suffix_bytes == expected


def test_credential_is_usable_and_never_shown() -> None:
    config = parse_config(DEVICE, FILE)
    assert config.device.credential == bytes.fromhex(KEY)
    for shown in (repr(config), str(config), f"{config.device.credential}", f"{config.device.credential!s:>3}"):
        assert KEY not in shown
        assert repr(bytes.fromhex(KEY)) not in shown


LINE = '[[drivers]]\nkind = "scanner_line"\nport = "/dev/x"\n'
PROBE = '[[drivers]]\nkind = "modbus_probe"\nport = "/dev/x"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Object missing required field `device`"),
        ("[device]\n", "device: Object missing required field `id`"),
        ('[device]\nid = "hub"\n', "device: device id 'hub' is reserved; choose another"),
        (
            '[device]\nid = "Van 1"\n',
            "device: device id 'Van 1': expected 1 to 64 lower-case letters, digits or hyphens",
        ),
        (
            f'[device]\nid = "a"\nhub = "http://x"\ncredential = "{KEY}"\n',
            "device.hub = 'http://x': Expected `mqtt://host:port` or `mqtts://host:port`",
        ),
        (
            f'[device]\nid = "a"\nhub = "mqtt://x:99999"\ncredential = "{KEY}"\n',
            "device.hub = 'mqtt://x:99999': Expected `mqtt://host:port` or `mqtts://host:port`",
        ),
        (
            '[device]\nid = "a"\nhub = "mqtt://x"\n',
            "device: `hub` is given without `credential`; expected the 64 hex digits of `device add`",
        ),
        (
            '[device]\nid = "a"\ncredential = "abcd"\n',
            "device.credential = (hidden): Expected 64 hex digits, as `device add` writes them",
        ),
        ('[device]\nid = "a"\ncredential = 7\n', "device.credential = (hidden): Expected `str`, got `int`"),
        (DEVICE + "[uplink]\nseal_s = 0\n", "uplink.seal_s = 0: Expected `int` >= 1"),
        (DEVICE + "[radio]\n", "radio: unknown key; expected one of device, drivers, feedback, storage, uplink"),
        (DEVICE + '[feedback]\nkind = "beep"\n', "feedback.kind = 'beep': expected one of none, serial, sound"),
        (
            DEVICE + '[feedback]\nkind = "serial"\n',
            "feedback: `kind` is 'serial' without `port`; expected the path of the feedback port",
        ),
        (
            DEVICE + LINE.replace("line", "lien"),
            "drivers[0].kind = 'scanner_lien': expected one of scanner_line, scanner_ssi, scanner_hid, modbus_probe, nmea_gps",
        ),
        (DEVICE + LINE + 'baud = "9600"\n', "drivers[0].baud = '9600': Expected `int`, got `str`"),
        (
            DEVICE + LINE + "bauds = 9600\n",
            (
                "drivers[0].bauds = 9600: unknown key; expected one of name, port, step, baud, prefix, suffix, aim, "
                "idle_gap_ms, feedback"
            ),
        ),
        (
            DEVICE + LINE + 'step = "lost"\n',
            (
                "drivers[0].step = 'lost': expected one of received, loaded, departed, arrived, out_for_delivery, "
                "delivered, returned, counted, handed_over"
            ),
        ),
        (DEVICE + LINE + 'prefix = "\u00e4"\n', "drivers[0]: `prefix` is '\u00e4'; expected ASCII characters"),
        (
            DEVICE + LINE + 'name = "Dock 1"\n',
            r"drivers[0].name = 'Dock 1': Expected `str` matching regex '\\A[a-z0-9-]{1,32}\\Z'",
        ),
        (DEVICE + LINE + LINE, "two drivers have `port` '/dev/x'; expected a different one for each"),
        (
            DEVICE + LINE + 'name = "a"\n' + LINE.replace("/x", "/y") + 'name = "a"\n',
            "two drivers have `name` 'a'; expected a different one for each",
        ),
        (
            DEVICE + '[[drivers]]\nkind = "scanner_hid"\n',
            "drivers[0]: nothing says which device; expected `port`, `vendor`, `product` or `device_name`",
        ),
        (DEVICE + PROBE, "drivers[0]: Object missing required field `registers`"),
        (DEVICE + PROBE + "registers = []\n", "drivers[0].registers: Expected `array` of length >= 1"),
        (
            DEVICE + PROBE + 'registers = [{quantity = "temp", address = 0}]\n',
            "drivers[0].registers[0].quantity = 'temp': expected one of temperature_c, humidity_rh",
        ),
        (
            DEVICE + PROBE + 'registers = [{quantity = "humidity_rh", address = 0, function = 5}]\n',
            "drivers[0].registers[0].function = 5: expected one of 3, 4",
        ),
        (
            DEVICE + PROBE + 'registers = [{quantity = "humidity_rh", address = 0, regsiter = 5}]\n',
            (
                "drivers[0].registers[0].regsiter = 5: unknown key; expected one of quantity, address, function, type, "
                "word_order, scale, fault_value, unit, sensor"
            ),
        ),
        (
            DEVICE
            + PROBE
            + 'registers = [{quantity = "humidity_rh", address = 0}, {quantity = "humidity_rh", address = 1}]\n',
            "drivers[0]: two registers are sensor 'humidity_rh'; expected a different `sensor` for each",
        ),
    ],
)
def test_error_names_file_key_value_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, FILE)
    assert str(caught.value) == f"{FILE}: {message}"


def test_text_that_is_no_toml_says_where() -> None:
    with pytest.raises(ConfigError, match=r"agent\.toml: expected TOML: .*line 1, column 8"):
        parse_config("[device\nid", FILE)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: .*No such file"):
        load_config(tmp_path / "agent.toml")


def test_a_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot be read: .*utf-8"):
        load_config(path)


NEW_PROBE: dict[str, TomlValue] = {
    "kind": "modbus_probe",
    "port": "/dev/ttyUSB9",
    "interval_s": 2.5,
    "registers": [{"quantity": "temperature_c", "address": 4, "scale": 0.1}],
}


@pytest.mark.parametrize("old", [DEVICE, DEVICE.rstrip("\n"), WHOLE, DEVICE.replace("\n", "\r\n") + "# end \t"])
def test_a_driver_is_added_without_touching_the_rest(tmp_path: Path, old: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(old.encode())
    path.chmod(0o644)
    config = append_driver(path, NEW_PROBE)
    assert path.read_bytes().startswith(old.encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_config(path) == config
    assert isinstance(config.drivers[-1], ModbusProbeConfig)
    assert config.drivers[-1].registers[0].address == 4
    assert list(tmp_path.iterdir()) == [path]


def test_a_wrong_driver_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(DEVICE)
    with pytest.raises(ConfigError, match=r"drivers\[0\]: Object missing required field `port`"):
        append_driver(path, {"kind": "scanner_line"})
    assert path.read_text() == DEVICE
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text(DEVICE)
    link = tmp_path / "agent.toml"
    link.symlink_to(real)
    append_driver(link, {"kind": "nmea_gps", "port": "/dev/x"})
    assert link.is_symlink()
    assert len(load_config(link).drivers) == 1


@given(prefix=st.text(st.characters(codec="ascii"), max_size=10))
def test_any_text_survives_being_written(prefix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("config") / "agent.toml"
    path.write_text(DEVICE)
    config = append_driver(path, {"kind": "scanner_line", "port": "/dev/x", "prefix": prefix, "aim": True})
    assert config.drivers == (ScannerLineConfig(name="scanner-line-1", port="/dev/x", prefix=prefix, aim=True),)
