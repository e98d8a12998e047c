"""`holdfast-hub`: reads the command line, asks, prints. What is asked is answered elsewhere.

Most of the hub is imported inside the commands that need it: it takes seconds to load, and a running hub is asked without.
"""

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Any

import typer

from hub.accounts.roles import Role
from hub.agent_file import KEY_BYTES, read_agent_key, write_agent_config
from hub.ask import ask
from hub.broker.address import MQTT_PORT, parse_bind, parse_broker
from hub.clock import wall_ms
from hub.coldchain.judge_command import judge_command
from hub.collector import relax_collector
from hub.durations import parse_duration_s
from hub.errors import HubError, Refused
from hub.folders import data_folder, make_folder
from hub.labels.commands import cards_command, labels_command
from hub.map.source import parse_map
from hub.notices.commands import notices_app
from hub.requests import (
    AddDevices,
    AddDisplay,
    AddUser,
    ArchiveFacts,
    ConfigureBroker,
    CreateToken,
    DisableUser,
    DropQuarantine,
    ListArchives,
    ListDevices,
    ListDisplays,
    ListQuarantine,
    ListUsers,
    MakeBackup,
    ReplayQuarantine,
    RevokeDevice,
    RevokeDisplay,
    Verify,
    WhereIsMqtt,
)
from hub.web.times import utc

app = typer.Typer(
    help="The centre of Holdfast: takes what devices kept, shows it, and says how fresh it is.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
device_app = typer.Typer(help="Devices that may speak to this hub.", no_args_is_help=True)
display_app = typer.Typer(help="Screens that may read the wall displays and the display topics.", no_args_is_help=True)
user_app = typer.Typer(help="People who may sign in.", no_args_is_help=True)
token_app = typer.Typer(help="Keys for programs.", no_args_is_help=True)
quarantine_app = typer.Typer(help="What could not be read or folded.", no_args_is_help=True)
archive_app = typer.Typer(help="Old facts in sealed files.", no_args_is_help=True)
app.command("judge", epilog="Example: holdfast-hub judge logger.csv --profile pharma-2-8 --zone Europe/Berlin")(
    judge_command
)
app.command("cards", epilog="Example: holdfast-hub cards --actor w.chen --place dock-4 --out cards.pdf")(cards_command)
app.command("labels", epilog="Example: holdfast-hub labels --data hub --route 2026-11-23-van-12 --out labels.pdf")(
    labels_command
)
app.add_typer(device_app, name="device")
app.add_typer(display_app, name="display")
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(archive_app, name="archive")
app.add_typer(notices_app, name="notices")

DEVICES_AT_ONCE = 200
"""Enrolled by one request, whose line is bounded (`hub.control.MAX_REQUEST_BYTES`)."""

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="The hub's data folder.", envvar="HOLDFAST_HUB_DATA")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RoleName = Annotated[Role, typer.Option("--role", help="What they may do.")]


class BrokerKind(StrEnum):
    """Brokers that `broker-config` knows."""

    MOSQUITTO = "mosquitto"


def main() -> None:
    """The console script. Exit codes: 0 done, 1 refused or failed with one plain sentence on stderr, 2 wrong usage."""
    relax_collector()
    try:
        app()
    except HubError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


# -- serving -------------------------------------------------------------------------------------------------------


@app.command("serve", epilog="Example: holdfast-hub serve --data hub --http 0.0.0.0:8080 --mqtt 0.0.0.0:1883")
def serve_command(
    *,
    data: Data,
    http: Annotated[str, typer.Option(metavar="HOST:PORT", help="Pages and API; port 0 picks a free one.")] = (
        "127.0.0.1:8080"
    ),
    mqtt: Annotated[str, typer.Option(metavar="HOST:PORT", help="The embedded broker; port 0 picks a free one.")] = (
        f"127.0.0.1:{MQTT_PORT}"
    ),
    broker: Annotated[str, typer.Option(metavar="embedded|URL", help="Or mqtt://HOST:PORT, mqtts://HOST:PORT.")] = (
        "embedded"
    ),
    broker_credential: Annotated[Path | None, typer.Option(metavar="FILE", help="`hub.toml` of broker-config.")] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="Only SQLite in DIR for now.")] = None,
    backup_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Make backups there.")] = None,
    backup_every: Annotated[str, typer.Option(metavar="DURATION", help="Such as 6h or 30m.")] = "6h",
    keep_days: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Move facts older than N days into sealed archive files.")
    ] = None,
    keep_photos_days: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Erase photos older than N days that no open finding needs.")
    ] = None,
    keep_personal_days: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Withhold names and notes of proofs older than N days, likewise."),
    ] = None,
    https: Annotated[bool, typer.Option("--https", help="Pages are reached over https, through a proxy.")] = False,
    roads: Annotated[
        str,
        typer.Option(metavar="URL", help="osrm+http://HOST or valhalla+http://HOST; else road times are estimated."),
    ] = "",
    base_map: Annotated[
        str, typer.Option("--map", metavar="URL|FILE", help="Style, raster tiles or PMTiles; else the built-in world.")
    ] = "",
) -> None:
    """Run the whole hub in one process; prints one line of JSON when it can take work."""
    from hub.archive.terms import Terms  # noqa: PLC0415 most of the hub
    from hub.broker.link import read_credential  # noqa: PLC0415 most of the hub
    from hub.log import configure_logging  # noqa: PLC0415 takes as long to load as all that asks
    from hub.serve import Settings, serve  # noqa: PLC0415 most of the hub

    if database is not None:
        raise Refused(f"--database {database!r}: this hub keeps its database in the data folder; leave the option out")
    settings = Settings(
        data=data,
        http=parse_bind(http),
        mqtt=parse_bind(mqtt),
        external=None if broker == "embedded" else parse_broker(broker),
        external_credential=read_credential(broker_credential) if broker_credential else None,
        backup_dir=backup_dir,
        backup_every_s=parse_duration_s(backup_every),
        keep=Terms(keep_days, keep_photos_days, keep_personal_days),
        secure=https,
        map=parse_map(base_map),
        roads=roads,
    )
    configure_logging()
    raise typer.Exit(serve(settings))


