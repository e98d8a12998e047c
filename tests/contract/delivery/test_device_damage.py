"""What a device states about its own storage becomes an incident at the hub."""

import pytest

from contract.delivery.device_states import Connected
from contract.event import Damage, Status
from tests.contract.delivery.memory import Device, MemoryLedger, settle


@pytest.mark.parametrize(
    ("kind", "incident"),
    [
        ("database_damaged", "device_damage"),
        ("database_lost", "device_damage"),
        ("database_behind_witness", "device_damage"),
        ("content_corrupt", "device_damage"),
        ("forked", "fork"),
        ("restored", "device_regressed"),
        ("blob_refused", "blob_refused"),
    ],
)
def test_p6_damage_that_a_device_states_shows_as_an_incident(kind: str, incident: str) -> None:
    device, ledger = Device("van-1", 1), MemoryLedger()
    device.store.keep(Status(Damage(kind, "3 facts unreadable")))
    device.feed(Connected())
    settle(device, ledger)

    assert ledger.kinds() == {incident}
    [report] = ledger.incidents
    assert report == f"device_damage:van-1:{kind}"


def test_a_batch_that_comes_again_does_not_open_its_damage_again() -> None:
    device, ledger = Device("van-1", 1), MemoryLedger()
    device.store.keep(Status(Damage("database_lost")))
    device.feed(Connected())
    [hello] = device.outgoing
    device.outgoing.clear()
    [welcome] = ledger.take("van-1", hello, 1_700_000_000_000)
    device.hear(welcome)
    [batch] = device.outgoing
    ledger.take("van-1", batch, 1_700_000_000_000)
    ledger.incidents.clear()
    ledger.take("van-1", batch, 1_700_000_000_000)

    assert ledger.incidents == {}
