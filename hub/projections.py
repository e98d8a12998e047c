"""All projections of the hub, in one place."""

from importlib import import_module
from importlib.util import find_spec

from hub.projector import Projection
from hub.schema import BUSINESS


def all_projections() -> list[Projection]:
    """Each business folder's `projection.PROJECTIONS`."""
    found: list[Projection] = []
    for folder in BUSINESS:
        if find_spec(f"hub.{folder}") and find_spec(f"hub.{folder}.projection"):
            found += import_module(f"hub.{folder}.projection").PROJECTIONS
    return found
