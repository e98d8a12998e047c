"""The documents and the programs say the same: commands, options, configuration, paths, messages, incidents, crash points."""

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from fastapi import FastAPI
from fastapi.routing import APIRoute

import agent.faultpoint
import hub.faultpoint
from agent import cli as agent_cli
from agent import config
from agent.config import AgentConfig, load_config
from agent.drivers.sink import Signal
from agent.store import opening
from contract import local
from contract.delivery import hub as hub_protocol
from contract.delivery.hub_actions import IncidentKind
from contract.identity.control import parse_card
from firmware_sim import cli as sim_cli
from firmware_sim.faults import FaultPlan
from hub import cli as hub_cli
from hub.app import create_app
from hub.context import HubContext
from hub.live import LiveBus
from hub.schema import open_database
from hub.web.metrics import RequestMetrics
from mobile_ui import app as courier_app

ROOT = Path(__file__).parents[1]
DOCS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
READERS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")}
COMMANDS, OPERATIONS, ARCHITECTURE = (DOCS[f"{name}.md"] for name in ("commands", "operations", "architecture"))
EVERYWHERE = {**READERS, **{f"docs/{name}": text for name, text in DOCS.items()}}


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of the same level or a higher one."""
    level = heading.partition(" ")[0]
    match = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None, f"no heading {heading!r}"
    return match[1]


def first_cells(text: str) -> list[str]:
    """The words in backticks of the first column of all tables."""
    cells = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", text, re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


# -- commands ----------------------------------------------------------------------------------------------------------


def of_argparse(program: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, set[str], int]]:
    """Each command with its options and how many arguments it takes."""
    subs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in subs:
        for name, sub in action.choices.items():
            yield from of_argparse(f"{program} {name}", sub)
    if not subs:
        options = {word for action in parser._actions for word in action.option_strings if word.startswith("--")}
        yield program, options - {"--help"}, sum(not action.option_strings for action in parser._actions)


def of_typer(program: str, command: Any) -> Iterator[tuple[str, set[str], int]]:
    for name, sub in getattr(command, "commands", {}).items():
        yield from of_typer(f"{program} {name}", sub)
    if not hasattr(command, "commands"):
        options = {word for p in command.params if p.param_type_name == "option" for word in p.opts}
        yield program, options - {"--help"}, sum(p.param_type_name == "argument" for p in command.params)


HUB = typer.main.get_command(hub_cli.app)
PROGRAMS = {
    command: (options, arguments)
    for commands in (
        of_typer("holdfast-hub", HUB),
        of_argparse("holdfast-agent", agent_cli._parser()),
        of_argparse("holdfast-courier", courier_app._parser()),
        of_argparse("holdfast-sim", sim_cli.parser()),
    )
    for command, options, arguments in commands
}
USAGES = re.findall(r"^### `(holdfast-[^`]+)`$", COMMANDS, re.MULTILINE)


def named_in(usage: str) -> str:
    return re.match(r"[a-z-]+(?: [a-z][a-z-]*)*", usage)[0]  # type: ignore[index]  # every usage begins with a program


def test_every_program_is_enumerated() -> None:
    installed = {point.name for point in entry_points(group="console_scripts") if point.name.startswith("holdfast-")}

    assert {command.split()[0] for command in PROGRAMS} == installed


def test_every_command_has_its_section_and_no_other_is_described() -> None:
    assert sorted(map(named_in, USAGES)) == sorted(PROGRAMS)


@pytest.mark.parametrize("usage", USAGES, ids=named_in)
def test_usage_names_every_option_and_argument_of_its_command(usage: str) -> None:
    options, arguments = PROGRAMS[named_in(usage)]
    said = usage.removeprefix(named_in(usage))

    assert set(re.findall(r"--[a-z-]+", said)) == options
    assert len(re.sub(r"\[?--[a-z-]+( [A-Za-z:,=|-]+)?\]?", "", said).split()) == arguments


@pytest.mark.parametrize("usage", USAGES, ids=named_in)
def test_each_option_is_explained_with_its_command_or_its_program(usage: str) -> None:
    program = section(COMMANDS, f"## `{usage.split(maxsplit=1)[0]}`")
    common = program.partition("\n### ")[0]
    own = section(COMMANDS, f"### `{usage}`")
    options, _ = PROGRAMS[named_in(usage)]

    assert {o for o in options if not re.search(rf"{o}(?![a-z-])", common + own)} == set()


def examples() -> Iterator[tuple[str, str]]:
    for name, text in EVERYWHERE.items():
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield from ((name, line) for line in block.splitlines() if line.startswith("holdfast-"))


def parse(words: list[str]) -> None:
    """Let the program's own parser read a command line, and do nothing."""
    program, *arguments = words
    if program == "holdfast-agent":
        agent_cli._parser().parse_args(arguments)
    elif program == "holdfast-courier":
        courier_app._parser().parse_args(arguments)
    elif program == "holdfast-sim":
        sim_cli.parser().parse_args(arguments)
    else:
        command: Any = HUB
        while hasattr(command, "commands"):
            command, arguments = command.commands[arguments[0]], arguments[1:]
        command.make_context(program, arguments)


