"""The parts that a running agent and a command in its place have in common, made as the configuration describes them."""

from collections.abc import Callable, Sequence
from typing import Final

from agent.capture import Capture, Port
from agent.clock import DeviceClock
from agent.config import AgentConfig, DriverConfig, ModbusProbeConfig, NmeaGpsConfig, ScannerConfig
from agent.guard import DOCUMENT, SHELF, Guard, NoGuard
from agent.inbox import Inbox, Shelf, StoredDocument
from agent.manifest import DOCUMENTS, Plan, read_plan
from agent.outbox import Outbox
from agent.version import VERSION
from contract.event import Alarm

NO_HUB: Final = "none"
"""What stands for the link where no hub is configured."""


def open_outbox(config: AgentConfig, clock: DeviceClock) -> Outbox:
    """The outbox of a configuration, for writing.

    Raises:
        FolderInUse: another agent has it.
        FutureSchema: a newer version wrote it.
        NotKept: it can be neither written nor read.
    """
    return Outbox.open(
        config.device.data,
        config.device.id,
        clock=clock,
        version=VERSION,
        budget_bytes=_budget_bytes(config),
        hold_ms=config.storage.hold_days * 24 * 3_600_000,
    )


def read_outbox(config: AgentConfig, clock: DeviceClock) -> Outbox:
    """The outbox of a configuration, for reading only: it takes no lock.

    Raises:
        FutureSchema, NotKept: as `open_outbox`.
    """
    return Outbox.open_for_reading(
        config.device.data, config.device.id, clock=clock, budget_bytes=_budget_bytes(config)
    )


def _budget_bytes(config: AgentConfig) -> int:
    return config.storage.budget_mib * 1024 * 1024


def open_inbox(
    shelf: Callable[[], Shelf], arrived: Callable[[str, StoredDocument], None] = lambda _kind, _doc: None
) -> Inbox:
    """The documents of the hub; those that cannot be read come into force nowhere."""
    return Inbox(shelf, arrived=arrived, read=_read_document)


def _read_document(kind: str, data: bytes) -> None:
    if kind in DOCUMENTS:
        read_plan(kind, data)
    elif kind == DOCUMENT:
        from contract.coldchain.assignments import decode_assignments  # noqa: PLC0415 as in `build_guard`

        decode_assignments(data)


def build_capture(
    config: AgentConfig, outbox: Outbox, clock: DeviceClock, appended: Callable[[], None], plan: Plan
) -> Capture:
    """Capture as the configuration describes it."""
    return Capture(
        outbox,
        clock,
        place=config.device.place,
        ports={d.name: port for d in config.drivers if (port := port_of(d)) is not None},
        intervals_ms={d.name: ms for d in config.drivers if (ms := interval_ms_of(d)) is not None},
        plan=plan,
        appended=appended,
    )


def build_guard(
    outbox: Outbox,
    clock: DeviceClock,
    document: StoredDocument | None,
    stated: Callable[[Sequence[Alarm]], None] = lambda _alarms: None,
) -> Guard:
    """The guard of the sensors that have a profile: those of the document in force, and those judged before.

    Raises:
        StoreDamaged: the database cannot be read.
    """
    if document is None and not outbox.shelf.names(SHELF):
        return NoGuard()
    from agent.cold_guard import ColdGuard  # noqa: PLC0415 devices without profiles do without the engine

    guard = ColdGuard(outbox, clock, stated=stated)
    if document is not None:
        guard.resume(document)
    return guard


def port_of(driver: DriverConfig) -> Port | None:
    """What capture must know of a scanner; None for other drivers."""
    return Port(step=driver.step) if isinstance(driver, ScannerConfig) else None


def interval_ms_of(driver: DriverConfig) -> int | None:
    """How often a driver measures; None for those that do not."""
    match driver:
        case ModbusProbeConfig():
            return round(driver.interval_s * 1000)
        case NmeaGpsConfig():
            return max(1, round(driver.min_interval_s * 1000))
        case _:
            return None


def ports_of(config: AgentConfig) -> tuple[tuple[str, str], ...]:
    """Path and description of the ports that this machine shows."""
    from agent.drivers.port import ports_seen  # noqa: PLC0415 looks through the machine's devices with pyserial

    return tuple((seen.path, seen.description) for seen in ports_seen(tuple(d.port for d in config.drivers)))
