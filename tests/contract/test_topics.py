import pytest

from contract.errors import BadName
from contract.topics import check_device_id, device_of_up_topic, down_topic, partition, up_topic


def test_topics_name_partition_and_device() -> None:
    assert up_topic("van-1") == f"hf1/up/{partition('van-1'):02d}/van-1"
    assert down_topic("van-1") == "hf1/down/van-1"
    assert device_of_up_topic(up_topic("van-1")) == "van-1"
    assert 0 <= partition("van-1") < 64


@pytest.mark.parametrize("device", ["", "Van", "a/b", "a+b", "#", "a.b", "a b", "x" * 65, "hub", "display", "ä", "a\n"])
def test_f097_ids_with_wildcards_separators_or_reserved_words_are_refused(device: str) -> None:
    with pytest.raises(BadName):
        check_device_id(device)


@pytest.mark.parametrize(
    "topic", ["hf1/up/99/van-1", "hf1/up/van-1", "x", up_topic("van-1") + "/x", up_topic("van-1") + "\n"]
)
def test_a_topic_that_is_not_this_devices_is_refused(topic: str) -> None:
    with pytest.raises(BadName):
        device_of_up_topic(topic)
