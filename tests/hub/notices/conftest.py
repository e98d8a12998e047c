"""The seeded hub of the web side's tests."""

from tests.hub.web.conftest import hub

__all__ = ["hub"]