@app.command(epilog="Example: holdfast-hub init --data hub")
def init(
    data: Data,
    name: Annotated[str, typer.Option(help="Name of the administrator.")] = "admin",
    *,
    as_json: AsJson = False,
) -> None:
    """Create the database and an administrator; prints the password, once."""
    make_folder(data)
    password = ask(data, AddUser(name, Role.ADMIN, first=True))
    _show({"user": name, "password": password}, as_json, lambda r: f"User {r['user']}, password {r['password']}")


# -- devices -------------------------------------------------------------------------------------------------------


@device_app.command(
    "add", epilog="Example: holdfast-hub device add van-12 --data hub --out van-12.toml --place 'Van 12'"
)
def device_add(
    devices: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Lower-case letters, digits and hyphens; one or several.")
    ],
    *,
    data: Data,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Where to write the device's agent.toml; of several, the folder of ID.toml."),
    ],
    place: Annotated[str, typer.Option(help="Where it is, for people.")] = "",
    known: Annotated[
        Path | None, typer.Option("--from", metavar="agent.toml", help="Know a device again by its own file.")
    ] = None,
    hub: Annotated[str, typer.Option(metavar="URL", help="Where it reaches the broker, if not as last served.")] = "",
    as_json: AsJson = False,
) -> None:
    """Register devices and write the connection part of their agent.toml, each with a credential of its own."""
    if known is not None and len(devices) > 1:
        raise Refused("--from knows one device again; give one ID with it")
    url = hub or ask(data, WhereIsMqtt()) or f"mqtt://127.0.0.1:{MQTT_PORT}"
    parse_broker(url)
    rows = []
    for start in range(0, len(devices), DEVICES_AT_ONCE):
        group = devices[start : start + DEVICES_AT_ONCE]
        keys = {device: read_agent_key(known, device) if known else token_bytes(KEY_BYTES) for device in group}
        files = {device: out if len(devices) == 1 else out / f"{device}.toml" for device in group}
        _enrol(data, keys, files, place=place, url=url)
        rows += [{"device": device, "file": str(file), "hub": url} for device, file in files.items()]

    def line(row: dict[str, Any]) -> str:
        return f"{row['device']}: wrote {row['file']}"

    if len(devices) == 1:
        _show(rows[0], as_json, line)
    else:
        _show_all(rows, as_json, line)


def _enrol(data: Path, keys: dict[str, bytes], files: dict[str, Path], *, place: str, url: str) -> None:
    written: list[Path] = []
    try:
        # The files first: a key that is enrolled and written nowhere could never be used.
        for device, key in keys.items():
            write_agent_config(files[device], device=device, place=place, hub=url, key=key)
            written.append(files[device])
        ask(data, AddDevices({device: key.hex() for device, key in keys.items()}, place))
    except BaseException:
        for file in written:
            file.unlink(missing_ok=True)
        raise


@device_app.command("list", epilog="Example: holdfast-hub device list --data hub --json")
def device_list(data: Data, *, as_json: AsJson = False) -> None:
    """List devices with their last contact."""

    def line(row: dict[str, Any]) -> str:
        contact = f"last heard {_time(row['contact_ms'])}" if row["contact_ms"] is not None else "never heard"
        state = "revoked" if row["revoked_ms"] is not None else contact
        return f"{row['id']:24} {state:40} {row['place']}"

    _show_all(ask(data, ListDevices()), as_json, line)


