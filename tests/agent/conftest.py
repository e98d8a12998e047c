from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.outbox import Outbox
from tests.agent.store.kit import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "device")
    yield bench
    bench.close()


@pytest.fixture
def outbox(bench: Bench) -> Outbox:
    return bench.open()
