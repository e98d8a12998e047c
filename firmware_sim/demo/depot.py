"""The demo's data folder: the hub in it, its devices with their configurations, and what a new start finds there again."""

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from firmware_sim.checker import read_journal
from firmware_sim.demo.cast import CAST, OWN_VAN, Member
from firmware_sim.errors import SimulatorError
from firmware_sim.journal import FileJournal, JsonValue
from firmware_sim.processes import HubProcess

DEFAULT_HOME = Path("demo-data")


@dataclass(frozen=True, slots=True)
class Login:
    """The administrator's name and password."""

    user: str
    password: str


class Depot:
    """Where everything of one demo is kept."""

    def __init__(self, folder: Path) -> None:
        """Make the folders that are missing.

        Raises:
            SimulatorError: The folder cannot be written.
        """
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("hub", "devices", "journals", "logs", "ports"):
                (folder / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SimulatorError(f"cannot write to {folder}: {error.strerror}; choose another with --data") from error

    @property
    def logs(self) -> Path:
        """Where the programs' output goes."""
        return self.folder / "logs"

    @property
    def ports(self) -> Path:
        """Where simulated devices are linked."""
        return self.folder / "ports"

    def config(self, member: Member) -> Path:
        """Return the path of a device's configuration; its database is beside it."""
        return self.folder / "devices" / member.device / "agent.toml"

    def probe_journals(self) -> Iterable[Path]:
        """Return the journals of all probes, also those that are not there yet."""
        return [
            self.folder / "journals" / f"{member.device}-{box.name}.jsonl" for member in CAST for box in member.boxes
        ]

    def enrol(self, hub: HubProcess) -> tuple[Login, str]:
        """Make whatever the running hub does not know yet: administrator and devices; and an administrator's token, anew.

        The van that a person drives is not among them, because nobody has to wait for it: `enrol_later` adds it.

        Raises:
            ProcessFailed: A command of the hub failed.
        """
        missing = [member for member in CAST if member is not OWN_VAN and not self.config(member).exists()]
        # Each command is a program that takes seconds to load: side by side they take half the time.
        places = {member.place: [one for one in missing if one.place == member.place] for member in missing}
        with ThreadPoolExecutor(len(CAST) + 2) as pool:
            login = pool.submit(self._login, hub)
            token = pool.submit(hub.token, "admin")
            added = [pool.submit(self._add, hub, place, members) for place, members in places.items()]
            for one in added:
                one.result()
            return login.result(), token.result()

    def enrol_later(self, hub: HubProcess) -> None:
        """Add the van that a person drives.

        Raises:
            ProcessFailed: The command failed.
        """
        if not self.config(OWN_VAN).exists():
            self._add(hub, OWN_VAN.place, [OWN_VAN])

    def _login(self, hub: HubProcess) -> Login:
        path = self.folder / "admin.json"
        if not path.exists():
            made = hub.init()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(made, file)
        told = json.loads(path.read_text())
        return Login(told["user"], told["password"])

    def _add(self, hub: HubProcess, place: str, members: Sequence[Member]) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            hub.add_devices([member.device for member in members], Path(folder), place=place)
            for member in members:
                path = self.config(member)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                (Path(folder) / f"{member.device}.toml").rename(path)


class Diary:
    """What the demo itself did to the system, and when lines broke; on the disk, for a start after the demo was killed."""

    def __init__(self, path: Path, journals: Iterable[Path]) -> None:
        """Read the diary so far; whatever was going on then broke off where the probes' `journals` end."""
        self.breaks_ms: dict[str, list[int]] = {}
        self.drawn = 0
        """How many codes of parcels are used."""
        for record in read_journal(path) if path.exists() else []:
            if "broke" in record:
                self.breaks_ms.setdefault(record["broke"], []).append(record["t_ms"])
            self.drawn = max(self.drawn, record.get("drawn", 0))
        self._journal = FileJournal(path, sync=True)
        for probe in journals:
            if probe.exists() and (records := read_journal(probe)):
                self.broke(probe.stem.rpartition("-")[0], records[-1]["t_ms"])

    def broke(self, device: str, at_ms: int) -> None:
        """Note that a device died, or its lines went."""
        self.breaks_ms.setdefault(device, []).append(at_ms)
        self._journal.write(at_ms, broke=device)

    def note(self, at_ms: int, **fields: JsonValue) -> None:
        """Note something else."""
        self._journal.write(at_ms, **fields)

    def close(self) -> None:
        """Close the file."""
        self._journal.close()


def fresh_folder() -> Path:
    """Return a new folder under `demo-data`, or a temporary one where nothing can be written."""
    try:
        DEFAULT_HOME.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{datetime.now(UTC):%Y%m%d-%H%M%S}-", dir=DEFAULT_HOME))
    except OSError:
        return Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
