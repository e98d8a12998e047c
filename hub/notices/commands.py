"""`holdfast-hub notices`: who is told of what needs a person. Reads the command line, asks, prints."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.ask import ask
from hub.requests import AddNoticeTarget, ListNoticeTargets, ReleaseNotices, RemoveNoticeTarget, SendTestNotice
from hub.web.times import utc

notices_app = typer.Typer(help="Who is told by mail, SMS or chat of what needs a person.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="The hub's data folder.", envvar="HOLDFAST_HUB_DATA")]
Name = Annotated[str, typer.Argument(metavar="NAME")]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


@notices_app.command(
    "add",
    epilog="Example: holdfast-hub notices add 'mailtos://hub:PASSWORD@example.com?to=duty@example.com' --name duty --data hub",
)
def add(
    url: Annotated[str, typer.Argument(metavar="URL|-", help="As Apprise reads it; `-` reads it from standard input.")],
    *,
    data: Data,
    name: Annotated[str, typer.Option(help="How the target is called.")],
    kinds: Annotated[str, typer.Option(help="excursion,silence,no_data,incident; else all.")] = "",
    places: Annotated[str, typer.Option(help="Only of what is at these places, with commas between.")] = "",
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Tell somebody. The address holds passwords: with `-` it stays out of the shell's history."""
    address = typer.get_text_stream("stdin").readline().strip() if url == "-" else url
    ask(data, AddNoticeTarget(name, address, _words(kinds), _words(places), language))


@notices_app.command("list", epilog="Example: holdfast-hub notices list --data hub")
def list_targets(data: Data, *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List who is told, when last, and what went wrong; addresses are not shown."""
    rows: list[dict[str, Any]] = ask(data, ListNoticeTargets())
    if as_json:
        typer.echo(json.dumps({"items": rows}))
        return
    for row in rows:
        sent = utc(row["sent_ms"])
        last = f"last told {sent.isoformat(timespec='seconds')}" if sent else "never told"
        about = ",".join(row["kinds"]) or "everything"
        waiting = f" {row['waiting']} waiting" if row["waiting"] else ""
        typer.echo(f"{row['name']:16} {row['address']:12} {about} {last}{waiting} {row['error']}".rstrip())
    if not rows:
        typer.echo("none")


@notices_app.command("remove", epilog="Example: holdfast-hub notices remove duty --data hub")
def remove(name: Name, data: Data) -> None:
    """Tell somebody no more."""
    ask(data, RemoveNoticeTarget(name))


@notices_app.command("test", epilog="Example: holdfast-hub notices test duty --data hub")
def test(name: Name, data: Data) -> None:
    """Have the running hub send a test within seconds; `notices list` then says how it went."""
    ask(data, SendTestNotice(name))


@notices_app.command("release", epilog="Example: holdfast-hub notices release --data hub")
def release(data: Data) -> None:
    """Let notices go out that wait because the hub was set back to a backup."""
    ask(data, ReleaseNotices())
