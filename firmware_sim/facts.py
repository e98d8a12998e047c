"""The hub's ledger as an outsider reads it: page by page through `GET /api/v1/facts`."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import httpx2

from contract.errors import ContractError
from contract.fact import Fact, decode_core, fact_id
from firmware_sim.errors import SimulatorError

PAGE_FACTS = 500
TIMEOUT_S = 10.0


class HubSilent(SimulatorError):
    """The hub did not answer, or not with facts; asking again later may help."""


class LedgerDamaged(SimulatorError):
    """What the hub shows as a fact cannot be one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the ledger; `fact` is None for a tombstone."""

    seq: int
    identity: str
    """In hex."""
    fact: Fact | None


class LedgerReader:
    """Reads the ledger with an auditor's token. Use as a context manager."""

    def __init__(self, url: str, token: str, *, transport: httpx2.BaseTransport | None = None) -> None:
        """Describe the hub at `url` (without a slash at the end); `transport` stands in for the network in tests."""
        headers = {"Authorization": f"Bearer {token}"}
        # What is on this machine is not reached through the proxies of the environment.
        self._http = httpx2.Client(
            base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def rows(self, after: int = 0) -> Iterator[Row]:
        """Yield the rows behind `after` in the hub's own order, to the present end.

        Raises:
            HubSilent: The hub cannot be reached or refuses.
            LedgerDamaged: A row's bytes are no fact, or not the one that its identity names.
        """
        more = True
        while more:
            page = self._page(after)
            for item in page["items"]:
                row = _row(item)
                after = row.seq
                yield row
            more = page["next_cursor"] is not None

    def has_blob(self, sha256: str) -> bool:
        """Whether the hub has an attachment, and its bytes are what the SHA-256 in hex says.

        Raises:
            HubSilent: The hub cannot be reached.
        """
        try:
            answer = self._http.get(f"/api/v1/blobs/{sha256}")
        except httpx2.HTTPError as error:
            raise HubSilent(f"the hub does not answer: {error}") from error
        return answer.is_success and hashlib.sha256(answer.content).hexdigest() == sha256

    def _page(self, after: int) -> dict[str, list[dict[str, str | int | None]]]:
        try:
            answer = self._http.get("/api/v1/facts", params={"after": after, "limit": PAGE_FACTS})
            answer.raise_for_status()
            page: dict[str, list[dict[str, str | int | None]]] = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise HubSilent(f"the hub does not show its facts: {error}") from error
        return page


def _row(item: dict[str, str | int | None]) -> Row:
    seq, identity, core_hex = int(item["seq"] or 0), str(item["id"]), item["core"]
    if not isinstance(core_hex, str):
        return Row(seq, identity, None)
    core = bytes.fromhex(core_hex)
    if fact_id(core).hex() != identity:
        raise LedgerDamaged(f"row {seq} of the ledger does not hold the bytes that its identity {identity} names")
    try:
        return Row(seq, identity, decode_core(core))
    except ContractError as error:
        raise LedgerDamaged(f"row {seq} of the ledger is no fact: {error}") from error
