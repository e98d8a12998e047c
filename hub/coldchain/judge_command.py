"""`holdfast-hub judge`: any logger's file by any profile; needs no hub and no data folder."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hub.coldchain.judge_file import find_profile, judge_file
from hub.coldchain.judge_telling import in_words, to_json
from hub.coldchain.logger_csv import How, find_zone, read_time
from hub.durations import parse_duration_s
from hub.errors import Refused


class JudgedUnit(StrEnum):
    """Units of a logger's temperatures."""

    C = "c"
    F = "f"


def judge_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Any logger's readings: time and value.")],
    *,
    profile: Annotated[str, typer.Option(metavar="NAME|FILE", help="A preset, or a profile in JSON or TOML.")],
    from_at: Annotated[str, typer.Option("--from", metavar="TIME", help="Since when; else the first reading.")] = "",
    to_at: Annotated[str, typer.Option("--to", metavar="TIME", help="Until when; else the last reading.")] = "",
    zone: Annotated[str, typer.Option(metavar="ZONE", help="Of times that name none.")] = "UTC",
    unit: Annotated[JudgedUnit | None, typer.Option(help="Of the values, if not as the header says.")] = None,
    column: Annotated[str, typer.Option(metavar="NAME", help="The value's column, where several fit.")] = "",
    time_format: Annotated[str, typer.Option(metavar="FORMAT", help="Of times that are not ISO 8601.")] = "",
    no_data: Annotated[str, typer.Option(metavar="DURATION", help="Instead of the profile's, such as 35m.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge a logger's history by the same engine as live; exits 1 when the file has lines that are no readings."""
    fahrenheit = None if unit is None else unit is JudgedUnit.F
    how = How(zone=find_zone(zone), zone_name=zone, fahrenheit=fahrenheit, column=column, time_format=time_format)
    judged = judge_file(
        file,
        find_profile(profile),
        how,
        from_ms=read_time(from_at, how) if from_at else None,
        to_ms=read_time(to_at, how) if to_at else None,
        no_data_s=int(parse_duration_s(no_data)) if no_data else None,
    )
    typer.echo(to_json(judged) if as_json else in_words(judged))
    if bad := judged.file.bad:
        raise Refused(f"lines that are no readings, and are not judged: {len(bad)}; line {bad[0].line} {bad[0].why}")
