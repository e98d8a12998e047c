"""The version of the software, as facts and hellos state it."""

from typing import Final

VERSION: Final = "0.1.0"
"""Equal to `pyproject.toml`; asking the installed package for it takes longer than to open the database."""
