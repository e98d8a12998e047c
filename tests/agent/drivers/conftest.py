"""The same bytes over three kinds of wire."""

import random
from collections.abc import Callable

import pytest

Transport = Callable[[bytes], list[bytes]]


def perfect(data: bytes) -> list[bytes]:
    return [data]


def one_byte_at_a_time(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def seeded_split(data: bytes) -> list[bytes]:
    chance = random.Random(7)
    pieces = []
    while data:
        size = chance.randint(1, 9)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


@pytest.fixture(params=[perfect, one_byte_at_a_time, seeded_split], ids=lambda transport: transport.__name__)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen
