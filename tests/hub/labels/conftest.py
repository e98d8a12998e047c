from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.routes.dispatching import Dispatch, dispatch


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Dispatch]:
    with dispatch(tmp_path) as made:
        yield made
