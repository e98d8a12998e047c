from contract.event import Lane, Quantity
from contract.messages import Backlog, Batch, Hello, LatestReading, Live
from hub.life import SignsOfLife

VAN = "van-1"


def _hello(*readings: LatestReading) -> Hello:
    backlog = Backlog(0, 0, None, 0, None)
    return Hello(b"n" * 16, b"i" * 16, b"b" * 16, 1, 1, "1", (), (), (), (), backlog, readings)


def _value(at_ms: int) -> LatestReading:
    return LatestReading("van-1.probe.temperature_c", Quantity.TEMPERATURE_C, at_ms, 412)


BATCH = Batch(b"i" * 16, Lane.CUSTODY, 1, b"p" * 16, (b"core",))


def test_a_stream_that_grew_is_a_sign_of_life() -> None:
    assert SignsOfLife().read([(VAN, BATCH)], greeted=(), grown=(VAN,)) == ([VAN], [])


def test_f072_a_batch_that_is_played_back_is_none() -> None:
    assert SignsOfLife().read([(VAN, BATCH)], greeted=(), grown=()) == ([], [])


def test_f072_live_values_that_are_played_back_are_neither_shown_nor_a_sign_of_life() -> None:
    life, live = SignsOfLife(), Live((_value(5),))
    life.read([(VAN, _hello())], greeted=(VAN,), grown=())

    assert life.read([(VAN, live)], greeted=(), grown=()) == ([VAN], [(VAN, live.readings)])
    assert life.read([(VAN, live), (VAN, Live((_value(4),)))], greeted=(), grown=()) == ([], [])
    newer = Live((_value(6),))
    assert life.read([(VAN, newer)], greeted=(), grown=()) == ([VAN], [(VAN, newer.readings)])


def test_live_values_count_only_after_a_hello() -> None:
    assert SignsOfLife().read([(VAN, Live((_value(5),)))], greeted=(), grown=()) == ([], [])


def test_the_snapshot_of_a_hello_is_shown_unless_it_was_played_back() -> None:
    life, hello = SignsOfLife(), _hello(_value(5))

    assert life.read([(VAN, hello)], greeted=(VAN,), grown=()) == ([], [(VAN, hello.snapshot)])
    assert life.read([(VAN, hello)], greeted=(), grown=()) == ([], [])


def test_a_device_whose_clock_was_set_back_is_believed_after_its_next_hello() -> None:
    life = SignsOfLife()
    life.read([(VAN, _hello()), (VAN, Live((_value(9),)))], greeted=(VAN,), grown=())
    life.read([(VAN, _hello())], greeted=(VAN,), grown=())

    assert life.read([(VAN, Live((_value(2),)))], greeted=(), grown=())[0] == [VAN]
