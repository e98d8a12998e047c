"""Rules that the searches do without, because what they protect is no promise of theirs: each shown by itself."""

import copy

from contract.delivery.device_states import Connected
from contract.event import Lane
from contract.limits import HELLO_INTERVAL_MS, RESEND_FIRST_MS
from contract.messages import Hello
from tests.contract.delivery.memory import Device, MemoryLedger, clone_of, connected, said, settle


def test_h3_a_clone_that_dies_behind_its_batch_has_its_fact_at_the_hub() -> None:
    device, ledger = connected()
    clone = clone_of(device)
    clone.feed(Connected())
    settle(clone, ledger)
    ours, theirs = device.scan(b"ours"), clone.scan(b"theirs")
    settle(device, ledger)
    [batch] = clone.outgoing
    ledger.take("van-1", batch, 10**12)

    assert ledger.facts[ours].core is not None
    assert ledger.facts[theirs].core is not None


def test_d6_a_late_welcome_to_the_hello_before_sets_no_clock() -> None:
    device, ledger = connected()
    device.tick(2 * HELLO_INTERVAL_MS)
    device.tick(RESEND_FIRST_MS)
    first, second = device.outgoing
    assert isinstance(said(first), Hello)
    assert isinstance(said(second), Hello)
    before = list(device.store.fixes)
    for welcome in ledger.take("van-1", first, 10**12):
        device.hear(welcome)

    assert device.store.fixes == before


def test_d2_damage_that_was_found_while_sending_stays_marked_on_the_device() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    made = device.store.append(b"1")
    core = device.store.cores[made]
    device.store.cores[made] = core[:-1] + bytes([core[-1] ^ 1])
    device.feed(Connected())
    settle(device, ledger)

    assert [p.cause for p in device.store.lanes[Lane.CUSTODY].positions] == ["corrupt"]


def test_h5_a_gap_begins_behind_what_the_hub_has() -> None:
    device, ledger = connected()
    made = [device.scan(b"%d" % n) for n in range(2)]
    settle(device, ledger)
    backup = copy.deepcopy(ledger)
    made += [device.scan(b"%d" % n) for n in range(3)]
    settle(device, ledger)
    device.store.releasable = True
    ledger.safe = set(made[:4])
    device.tick(2 * HELLO_INTERVAL_MS)
    settle(device, ledger)
    device.store.trim()
    device.tick(2 * HELLO_INTERVAL_MS)
    settle(device, backup)

    assert [(g.first_n, g.last_n) for g in backup.gaps] == [(3, 4)]
