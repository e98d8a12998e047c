from pathlib import Path

from hub import tables as t
from tests.hub.desk import connected, open_desk


def test_p3_every_fact_of_two_devices_is_one_row_and_is_folded_once(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        one, two = connected(desk, "van-1", 1), connected(desk, "van-2", 2)
        made = []
        for n in range(600):
            made.append(one.scan(b"a%d" % n))
            made.append(two.scan(b"b%d" % n))
        desk.settle(one, two)

        assert sorted(desk.facts()) == sorted(made)
        assert desk.seen() == dict.fromkeys(made, 1)
        assert desk.incidents() == set()
        assert len(desk.rows(t.position)) == 1200
