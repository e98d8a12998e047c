"""The hub's own voice: what people decide is a fact too, of the reserved device `hub`, in the same ledger and chain."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from contract.delivery.hub_actions import FactRow, Place, Placement, PutFacts
from contract.delivery.hub_view import BranchHead, StreamName
from contract.event import LANE_OF, Event
from contract.fact import CORE_VERSION, SALT_BYTES, Clock, Fact, encode_core, fact_id, next_hash, root_hash
from hub.ledger.heads import StreamHeads
from hub.ledger.safety import Safety
from hub.ledger.view import LedgerTransaction

HUB_DEVICE: Final = "hub"


class HubVoice:
    """States facts of the hub itself. Each process is an incarnation and a boot of its own, so no restore can fork it."""

    def __init__(
        self,
        heads: StreamHeads,
        entropy: Callable[[int], bytes],
        now_ms: Callable[[], int],
        boot_ms: Callable[[], int],
    ) -> None:
        self._heads = heads
        self._entropy = entropy
        self._now_ms = now_ms
        self._boot_ms = boot_ms
        self._incarnation = entropy(16)

    def state(self, tx: Connection, event: Event, *, actor: str) -> bytes:
        """Put a fact into the ledger, in the caller's transaction (`Centre.write_ledger`); its identity.

        Raises:
            Malformed: a value is beyond what a fact may hold.
        """
        now_ms = self._now_ms()
        stream = StreamName(HUB_DEVICE, self._incarnation, LANE_OF[type(event)])
        root = root_hash(HUB_DEVICE, self._incarnation, stream.lane)
        head = next(iter(self._heads.branches(tx, stream)), BranchHead(0, 0, root))
        n = head.n + 1
        fact = Fact(
            version=CORE_VERSION,
            device=HUB_DEVICE,
            incarnation=self._incarnation,
            boot=self._incarnation,
            ord=n,
            salt=self._entropy(SALT_BYTES),
            at_ms=now_ms,
            mono_ms=self._boot_ms(),
            clock=Clock.SYNCED,
            actor=actor,
            event=event,
        )
        core = encode_core(fact)
        identity = fact_id(core)
        ledger = LedgerTransaction(tx, self._heads, Safety(0, 0, 0), now_ms)
        ledger.carry_out(
            [
                Place(stream, 0, (Placement(n, next_hash(head.hash, n, identity), identity),)),
                PutFacts(HUB_DEVICE, (FactRow(identity, core, fact=fact),)),
            ]
        )
        ledger.flush()
        return identity
