"""Cities to plan in, for tests and benchmarks."""

import random

from hub.routes.plan import Job, Load, Problem, Van
from hub.routes.roads import Estimate

HOUR_S = 3600
CENTRE = (312_304_000, 1_214_737_000)


def city(stops: int, vans: int, seed: int = 1) -> Problem:
    """Stops around a centre with windows of two to four hours, and vans of ten."""
    rng = random.Random(seed)
    places = [CENTRE] + [
        (CENTRE[0] + int(rng.gauss(0, 300_000)), CENTRE[1] + int(rng.gauss(0, 350_000))) for _ in range(stops)
    ]
    table, _ = Estimate().table(places)
    jobs = []
    for n in range(stops):
        opens_s = rng.choice([0, 0, 2, 4, 6]) * HOUR_S
        closes_s = opens_s + rng.choice([2, 4]) * HOUR_S
        jobs.append(Job(f"s{n}", n + 1, opens_s, closes_s, 150, Load(rng.randrange(500, 9000), 0, 1), at_depot=True))
    return Problem(tuple(jobs), tuple(Van(f"van {n}", 0, 0, 0, 10 * HOUR_S, 600_000) for n in range(vans)), table)
