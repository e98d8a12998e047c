"""A disk whose flushes take two seconds, in injected time: groups share them, credit shrinks, nothing is sent twice."""

import dataclasses
import threading
import time
from collections import Counter

from contract.delivery.device_states import Connected
from contract.messages import Ack, Batch, decode_down, decode_up
from contract.statement import Direction, unseal
from contract.topics import up_topic
from hub.credit import SLOW_COMMIT_S
from hub.intake import Incoming
from tests.agent.store.kit import Bench, keep, parcels
from tests.contract.delivery.memory import KEY, Device
from tests.hub.desk import Desk, open_desk
from tests.power.device import scratch
from tests.power.disk import Disk
from tests.power.hub import FOLDER, started
from tests.power.shim import Operation, Power, installed

FLUSH_S = 2.0
FACTS = 300
DEVICES = 3
THREADS = 40


class SlowDisk:
    """Moves the clock with every flush of the ledger."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.flushes = 0

    def __call__(self, operation: Operation) -> None:
        if operation.kind == "sync" and operation.path.endswith("-wal"):
            self.now_s += FLUSH_S
            self.flushes += 1


class Wire:
    """Carries messages at once, while devices live in the time of the slow disk."""

    def __init__(self, desk: Desk, disk: SlowDisk, devices: list[Device]) -> None:
        self._desk = desk
        self._disk = disk
        self._devices = {device.name: device for device in devices}
        self._answers: list[tuple[float, str, bytes]] = []
        self._told_s = disk.now_s
        self.sent: Counter[tuple[str, str, int]] = Counter()
        self.credits: list[int] = []
        desk.ingest._clock_s = lambda: disk.now_s
        desk.ingest._outlets = dataclasses.replace(desk.ingest._outlets, publish=self._publish)

    def _publish(self, device: str, payload: bytes) -> None:
        self._answers.append((self._disk.now_s, device, payload))

    def run(self) -> None:
        while group := [(d.name, p) for d in self._devices.values() for p in d.outgoing]:
            for name, payload in group:
                self._note(name, payload)
            for device in self._devices.values():
                device.outgoing.clear()
            self._desk.ingest.process([Incoming(up_topic(name), payload) for name, payload in group])
            answers, self._answers = self._answers, []
            for at_s, name, payload in answers:
                self._pass_until(at_s)
                message = decode_down(unseal(KEY, Direction.DOWN, name, payload))
                if isinstance(message, Ack):
                    self.credits.append(message.credit.facts)
                self._devices[name].hear(payload)
            self._pass_until(self._disk.now_s)

    def _note(self, name: str, payload: bytes) -> None:
        message = decode_up(unseal(KEY, Direction.UP, name, payload))
        if isinstance(message, Batch):
            self.sent.update((name, message.lane.value, message.n + i) for i in range(len(message.items)))

    def _pass_until(self, at_s: float) -> None:
        by_ms = int((at_s - self._told_s) * 1000)
        self._told_s = max(at_s, self._told_s)
        for device in self._devices.values():
            if by_ms > 0:
                device.tick(by_ms)


def test_f045_slow_flushes_are_shared_by_groups_shrink_credit_and_make_nobody_send_twice() -> None:
    disk = SlowDisk()
    with scratch() as base:
        started().write(base)
        with installed(Power(Disk(base), disk)), open_desk(base / FOLDER) as desk:
            devices = [Device(f"van-{i}", i) for i in range(DEVICES)]
            desk.enrol(*(device.name for device in devices))
            for device in devices:
                device.feed(Connected())
                for n in range(FACTS):
                    device.store.append(b"%d" % n)
            before = disk.flushes
            wire = Wire(desk, disk, devices)
            wire.run()

            assert len(desk.facts()) == DEVICES * FACTS
            assert set(wire.sent.values()) == {1}
            shrunk = int(256 * SLOW_COMMIT_S / FLUSH_S)
            assert shrunk in wire.credits
            # One for a group of all devices and one for folding it.
            assert disk.flushes - before <= 2 * (3 + FACTS // shrunk)


def test_f045_captures_that_wait_for_a_slow_flush_share_the_next_one() -> None:
    flushes: list[Operation] = []
    with scratch() as base:
        power = Power(Disk(base))
        with installed(power):
            bench = Bench(base / "device")
            outbox = bench.open()
            keep(outbox, "before")
            # The disk is busy with a flush while everybody captures.
            with outbox.database._writing:
                threads = [threading.Thread(target=keep, args=(outbox, n)) for n in range(THREADS)]
                for thread in threads:
                    thread.start()
                end_s = time.monotonic() + 30
                while len(outbox.database._queue) < THREADS:
                    assert time.monotonic() < end_s
                    time.sleep(0)
                power.gate = lambda operation: flushes.append(operation) if operation.kind == "sync" else None
            for thread in threads:
                thread.join()

            assert len(flushes) <= 2
            assert sorted(parcels(outbox)) == sorted(["parcel before", *(f"parcel {n}" for n in range(THREADS))])
            bench.close()
