"""Python's garbage collector, set for a process that makes many small values and few cycles."""

import gc
from typing import Final

YOUNG: Final = 50_000
"""A group of facts is some ten thousand values that live until its commit. By default the collector would walk over them each
time 700 more are made, which takes a quarter of ingest's time and finds nothing: reference counts free them."""


def relax_collector() -> None:
    """Collect rarely. Call before most of the hub is loaded: that makes no garbage, and takes a sixth longer otherwise."""
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def settle_collector() -> None:
    """Never walk over what is there now: code, tables and routes. Call once all of it is loaded.

    Not even once: that takes a tenth of a second, in which nobody is answered, and finds next to nothing.
    """
    gc.freeze()
