"""A fresh seeded hub for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.web.seeded import SeededHub, seeded_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[SeededHub]:
    with seeded_hub(tmp_path) as made:
        yield made
