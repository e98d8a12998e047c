import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.fleet import packets
from firmware_sim.fleet.packets import Connack, MalformedPacket, PacketReader, Pingresp, Publish, Suback

ANSWERS = [
    (b"\x20\x02\x00\x00", Connack(0)),
    (b"\x20\x02\x00\x05", Connack(5)),
    (b"\x90\x03\x00\x01\x00", Suback(refused=False)),
    (b"\x90\x03\x00\x01\x80", Suback(refused=True)),
    (b"\xd0\x00", Pingresp()),
    (b"\x30\x06\x00\x01thi!", Publish("t", b"hi!")),
    (b"\x31\x03\x00\x01t", Publish("t", b"", retained=True)),
]


@given(st.data())
def test_packets_are_the_same_however_the_stream_is_cut(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(ANSWERS)))
    stream = b"".join(raw for raw, _ in chosen)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))

    reader = PacketReader()
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert [p for piece in pieces for p in reader.feed(piece)] == [packet for _, packet in chosen]


@given(st.sampled_from(["hf1/down/van-1", "t", "x" * 300]), st.integers(0, 3), st.binary(max_size=50))
def test_a_published_message_reads_back_at_any_length(topic: str, power: int, payload: bytes) -> None:
    payload *= 10**power

    assert PacketReader().feed(packets.publish(topic, payload)) == [Publish(topic, payload)]


@given(st.binary(max_size=300))
def test_any_bytes_are_packets_or_malformed(data: bytes) -> None:
    try:
        PacketReader().feed(data)
    except MalformedPacket as error:
        assert str(error)  # noqa: PT017 either is right


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x20\x01\x00", "a packet of kind 0x20 with 1 bytes is none that a device asks for"),
        (b"\x32\x05\x00\x01t\x00\x01", "a packet of kind 0x32 with 5 bytes is none that a device asks for"),
        (b"\x30\x02\x00\x01", "a packet of kind 0x30 with 2 bytes is none that a device asks for"),
        (b"\x30\xff\xff\xff\xff\x01", "the length of a packet does not end"),
        (b"\x30\xff\xff\xff\x7f", "packet of 268435455 bytes announced; at most 263168 are read"),
    ],
)
def test_what_is_no_packet_is_refused_with_its_reason(data: bytes, message: str) -> None:
    with pytest.raises(MalformedPacket) as refused:
        PacketReader().feed(data)

    assert str(refused.value) == message


def test_a_device_says_exactly_what_the_standard_wants() -> None:
    # Clean session, user name, password, no will: flags 0xC2 (MQTT 3.1.1, figure 3.4).
    said = packets.connect("van-1-00", "van-1", "secret", 30)
    assert said == b"\x10\x23\x00\x04MQTT\x04\xc2\x00\x1e\x00\x08van-1-00\x00\x05van-1\x00\x06secret"
    assert packets.subscribe("hf1/down/van-1") == b"\x82\x13\x00\x01\x00\x0ehf1/down/van-1\x00"
    assert packets.publish("a/b", b"x") == b"\x30\x06\x00\x03a/bx"