@pytest.mark.parametrize(("document", "line"), list(examples()))
def test_every_example_is_accepted_by_its_program(document: str, line: str) -> None:
    words = shlex.split(line, comments=True)

    assert words[0] in {command.split()[0] for command in PROGRAMS}
    parse(words)


def test_an_example_with_an_unknown_option_is_found() -> None:
    with pytest.raises(SystemExit):
        parse(shlex.split("holdfast-agent drivers add scanner_line --step loaded"))


@pytest.mark.parametrize("command", sorted(PROGRAMS))
def test_every_command_has_an_example(command: str) -> None:
    assert any(line.startswith(f"{command} ") or line == command for _, line in examples())


def test_commands_named_in_sentences_exist() -> None:
    said = {
        match for text in EVERYWHERE.values() for match in re.findall(r"`(holdfast-[a-z]+ [a-z-]+(?: [a-z]+)?)`", text)
    }

    assert {s for s in said if not any(command == s or command.startswith(f"{s} ") for command in PROGRAMS)} == set()


def test_every_make_word_of_the_readers_documents_exists() -> None:
    words = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    said = {word for text in READERS.values() for word in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)}

    assert said - set(words) == set()


def test_every_make_word_is_explained_to_contributors() -> None:
    words = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    said = first_cells(section(READERS["CONTRIBUTING.md"], "## Commands"))

    assert sorted(said) == sorted(f"make {word}" for word in words if word != "help")


def test_every_simulated_fault_is_listed() -> None:
    sim = section(COMMANDS, "## `holdfast-sim`").partition("\n### ")[0]

    assert set(FaultPlan.__slots__) <= set(first_cells(sim))


# -- agent.toml --------------------------------------------------------------------------------------------------------

TABLES: dict[str, tuple[type[msgspec.Struct], set[str]]] = {
    "[device]": (config.DeviceConfig, set()),
    "[[drivers]]": (config.DriverBase, {"kind"}),
    "scanner_line": (config.ScannerLineConfig, set()),
    "scanner_ssi": (config.ScannerSsiConfig, set()),
    "scanner_hid": (config.ScannerHidConfig, set()),
    "modbus_probe": (config.ModbusProbeConfig, set()),
    "registers": (config.RegisterConfig, set()),
    "status_register": (config.StatusRegisterConfig, set()),
    "nmea_gps": (config.NmeaGpsConfig, set()),
    "[feedback]": (config.FeedbackConfig, set()),
    "[storage]": (config.StorageConfig, set()),
    "[uplink]": (config.UplinkConfig, set()),
}


