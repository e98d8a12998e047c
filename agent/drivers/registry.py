"""From configuration to drivers."""

from agent.config import (
    DriverConfig,
    ModbusProbeConfig,
    NmeaGpsConfig,
    ScannerHidConfig,
    ScannerLineConfig,
    ScannerSsiConfig,
)
from agent.drivers.decoder import Decoder
from agent.drivers.modbus_probe import ModbusProbe
from agent.drivers.port import Port, open_hid, open_serial
from agent.drivers.scanner_hid import HidScanner
from agent.drivers.scanner_line import LineScanner
from agent.drivers.scanner_ssi import SsiScanner
from agent.drivers.shell import Driver


def build_decoder(config: DriverConfig) -> Decoder:
    """The decoder that a driver's configuration asks for."""
    match config:
        case ScannerLineConfig():
            return LineScanner(config)
        case ScannerSsiConfig():
            return SsiScanner(config)
        case ScannerHidConfig():
            return HidScanner(config)
        case ModbusProbeConfig():
            return ModbusProbe(config)
        case NmeaGpsConfig():
            from agent.drivers.nmea_gps import NmeaGps  # noqa: PLC0415 pynmea2 takes 20 ms that most devices can save

            return NmeaGps(config)


def build_driver(config: DriverConfig) -> Driver:
    """The driver that `[[drivers]]` describes; nothing is opened yet."""

    def open_port() -> Port:
        return open_hid(config) if isinstance(config, ScannerHidConfig) else open_serial(config.port, config.baud)

    return Driver(config.name, config.kind, config.port, build_decoder(config), open_port)
