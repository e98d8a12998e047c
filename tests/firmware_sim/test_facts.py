import httpx2
import pytest

from contract.event import Scan, Step
from contract.fact import Clock, Fact, encode_core, fact_id
from firmware_sim.facts import PAGE_FACTS, HubSilent, LedgerDamaged, LedgerReader, Row

CORE = encode_core(
    Fact(
        version=1,
        device="van-1",
        incarnation=b"i" * 16,
        boot=b"b" * 16,
        ord=1,
        salt=b"s" * 8,
        at_ms=0,
        mono_ms=0,
        clock=Clock.SYNCED,
        actor="",
        event=Scan(b"A", "]C0", "plain", "A", Step.LOADED, "", "scanner-line-1"),
    )
)


def item(seq: int, core: bytes | None = CORE, identity: bytes | None = None) -> dict[str, object]:
    return {"seq": seq, "id": (identity or fact_id(core or b"")).hex(), "core": core and core.hex()}


def reader(*items: dict[str, object], page: int = 2, status: int = 200) -> LedgerReader:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        assert request.url.params["limit"] == str(PAGE_FACTS)
        behind = [i for i in items if int(str(i["seq"])) > int(request.url.params["after"])]
        shown = behind[:page]
        more = str(shown[-1]["seq"]) if len(shown) == page else None
        return httpx2.Response(status, json={"items": shown, "next_cursor": more})

    return LedgerReader("http://hub", "secret", transport=httpx2.MockTransport(answer))


def test_reads_all_pages_in_order() -> None:
    with reader(item(1), item(2), item(5), item(6), item(7)) as ledger:
        assert [row.seq for row in ledger.rows()] == [1, 2, 5, 6, 7]
        assert [row.seq for row in ledger.rows(after=5)] == [6, 7]
        assert list(ledger.rows(after=7)) == []


def test_tombstone_is_a_row_without_a_fact() -> None:
    with reader(item(1, core=None)) as ledger:
        assert list(ledger.rows()) == [Row(1, fact_id(b"").hex(), None)]


def test_bytes_that_are_not_those_of_the_identity_are_refused() -> None:
    with reader(item(3, identity=b"x" * 32)) as ledger, pytest.raises(LedgerDamaged, match="row 3"):
        list(ledger.rows())


def test_bytes_that_are_no_fact_are_refused() -> None:
    with reader(item(3, core=b"\xc0")) as ledger, pytest.raises(LedgerDamaged, match="row 3 of the ledger is no fact"):
        list(ledger.rows())


def test_hub_that_refuses_is_silent() -> None:
    with reader(status=401) as ledger, pytest.raises(HubSilent, match="401"):
        list(ledger.rows())