def keys_of(name: str) -> set[str]:
    kind, more = TABLES[name]
    inherited = set(config.DriverBase.__struct_fields__) if kind is not config.DriverBase else set()
    is_driver = issubclass(kind, config.DriverBase)
    return set(kind.__struct_fields__) - (inherited if is_driver else set()) | more


@pytest.mark.parametrize("name", TABLES)
def test_a_table_lists_exactly_its_keys(name: str) -> None:
    described = section(COMMANDS, f"### `{name}`")

    assert set(re.findall(r"^\| `(\w+)` \|", described, re.MULTILINE)) == keys_of(name)


@pytest.mark.parametrize("name", TABLES)
def test_plain_defaults_are_as_in_the_code(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|", section(COMMANDS, f"### `{name}`"), re.MULTILINE)
    fields = {field.name: field.default for field in msgspec.structs.fields(TABLES[name][0])}
    for key, said in rows:
        default = fields.get(key, msgspec.NODEFAULT)
        if isinstance(default, str) and default:
            assert said == f"`{default}`", key
        elif isinstance(default, bool):
            assert said == str(default).lower(), key
        elif isinstance(default, int | float):
            assert float(int(said, 0) if said.startswith("0x") else said) == default, key
        elif default is msgspec.NODEFAULT and key not in {"kind", "data"}:
            assert said == "required", key


def test_every_top_level_table_and_driver_kind_is_described() -> None:
    kinds = {str(kind.__struct_config__.tag) for kind in config.DriverConfig.__args__}
    singles = {f"[{name}]" for name in AgentConfig.__struct_fields__ if name != "drivers"}

    assert set(TABLES) == kinds | singles | {"[[drivers]]", "registers", "status_register"}


def whole_file() -> str:
    match = re.search(r"^```toml\n(.*?)^```", section(COMMANDS, "### A whole file"), re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def test_the_whole_file_is_a_valid_configuration_that_shows_every_key(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(whole_file())

    load_config(path)

    tables = tomllib.loads(whole_file())
    drivers = tables["drivers"]
    shown = {f"[{name}]": set(table) for name, table in tables.items() if name != "drivers"}
    shown |= {driver["kind"]: set(driver) - {"kind", "name"} for driver in drivers}
    shown["[[drivers]]"] = set().union(*drivers) & {"kind", "name"}
    probe = next(driver for driver in drivers if driver["kind"] == "modbus_probe")
    shown["registers"] = set().union(*probe["registers"])
    shown["status_register"] = set(probe["status_register"])
    assert shown == {name: keys_of(name) for name in TABLES}


def test_every_card_shown_is_one() -> None:
    cards = first_cells(section(COMMANDS, "## Configuration cards"))

    assert {card[0] for text in cards if (card := parse_card(text))} == {"HF:STEP", "HF:ACTOR", "HF:PLACE"}
    assert None not in map(parse_card, cards)


def test_every_signal_is_explained() -> None:
    assert first_cells(section(COMMANDS, "## Feedback")) == [signal.name for signal in Signal]


# -- the hub's interfaces ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubContext]:
    database = open_database(tmp_path_factory.mktemp("hub"))
    yield HubContext(database=database, live=LiveBus(lambda: 0), decide=lambda _: bytes(32), now_ms=lambda: 0)
    database.close()


@pytest.fixture(scope="module")
def app(context: HubContext) -> FastAPI:
    return create_app(context)


def test_every_path_and_its_parameters_are_listed(app: FastAPI) -> None:
    served = {
        f"{method.upper()} {path}": [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    rows = re.findall(r"^\| `([A-Z]+ /[^`]+)` \|([^|]*)\|", section(COMMANDS, "## REST interface"), re.MULTILINE)

    assert {path: sorted(re.findall(r"`(\w+)`", cell)) for path, cell in rows} == {
        path: sorted(parameters) for path, parameters in served.items()
    }


def routes(app: FastAPI) -> Iterator[APIRoute]:
    """All routes; newer versions of FastAPI keep those of an included router apart."""
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        yield from (r for r in ([route] if inner is None else inner.routes) if isinstance(r, APIRoute))


def test_every_page_is_listed(app: FastAPI) -> None:
    interface = set(app.openapi()["paths"])
    pages = {re.sub(r":\w+}", "}", route.path) for route in routes(app)} - interface
    said = re.findall(r"`(/[^`]*)`", section(COMMANDS, "## Pages"))

    assert "/tracking" in pages
    assert sorted(said) == sorted(pages)


def test_every_metric_is_explained(context: HubContext) -> None:
    samples = {family.name for family in RequestMetrics(context).registry.collect()}
    said = {word.removesuffix("_total") for word in re.findall(r"`(holdfast_\w+)`", OPERATIONS)}

    assert said == samples


def test_every_incident_kind_is_explained() -> None:
    assert set(first_cells(section(OPERATIONS, "## Incidents"))) == {kind.value for kind in IncidentKind}


def test_every_kind_of_damage_is_explained() -> None:
    opened = {opening.DAMAGED, opening.LOST, opening.SET_BACK, opening.RENAMED}
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "agent").rglob("*.py"))
    stated = set(re.findall(r'Damage\("(\w+)"', code))
    said = section(DOCS["protocol.md"], "## 3. Facts").partition("Kinds of `damage`.")[2].partition("### Columns")[0]

    assert set(first_cells(said)) == opened | stated | set(hub_protocol._FOUND_BY_DEVICE)


def test_every_local_message_is_listed() -> None:
    text = section(COMMANDS, "## Local socket")
    requests = {str(kind.__struct_config__.tag): list(kind.__struct_fields__) for kind in local.Request.__args__}
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|", text, re.MULTILINE)

    assert {name: re.findall(r"`(\w+)`", fields) for name, fields, _ in rows} == requests
    for kind in (*local.Answer.__args__, *local.Happening.__args__):
        assert f"`{kind.__struct_config__.tag}`" in text


def test_every_crash_point_is_explained() -> None:
    places = section(ARCHITECTURE, "## Crash points")

    assert first_cells(places) == [*agent.faultpoint.FAULTPOINTS, *hub.faultpoint.FAULTPOINTS]
    for name, module in re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", places, re.MULTILINE):
        assert f'faultpoint("{name}")' in (ROOT / module).read_text(encoding="utf-8")


@pytest.mark.parametrize(("package", "heading"), [("agent", "## The device"), ("hub", "## The hub")])
def test_every_thread_is_explained(package: str, heading: str) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / package).rglob("*.py"))
    names = set(re.findall(r'(?:Thread\(.*name=f?|_thread\(|_begin\()"([a-z-]+)', code))
    text = section(ARCHITECTURE, heading)

    assert names, "threads are named where they are made"
    assert {name for name in names if f"`{name}" not in text} == set()


# -- links and names ---------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """As GitHub makes them: lower case, punctuation gone, spaces to hyphens."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", sorted(EVERYWHERE))
def test_links_between_documents_resolve(document: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", EVERYWHERE[document]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("document", sorted(EVERYWHERE.keys() - {"CONTRIBUTING.md"}))
def test_files_of_the_repository_that_are_named_exist(document: str) -> None:
    named = re.findall(r"`((?:agent|contract|firmware_sim|hub|mobile_ui|tests|docs)/[\w./]*)`", EVERYWHERE[document])

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_classes_and_methods_that_architecture_names_exist() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for package in ("agent", "contract", "hub")
        for path in (ROOT / package).rglob("*.py")
    )
    for owner, member in re.findall(r"`([A-Z]\w+)\.(\w+)`", ARCHITECTURE):
        match = re.search(rf"^class {owner}\b.*?(?=^class |\Z)", code, re.MULTILINE | re.DOTALL)
        assert match is not None, owner
        assert re.search(rf"def {member}\b|self\.{member}\b|^    {member}:", match[0], re.MULTILINE), (
            f"{owner}.{member}"
        )
