"""Seeded chance: one independent stream of random numbers per seed and purpose.

Separate purposes keep runs comparable: switching a fault on changes neither the codes nor the pace.
"""

import random


def chance(seed: int, *purpose: object) -> random.Random:
    """Return the stream of a seed for one purpose, the same in every process and Python release."""
    # Simulated chance has to repeat from its seed; nothing here is a secret.
    return random.Random("/".join(str(part) for part in (seed, *purpose)))