@device_app.command("revoke", epilog="Example: holdfast-hub device revoke van-12 --data hub")
def device_revoke(device: Annotated[str, typer.Argument(metavar="ID")], data: Data) -> None:
    """Let a device speak no more and end its connection; what it said stays."""
    ask(data, RevokeDevice(device))


@display_app.command("add", epilog="Example: holdfast-hub display add dock-4 --data hub --json")
def display_add(name: Annotated[str, typer.Argument(metavar="NAME")], data: Data, *, as_json: AsJson = False) -> None:
    """Make the credential of a screen; prints it, once.

    The token opens /display/tracking and /display/temperature (append ?token=... once); user and password read the topics
    hf1/display/# at the broker.
    """

    def line(row: dict[str, Any]) -> str:
        return f"Token {row['token']}\nAt the broker: user {row['user']}, password {row['password']}"

    _show(ask(data, AddDisplay(name)), as_json, line)


@display_app.command("list", epilog="Example: holdfast-hub display list --data hub")
def display_list(data: Data, *, as_json: AsJson = False) -> None:
    """List screens with when they were last seen."""

    def line(row: dict[str, Any]) -> str:
        seen = f"last seen {_time(row['last_seen_ms'])}" if row["last_seen_ms"] is not None else "never seen"
        return f"{row['name']:24} {'revoked' if row['revoked_ms'] is not None else seen}"

    _show_all(ask(data, ListDisplays()), as_json, line)


@display_app.command("revoke", epilog="Example: holdfast-hub display revoke dock-4 --data hub")
def display_revoke(name: Annotated[str, typer.Argument(metavar="NAME")], data: Data) -> None:
    """Let a screen read no more, on the wall and at the broker."""
    ask(data, RevokeDisplay(name))


@app.command(
    "broker-config", epilog="Example: holdfast-hub broker-config mosquitto --data hub --out /etc/mosquitto/holdfast"
)
def broker_config(
    kind: Annotated[BrokerKind, typer.Argument()],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the files.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="The hub whose devices may connect.", envvar="HOLDFAST_HUB_DATA"),
    ] = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT")] = f"127.0.0.1:{MQTT_PORT}",
    *,
    as_json: AsJson = False,
) -> None:
    """Write configuration, access list and credentials for an external broker; without --data for no device yet."""
    from hub.broker.mosquitto import write_mosquitto_config  # noqa: PLC0415 most of the hub

    address = parse_bind(listen)
    if data is None:
        files = [str(path) for path in write_mosquitto_config(out, address, [])]
    else:
        files = ask(data, ConfigureBroker(str(out.absolute()), address.bind))
    _show({"broker": kind.value, "files": files}, as_json, lambda r: "\n".join(r["files"]))


# -- accounts ------------------------------------------------------------------------------------------------------


@user_app.command("add", epilog="Example: holdfast-hub user add w.chen --role operator --data hub")
def user_add(name: str, data: Data, role: RoleName = Role.OPERATOR, *, as_json: AsJson = False) -> None:
    """Add a person; prints the password, once."""
    password = ask(data, AddUser(name, role))
    _show({"user": name, "password": password}, as_json, lambda r: f"User {r['user']}, password {r['password']}")


@user_app.command("list", epilog="Example: holdfast-hub user list --data hub")
def user_list(data: Data, *, as_json: AsJson = False) -> None:
    """List people and their roles."""

    def line(row: dict[str, Any]) -> str:
        return f"{row['name']:24} {row['role']:12} {'disabled' if row['disabled_at_ms'] is not None else ''}".rstrip()

    _show_all(ask(data, ListUsers()), as_json, line)


@user_app.command("disable", epilog="Example: holdfast-hub user disable w.chen --data hub")
def user_disable(name: str, data: Data) -> None:
    """Let a person in no more; ends their sessions."""
    ask(data, DisableUser(name))


