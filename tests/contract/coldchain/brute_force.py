"""A second judge, written from the definitions and not from the engine: it looks at every minute of the day, one by one.

Slow and simple on purpose. All times are whole minutes, so that whatever happens, happens at a minute.
"""

from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise

from contract.coldchain.findings import Budget, Excursion, Judgement, NoData
from contract.coldchain.profile import Limit, Profile, Rule, Side

MINUTE_MS = 60_000


def judge_by_the_minute(
    profile: Profile, readings: Mapping[int, int | None], from_minute: int, to_minute: int
) -> Judgement:
    counted = sorted(minute for minute in readings if from_minute <= minute <= to_minute)
    values = {minute: value for minute in counted if (value := readings[minute]) is not None}
    times = sorted(values)
    longest = profile.no_data_s / 60
    judged_from = from_minute + profile.ignore_first_s / 60
    minutes = range(from_minute, to_minute + 1)

    def holding(minute: int) -> int | None:
        """The reading whose value holds from this minute to the next."""
        later = bisect_right(times, minute)
        if not later:
            return None
        behind = times[later] if later < len(times) else to_minute
        return times[later - 1] if behind - times[later - 1] <= longest else None

    def known(minute: int) -> int | None:
        """The reading that tells this very instant."""
        return minute if minute in values else holding(minute) if minute < to_minute else None

    used: dict[str, int] = dict.fromkeys((limit.name for limit in profile.limits), 0)
    lasting: dict[str, dict[str, int | None]] = {}
    excursions: list[Excursion] = []
    seen: dict[str, int] = {}
    shared = 0
    sums = {"above": 0, "below": 0, "inside": 0, "ignored": 0, "nothing": 0}
    duals = [limit for limit in profile.limits if limit.rule is Rule.DUAL]

    def budget(limit: Limit) -> tuple[int, int]:
        if limit.rule is Rule.DUAL:
            return shared, min(dual.allowed_s for dual in duals) // 60
        if limit.rule is Rule.CUMULATIVE:
            return used[limit.name], limit.allowed_s // 60
        run = lasting.get(limit.name)
        return (0 if run is None else run["beyond"] or 0), limit.allowed_s // 60

    def told(limit: Limit, ended: int | None) -> Excursion:
        run = lasting[limit.name]
        started, extreme, beyond, alarm = run["started"], run["extreme"], run["beyond"], run["alarm"]
        assert started is not None
        assert extreme is not None
        assert beyond is not None
        return Excursion(
            limit.name,
            started * MINUTE_MS,
            extreme,
            beyond * MINUTE_MS,
            None if alarm is None else alarm * MINUTE_MS,
            None if ended is None else ended * MINUTE_MS,
        )

    for minute in minutes:
        time = known(minute)
        value = None if time is None or time < judged_from else values[time]
        beyond = [
            limit
            for limit in profile.limits
            if value is not None
            and (
                (value > limit.threshold if limit.side is Side.ABOVE else value < limit.threshold)
                or (limit.inclusive and value == limit.threshold)
            )
        ]
        if value is not None:
            for limit in profile.limits:
                if limit in beyond:
                    run = lasting.setdefault(
                        limit.name, {"started": minute, "extreme": value, "beyond": 0, "alarm": None}
                    )
                    extreme = run["extreme"]
                    assert extreme is not None
                    run["extreme"] = max(extreme, value) if limit.side is Side.ABOVE else min(extreme, value)
                    has_used, may_use = budget(limit)
                    if run["alarm"] is None and has_used >= may_use:
                        run["alarm"] = minute
                    seen[limit.name] = minute
                elif limit.name in lasting:
                    # Without data in between it ended when it was last seen.
                    through = holding(minute - 1) is not None
                    excursions.append(told(limit, minute if through else seen[limit.name]))
                    del lasting[limit.name]
        if minute == to_minute:
            break
        held = holding(minute)
        if held is None:
            sums["nothing"] += 1
            continue
        for limit in beyond:
            used[limit.name] += 1
            run = lasting[limit.name]
            run["beyond"] = (run["beyond"] or 0) + 1
        shared += any(limit.rule is Rule.DUAL for limit in beyond)
        if held < judged_from:
            sums["ignored"] += 1
        elif any(limit.side is Side.ABOVE for limit in beyond):
            sums["above"] += 1
        else:
            sums["below" if beyond else "inside"] += 1

    excursions += [told(limit, None) for limit in profile.limits if limit.name in lasting]
    order = [limit.name for limit in profile.limits]
    borders = [from_minute, *(time for time in times if time != from_minute)]
    gaps = [NoData(start * MINUTE_MS, end * MINUTE_MS) for start, end in pairwise(borders) if end - start > longest]
    if to_minute - borders[-1] > longest:
        gaps.append(NoData(borders[-1] * MINUTE_MS))
    judged = [values[time] for time in times if time >= judged_from]
    return Judgement(
        from_ms=from_minute * MINUTE_MS,
        to_ms=to_minute * MINUTE_MS,
        excursions=tuple(sorted(excursions, key=lambda e: (e.started_ms, order.index(e.limit)))),
        no_data=tuple(gaps),
        budgets=tuple(
            Budget(limit.name, *(minutes * MINUTE_MS for minutes in budget(limit))) for limit in profile.limits
        ),
        above_ms=sums["above"] * MINUTE_MS,
        below_ms=sums["below"] * MINUTE_MS,
        inside_ms=sums["inside"] * MINUTE_MS,
        no_data_ms=sums["nothing"] * MINUTE_MS,
        readings=len(values),
        faults=len(counted) - len(values),
        low=min(judged, default=None),
        high=max(judged, default=None),
        freeze_thaws=_thaws(profile, judged),
        ignored_ms=sums["ignored"] * MINUTE_MS,
    )


def _thaws(profile: Profile, judged: list[int]) -> int:
    """How often a value at or below `frozen` is followed, sooner or later, by one at or above `thawed`."""
    letters = "".join(
        "f" if value <= profile.freezing.frozen else "t" if value >= profile.freezing.thawed else "" for value in judged
    )
    return letters.count("ft")
