"""`docs/protocol.md` says everything that the code does: kinds, fields, limits, causes, rules, and vectors that compute."""

import re
from pathlib import Path

import msgspec
import pytest

import contract.limits
from contract.delivery.device_states import Happening, Link
from contract.delivery.hub import Growth, Shape
from contract.delivery.hub_actions import IncidentKind
from contract.event import Event, Lane, Outcome, Phase, Quantity, SignedOn, Status, StatusDetail, Step, Verdict
from contract.fact import Clock, Fact, encode_core, fact_id, next_hash, root_hash
from contract.items import CAUSES, Alike, Gone, Packed, Tombstone, Whole, pack
from contract.messages import NACK_REASONS, Ack, Credit, Down, Fill, Up, encode_message, mark
from contract.statement import Direction, password_of, seal
from contract.topics import up_topic

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
LIMITS = {k: v for k, v in vars(contract.limits).items() if k.isupper() and k != "KIB"}


def _said(word: str) -> bool:
    return f"`{word}`" in DOCUMENT


@pytest.mark.parametrize("kind", [*Event.__args__, *StatusDetail.__args__, *Up.__args__, *Down.__args__])
def test_every_kind_and_each_of_its_fields_is_described(kind: type[msgspec.Struct]) -> None:
    tag = kind.__struct_config__.tag
    start = re.search(rf"^\| `{tag}` \|", DOCUMENT, re.MULTILINE)
    assert start, f"{tag} has no table or row"
    section = DOCUMENT[start.start() :].split("\n\n")[0]
    first, *rest = section.splitlines()
    block = section if rest and rest[0].startswith("|---") else first
    at = -1
    for name in kind.__struct_fields__:
        found = block.find(f"`{name}`", at + 1)
        assert found > at, f"field {name} of {tag} is missing or out of order"
        at = found


def test_the_core_and_the_records_inside_messages_are_described_field_by_field() -> None:
    for record in (Fact, Credit, Packed, Whole, Gone, Alike):
        for name in record.__struct_fields__:
            assert _said(name), f"{record.__name__}.{name}"


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_every_limit_stands_with_its_value(name: str) -> None:
    assert f"| `{name}` | {LIMITS[name]} |" in DOCUMENT


def test_no_limit_is_described_that_does_not_exist() -> None:
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT, re.MULTILINE)) == set(LIMITS)


@pytest.mark.parametrize(
    "word",
    [
        *(w.value for kind in (Step, Verdict, Outcome, Phase, Quantity, Lane, Clock) for w in kind),
        *(w.value for kind in (Link, Happening, Shape, Growth, IncidentKind) for w in kind),
        *CAUSES,
        *NACK_REASONS,
    ],
)
def test_every_word_of_a_closed_list_is_said(word: str) -> None:
    assert _said(word)


@pytest.mark.parametrize("rule", [*(f"P{n}" for n in range(1, 9))])
def test_every_promise_is_stated(rule: str) -> None:
    assert f"| {rule} |" in DOCUMENT


def test_rules_that_the_code_names_are_stated() -> None:
    code = "".join(p.read_text(encoding="utf-8") for p in (Path(__file__).parents[2] / "contract").rglob("*.py"))
    for rule in set(re.findall(r"\b([DH]\d{1,2})\b(?=[:,)\n]| and)", code)):
        assert f"**{rule}**" in DOCUMENT, rule


def vectors() -> dict[str, str]:
    key, incarnation = b"k" * 32, b"i" * 16
    event = Status(SignedOn(on=True))
    fact = Fact(1, "van-1", incarnation, b"b" * 16, 1, b"s" * 8, 1_700_000_000_000, 12, Clock.SYNCED, "w.chen", event)
    core = encode_core(fact)
    four = [encode_core(msgspec.structs.replace(fact, ord=n)) for n in (1, 2, 3, 4)]
    packed = msgspec.msgpack.encode(pack([*four, Tombstone(b"t" * 32, "thinned")]))
    root = root_hash("van-1", incarnation, Lane.CUSTODY)
    first = next_hash(root, 1, fact_id(core))
    ack = encode_message(Ack(incarnation, Lane.CUSTODY, mark(1, first), Credit()))
    return {
        "core": core.hex(),
        "fact_id": fact_id(core).hex(),
        "h_0 of custody": root.hex(),
        "h_1": first.hex(),
        "packed items: that fact with ord 1, 2, 3, 4, and a tombstone `thinned` of 32 bytes `0x74`": packed.hex(),
        "body of a fill with this core": encode_message(Fill((core,))).hex(),
        "statement with the ack of h_1 (not deflated)": seal(key, Direction.DOWN, "van-1", ack).hex(),
        "MQTT password": password_of(key),
        "up topic": up_topic("van-1"),
    }


@pytest.mark.parametrize("name", list(vectors()))
def test_each_vector_is_what_the_code_computes(name: str) -> None:
    assert f"| {name} | `{vectors()[name]}` |" in DOCUMENT


def test_the_layout_of_the_statement_vector_is_as_described() -> None:
    statement = bytes.fromhex(vectors()["statement with the ack of h_1 (not deflated)"])
    assert statement[0] in (0x10, 0x11)