@token_app.command("create", epilog="Example: holdfast-hub token create --role viewer --label dashboard --data hub")
def token_create(
    data: Data,
    role: RoleName,
    label: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    days: Annotated[int, typer.Option(help="How long it lasts.")] = 365,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a key for a program; prints it, once."""
    token = ask(data, CreateToken(role, label, days))
    _show({"token": token, "role": role.value, "label": label}, as_json, lambda r: str(r["token"]))


# -- the ledger ----------------------------------------------------------------------------------------------------


@app.command(epilog="Example: holdfast-hub rebuild --data hub")
def rebuild(data: Data) -> None:
    """Empty all projections and fold the whole ledger again; the hub must be stopped."""
    from hub.centre import open_centre  # noqa: PLC0415 most of the hub

    with open_centre(data_folder(data)) as centre:
        centre.projector.rebuild()


@app.command(epilog="Example: holdfast-hub verify --data hub --json")
def verify(data: Data, *, as_json: AsJson = False) -> None:
    """Check every fact, chain, count and attachment; exits 1 and names the rows when something is wrong."""
    found = ask(data, Verify())
    if as_json:
        _print(json.dumps(found))
    else:
        counted = {k: v for k, v in found.items() if k != "wrong"}
        _print(", ".join(f"{count} {what}" for what, count in counted.items()) + " checked")
    if found["wrong"]:
        raise Refused("\n".join(found["wrong"]))


@app.command("verify-report", epilog="Example: holdfast-hub verify-report report.pdf --json")
def verify_report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A PDF or JSON report.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Also ask this hub whether it made the report.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check that a report is as it was made, without any database; exits 1 and says which part was changed."""
    from hub.reports.telling import told  # noqa: PLC0415 most of the hub

    found = told(file, None if data is None else lambda request: ask(data, request))
    if as_json or not found.wrong:
        _show(found.said, as_json, lambda _: found.words)
    if found.wrong:
        raise Refused("\n".join(found.wrong))


@archive_app.command("make", epilog="Example: holdfast-hub archive make --keep-days 400 --data hub")
def archive_make(
    data: Data,
    keep_days: Annotated[int, typer.Option("--keep-days", min=1, metavar="N", help="Leave what is younger.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Move facts older than N days into sealed archive files; reports, verify and rebuild still read them."""
    _show_all(ask(data, ArchiveFacts(keep_days)), as_json, _archive_line)


@archive_app.command("list", epilog="Example: holdfast-hub archive list --data hub --json")
def archive_list(data: Data, *, as_json: AsJson = False) -> None:
    """List archive files; whether they are whole is told by verify."""
    _show_all(ask(data, ListArchives()), as_json, _archive_line)


def _archive_line(row: dict[str, Any]) -> str:
    return f"{row['name']}: {row['facts']} facts, {row['bytes']} bytes"


@quarantine_app.command("list", epilog="Example: holdfast-hub quarantine list --data hub --all")
def quarantine_list(
    data: Data,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also what was dealt with.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what could not be read or folded, with the reason."""

    def line(row: dict[str, Any]) -> str:
        return (
            f"{row['id']:>6} {row['kind']:10} {row['device']:24} {_time(row['at_ms'])} {row['state']:8} {row['why']!r}"
        )

    _show_all(ask(data, ListQuarantine(everything)), as_json, line)


@quarantine_app.command("replay", epilog="Example: holdfast-hub quarantine replay 17 --data hub")
def quarantine_replay(entry: Annotated[int, typer.Argument(metavar="ID")], data: Data) -> None:
    """Try an entry again, after a repair."""
    if not ask(data, ReplayQuarantine(entry)):
        raise Refused(f"entry {entry} still cannot be taken; it stays where it is")


@quarantine_app.command("drop", epilog="Example: holdfast-hub quarantine drop 17 --data hub")
def quarantine_drop(entry: Annotated[int, typer.Argument(metavar="ID")], data: Data) -> None:
    """Deal with an entry for good; a fact keeps its place and its bytes in the ledger."""
    ask(data, DropQuarantine(entry))


@app.command(epilog="Example: holdfast-hub backup /mnt/safe/hub.tar --data hub")
def backup(file: Annotated[Path, typer.Argument(metavar="FILE")], data: Data, *, as_json: AsJson = False) -> None:
    """Write a consistent, verified copy of the whole hub, running or not."""
    made = ask(data, MakeBackup(str(file.absolute())))
    _show(made, as_json, lambda r: f"{r['path']}: {r['facts']} facts, {r['blobs']} attachments, {r['bytes']} bytes")


@app.command(epilog="Example: holdfast-hub restore /mnt/safe/hub.tar --data hub")
def restore(file: Annotated[Path, typer.Argument(metavar="FILE")], data: Data, *, as_json: AsJson = False) -> None:
    """Put a backup in the place of a stopped hub's database; the old one is moved aside, devices send what it lacks."""
    from hub.backup import restore_backup  # noqa: PLC0415 most of the hub

    aside = restore_backup(file, data, wall_ms())
    moved = f"; the database before it is {aside}" if aside else ""
    result = {"restored": str(file), "aside": str(aside) if aside else None}
    _show(result, as_json, lambda r: f"restored {r['restored']}{moved}")


# -- printing ------------------------------------------------------------------------------------------------------


def _print(text: str) -> None:
    typer.echo(text)


def _show(result: dict[str, Any], as_json: bool, words: Callable[[dict[str, Any]], str]) -> None:
    _print(json.dumps(result) if as_json else words(result))


def _show_all(rows: list[dict[str, Any]], as_json: bool, line: Callable[[dict[str, Any]], str]) -> None:
    _print(json.dumps({"items": rows}) if as_json else "\n".join(map(line, rows)) or "none")


def _time(at_ms: int) -> str:
    return utc(at_ms).isoformat(timespec="seconds")
