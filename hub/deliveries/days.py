"""Figures of many days, the latest first: what a day came to beside the days before it."""

from typing import Final

from sqlalchemy import Connection, func, select

from hub.deliveries.figures import Figures, FigureView
from hub.deliveries.tables import figure

_f: Final = figure.c


def figure_days(conn: Connection, *, until: str = "", limit: int = 31) -> list[FigureView]:
    """The figures of whole days.

    Args:
        conn: reads.
        until: the last day that is told; empty: the latest there is.
        limit: how many days.
    """
    sums = [func.sum(_f[name]).label(name) for name in Figures.__struct_fields__]
    query = select(_f.day, *sums, func.max(_f.worked_ms).label("worked_ms")).group_by(_f.day)
    if until:
        query = query.where(_f.day <= until)
    rows = conn.execute(query.order_by(_f.day.desc()).limit(limit))
    return [
        FigureView(
            row.day,
            "day",
            "",
            Figures(**{name: getattr(row, name) for name in Figures.__struct_fields__}),
            row.worked_ms,
        )
        for row in rows
    ]
