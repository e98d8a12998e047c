from pathlib import Path

from contract.messages import Fill
from contract.statement import Direction, seal
from hub import tables as t
from hub.accounts.tables import audit_trail
from hub.administration import Administration
from hub.requests import DropQuarantine, ReplayQuarantine
from tests.contract.delivery.memory import KEY, Device
from tests.hub.desk import Desk, connected, open_desk


def _held(desk: Desk) -> tuple[int, str]:
    (row,) = desk.rows(t.quarantine)
    return int(str(row["id"])), str(row["why"])


def test_f071_facts_of_a_device_that_got_another_id_are_folded_when_a_person_vouches_for_them(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk, "van-2")
        before = Device("van-1", 2)
        kept = before.store.append(b"1")
        desk.say("van-2", Fill((before.store.cores[kept],)))
        entry, why = _held(desk)
        assert why == "foreign_origin: a fact of 'van-1' came from 'van-2'"
        assert desk.seen() == {}

        assert Administration(desk.centre).answer(ReplayQuarantine(entry)) is True

        assert desk.seen() == {kept: 1}
        assert [row["state"] for row in desk.rows(t.quarantine)] == ["replayed"]


def test_a_persons_word_on_the_quarantine_is_in_the_audit_trail(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        desk.hear("van-1", seal(KEY, Direction.UP, "van-1", b"no message"))
        entry, _ = _held(desk)

        Administration(desk.centre).answer(DropQuarantine(entry))

        said = [(row["who"], row["action"], row["subject"]) for row in desk.rows(audit_trail)]
        assert said == [("command line", "quarantine.drop", str(entry))]
