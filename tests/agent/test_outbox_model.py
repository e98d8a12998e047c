"""The outbox against a small model: whatever is done in whatever order, only what was released is gone."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.store.errors import NotKept
from contract.delivery.device_actions import MarkCorrupt, Release, SetAcked
from contract.event import Damage, Lane, Status
from contract.fact import decode_core, fact_id, next_hash
from tests.agent.store.kit import DAY_MS, Bench, everything, keep


class OutboxMachine(RuleBasedStateMachine):
    """Custody alone: telemetry takes the same way. `held` maps identities to whether they must still have their content."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hf-"))
        self.bench = Bench(self.folder / "device")
        self.outbox = self.bench.open(hold_ms=DAY_MS)
        self.held: list[bytes] = []
        self.tombstones: dict[bytes, str] = {}
        self.acked_n = 0

    def teardown(self) -> None:
        self.bench.close()
        shutil.rmtree(self.folder)

    @rule(count=st.integers(1, 4))
    def append(self, count: int) -> None:
        self.held += keep(self.outbox, *range(count))

    @rule(parcels=st.integers(1, 3))
    def refused(self, parcels: int) -> None:
        try:
            keep(self.outbox, *["x" * 300] * parcels)
        except NotKept:
            return
        raise AssertionError("a parcel of 300 characters was kept")

    @rule(share=st.floats(0, 1))
    def acknowledge(self, share: float) -> None:
        """The hub's word may go up and down (D4, D6)."""
        ends = self.outbox.lane(Lane.CUSTODY)
        self.acked_n = ends.base_n + int((ends.head_n - ends.base_n) * share)
        self.outbox.apply([SetAcked(Lane.CUSTODY, self.acked_n)])

    @rule(days=st.integers(0, 2))
    def wait(self, days: int) -> None:
        self.bench.time.elapsed_ms += days * DAY_MS

    @rule(most=st.integers(1, 6))
    def release(self, most: int) -> None:
        candidates = self.outbox.release_candidates(most)
        positions = {p.fact_id: p for p in everything(self.outbox)}
        at_ms = self.bench.clock.now().at_ms
        for identity in candidates:
            position = positions[identity]
            assert position.n <= self.acked_n
            assert decode_core(position.core or b"").at_ms <= at_ms - DAY_MS
        self.outbox.apply([Release(tuple(candidates))])
        self.held = [identity for identity in self.held if identity not in candidates]
        self.tombstones.update(dict.fromkeys(candidates, "released"))

    @rule(where=st.floats(0, 1))
    @precondition(lambda self: self.held)
    def corrupt(self, where: float) -> None:
        identity = self.held.pop(int(where * (len(self.held) - 1)))
        (position,) = [p for p in everything(self.outbox) if p.fact_id == identity]
        self.outbox.apply([MarkCorrupt(Lane.CUSTODY, position.n, identity)])
        self.tombstones[identity] = "corrupt"

    @rule()
    def reincarnate(self) -> None:
        self.outbox.reincarnate("forked")
        self.acked_n = 0

    @rule()
    def restart(self) -> None:
        self.outbox.close()
        self.outbox = self.bench.open(hold_ms=DAY_MS)

    @rule()
    def repair(self) -> None:
        self.outbox.repair()
        self.acked_n = 0
        # Bare pages may still hold what was released: the hub knows it by its identity.
        back = {p.fact_id for p in everything(self.outbox) if p.core is not None}
        self.held += [identity for identity in self.tombstones if identity in back]
        self.tombstones = {i: cause for i, cause in self.tombstones.items() if i not in back}

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        positions = everything(self.outbox)
        identities = [p.fact_id for p in positions]
        assert len(set(identities)) == len(identities)
        whole = {p.fact_id for p in positions if p.core is not None and fact_id(p.core) == p.fact_id}
        assert set(self.held) <= whole
        for position in positions:
            if position.core is None:
                assert position.cause == self.tombstones[position.fact_id]
            elif position.fact_id not in self.held:
                event = decode_core(position.core).event
                assert isinstance(event, Status)
                assert isinstance(event.detail, Damage)

    @invariant()
    def only_acknowledged_positions_are_forgotten(self) -> None:
        ends = self.outbox.lane(Lane.CUSTODY)
        assert ends.base_n <= max(ends.acked_n, 0)
        assert ends.acked_n == self.acked_n
        previous = ends.base_hash
        for position in everything(self.outbox):
            previous = next_hash(previous, position.n, position.fact_id)
            assert self.outbox.hash_at(Lane.CUSTODY, position.n) == previous


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(
    max_examples=20, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow]
)
