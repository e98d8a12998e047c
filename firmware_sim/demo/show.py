"""The demo itself: starts everything, lets it live and suffer, and at the end compares."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from contract.event import Proof, Readings, Scan
from contract.fact import Fact
from firmware_sim.checker import Comparison, compare, pictures_of
from firmware_sim.clock import SystemClock
from firmware_sim.demo.cast import CAST, OWN_VAN, Member, Ports, agent_toml
from firmware_sim.demo.depot import Depot, Diary, Login
from firmware_sim.demo.dispatch import Dispatcher
from firmware_sim.demo.office import Office, OfficeSilent
from firmware_sim.demo.outside import Outside
from firmware_sim.demo.pace import OUTAGES, Act, Cue, Pace, Script, calm_cues, pace_of, timed_cues
from firmware_sim.demo.supervisor import Supervisor
from firmware_sim.demo.words import HTTP_PORT, MQTT_PORT, State, Summary, greeting, happening, status_line, worth_a_look
from firmware_sim.facts import HubSilent, LedgerReader
from firmware_sim.processes import AgentProcess, HubProcess, ProcessFailed, Program, is_free
from firmware_sim.relay import Relay

TICK_S = 0.1
STATUS_EVERY_S = 5.0
# On a busy machine the hub may know of the end of the story a little later.
TELL_WITHIN_S = 20.0
TELL_EVERY_S = 2.0
# Seconds, as a rule; where a hub that was killed last starts again on a busy machine it takes a multiple.
DRAIN_S = 120.0
DRAIN_LOOK_S = 1.0
# Nobody waits for the van that a person drives: it comes a moment later.
AT_START = tuple(member for member in CAST if member is not OWN_VAN)

Relays = Mapping[str, Relay]
"""Of the devices that lose their network now and then."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Deeds:
    """What was done to the system so far."""

    outages: int = 0
    agent_kills: int = 0
    hub_kills: int = 0
    offline_since_s: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class AtHub:
    """What has been seen at the hub so far, read on from where it ended."""

    facts: list[Fact] = field(default_factory=list)
    scans: int = 0
    readings: int = 0
    proofs: int = 0
    pictures: set[str] = field(default_factory=set)
    """SHA-256 of those that proofs name and nobody found whole yet, in hex."""
    _after: int = 0

    def read_on(self, ledger: LedgerReader) -> None:
        """Read what is new; a hub that is away is asked again next time."""
        with contextlib.suppress(HubSilent):
            for row in ledger.rows(self._after):
                self._after = row.seq
                if row.fact is None:
                    continue
                if is_a_persons(row.fact):
                    continue
                self.facts.append(row.fact)
                self.proofs += isinstance(row.fact.event, Proof)
                self.pictures |= set(named_by(row.fact))
                self.scans += isinstance(row.fact.event, Scan)
                self.readings += row.fact.event.count if isinstance(row.fact.event, Readings) else 0

    def look_for_pictures(self, ledger: LedgerReader) -> None:
        """See which of the pictures are whole by now."""
        with contextlib.suppress(HubSilent):
            self.pictures = {name for name in self.pictures if not ledger.has_blob(name)}


def is_a_persons(fact: Fact) -> bool:
    """Whether somebody at the app made it, of whom no journal tells."""
    return fact.device == OWN_VAN.device and isinstance(fact.event, Scan | Proof)


def named_by(fact: Fact) -> list[str]:
    """SHA-256 of the pictures that a fact names, in hex."""
    return pictures_of(fact.event) if isinstance(fact.event, Proof) else []


class Show:
    """One run of the demo."""

    def __init__(
        self,
        depot: Depot,
        *,
        seed: int,
        seconds: float | None,
        say: Say,
        pace: Pace | None = None,
        script: Script | None = None,
    ) -> None:
        """Describe a run.

        Args:
            depot: Its data folder.
            seed: Decides everything that is left to chance.
            seconds: How long a timed run goes; None goes on calmly until it is stopped.
            say: Takes lines for people.
            pace: How fast everything goes; as befits a timed or a calm run where it is left out.
            script: What happens when, likewise.
        """
        self._depot = depot
        self._seconds = seconds
        self._say = say
        self._pace = pace_of(seconds) if pace is None else pace
        self._script = Script(calm_cues() if seconds is None else timed_cues(seconds)) if script is None else script
        self._tell_s = self._tell_by_s = float("inf")
        self._clock = SystemClock()
        self._deeds = Deeds()
        self._at_hub = AtHub()
        self._seed = seed
        self._helper = ThreadPoolExecutor(1)
        self._outside = Outside(depot.folder, self._pace, seed)
        self._diary = Diary(depot.folder / "journals" / "demo.jsonl", depot.probe_journals())
        self._hub = self._new_hub()
        self._agents = {
            member.device: AgentProcess(member.device, depot.config(member), logs=depot.logs) for member in CAST
        }

    def run(self, stop: threading.Event) -> Summary | None:
        """Run until the time is over (then compare) or `stop` is set (then return None).

        Raises:
            SimulatorError: Something that must work does not; everything is ended.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._diary.close)
            stack.callback(self._helper.shutdown)
            stack.callback(self._end)
            login, token = self._start_hub()
            if stop.is_set():
                return None
            relays = {
                member.device: stack.enter_context(Relay("127.0.0.1", self._hub.mqtt_port))
                for member in CAST
                if member.behind_relay
            }
            ledger = stack.enter_context(LedgerReader(self._hub.url, token))
            office = stack.enter_context(Office(self._hub.url, token))
            # Before the devices start: the answer to their first hello tells them by what they judge.
            office.describe(self._pace, AT_START)
            stack.enter_context(self._outside)
            self._start_agents(relays)
            self._greet(login)
            dispatcher = stack.enter_context(self._dispatcher(stack.enter_context(Office(self._hub.url, token))))
            return self._live(relays, ledger, office, dispatcher, stop)

    # -- beginning and end -------------------------------------------------------------------------------------------

    def _new_hub(self) -> HubProcess:
        return HubProcess(
            self._depot.folder / "hub",
            logs=self._depot.logs,
            http_port=HTTP_PORT if is_free(HTTP_PORT) else None,
            mqtt_port=MQTT_PORT if is_free(MQTT_PORT) else None,
        )

    def _start_hub(self) -> tuple[Login, str]:
        self._say("Starting the hub ...")
        try:
            self._hub.start().wait_ready()
        except ProcessFailed:
            if is_free(self._hub.http_port) and is_free(self._hub.mqtt_port):
                raise
            # Somebody else took the port while the hub was loading: another demo that was started with this one.
            self._hub = self._new_hub()
            self._hub.start().wait_ready()
        self._say("Registering devices ...")
        return self._depot.enrol(self._hub)

    def _start_agents(self, relays: Relays) -> None:
        self._say("Starting the devices ...")
        for member in AT_START:
            self._configure(member, relays[member.device].port if member.behind_relay else self._hub.mqtt_port)
            self._agents[member.device].start()
        for member in AT_START:
            self._agents[member.device].wait_ready()

    def _configure(self, member: Member, mqtt_port: int) -> None:
        path = self._depot.config(member)
        fresh = path.with_suffix(".new")
        fresh.write_text(
            agent_toml(
                path.read_text(),
                member,
                Ports(self._depot.ports, member.device),
                hub=f"mqtt://127.0.0.1:{mqtt_port}",
                probe_interval_s=self._pace.probe_interval_s,
                seal_s=self._pace.seal_s,
            )
        )
        fresh.chmod(0o600)
        fresh.replace(path)

    def _greet(self, login: Login) -> None:
        for line in greeting(self._hub.url, self._hub.mqtt_port, login, self._depot.folder):
            self._say(line)

    def _dispatcher(self, office: Office) -> Dispatcher:
        return Dispatcher(
            office,
            self._outside,
            self._pace,
            seed=self._seed,
            drawn=self._diary.drawn,
            draws=lambda drawn: self._diary.note(self._clock.now_ms(), drawn=drawn),
            say=self._say,
        )

    def _end(self) -> None:
        """End the devices, then the hub; each in order, and all of them even if one will not."""
        agents = [agent for agent in self._agents.values() if agent.is_running]
        with contextlib.ExitStack() as killing:
            for program in (self._hub, *self._agents.values()):
                killing.callback(program.kill)
            for agent in agents:
                agent.ask_to_stop()
            for agent in agents:
                self._report_end(agent, agent.wait_stopped())
            if self._hub.is_running:
                self._report_end(self._hub, self._hub.stop())

    def _report_end(self, program: Program, status: int) -> None:
        if status:
            self._say(f"{program.name} ended with {status}: {program.last_words()}")

    # -- life ----------------------------------------------------------------------------------------------------------

    def _live(
        self, relays: Relays, ledger: LedgerReader, office: Office, dispatcher: Dispatcher, stop: threading.Event
    ) -> Summary | None:
        supervisor = Supervisor((self._hub, *(self._agents[member.device] for member in AT_START)), self._died)
        enrolling: Future[None] | None = self._helper.submit(self._enrol_own_van, office)
        start_s = time.monotonic()
        status_s = start_s + STATUS_EVERY_S
        while not stop.wait(TICK_S):
            now_s = time.monotonic()
            supervisor.look(now_s)
            if self._outside.trouble is not None:
                raise self._outside.trouble
            if enrolling is not None and enrolling.done():
                self._start_own_van(enrolling, supervisor)
                enrolling = None
            for cue in self._script.due(now_s - start_s):
                self._do(cue, relays, dispatcher, now_s)
            if now_s >= status_s:
                self._at_hub.read_on(ledger)
                self._say(status_line(self._state(start_s, supervisor)))
                status_s = max(status_s + STATUS_EVERY_S, now_s)
            if now_s >= self._tell_s:
                is_told = self._point_out(office, anyhow=now_s >= self._tell_by_s)
                self._tell_s = float("inf") if is_told else now_s + TELL_EVERY_S
            if self._seconds is not None and now_s - start_s >= self._seconds:
                return self._finish(supervisor, ledger, office, stop)
        return None

    def _enrol_own_van(self, office: Office) -> None:
        self._depot.enrol_later(self._hub)
        office.describe(self._pace, [OWN_VAN])

    def _start_own_van(self, enrolled: Future[None], supervisor: Supervisor) -> None:
        """Start its device here, because programs are started by the main thread."""
        enrolled.result()
        self._configure(OWN_VAN, self._hub.mqtt_port)
        agent = self._agents[OWN_VAN.device]
        agent.start()
        supervisor.watch(agent)

    def _do(self, cue: Cue, relays: Relays, dispatcher: Dispatcher, now_s: float) -> None:
        self._diary.note(self._clock.now_ms(), act=cue.act.value, device=cue.device, box=cue.box)
        if (words := happening(cue)) is not None:
            self._say(words)
        match cue.act:
            case act if act in OUTAGES:
                relay = relays[cue.device]
                (relay.cut if act is Act.CUT else relay.black_hole)()
                self._deeds.outages += 1
                self._deeds.offline_since_s[cue.device] = now_s
            case Act.RESUME:
                relays[cue.device].resume()
                self._deeds.offline_since_s.pop(cue.device, None)
            case Act.KILL_AGENT:
                self._agents[cue.device].kill()
                self._deeds.agent_kills += 1
            case Act.KILL_HUB:
                self._hub.kill()
                self._deeds.hub_kills += 1
            case Act.POINT_OUT:
                self._tell_s, self._tell_by_s = now_s, now_s + TELL_WITHIN_S
            case Act.HURRY:
                dispatcher.hurry(cue.device)
            case _:
                self._outside.happens(cue)

    def _point_out(self, office: Office, *, anyhow: bool) -> bool:
        """Tell where the story can be seen, once there is all of it, or `anyhow`; whether that was told."""
        try:
            sights = office.sights()
        except OfficeSilent:
            return False
        if not (anyhow or (sights.excursion and sights.trip)):
            return False
        for line in worth_a_look(self._hub.url, sights):
            self._say(line)
        return True

    def _died(self, program: Program) -> None:
        self._say(f"{program.name} was killed; starting it again")
        self._diary.broke(program.name, self._clock.now_ms())

    def _state(self, start_s: float, supervisor: Supervisor) -> State:
        now_s = time.monotonic()
        return State(
            since_s=now_s - start_s,
            scans=self._outside.counts.scans,
            readings=self._outside.counts.readings,
            proofs=self._outside.proofs,
            scans_at_hub=self._at_hub.scans,
            readings_at_hub=self._at_hub.readings,
            proofs_at_hub=self._at_hub.proofs,
            offline={device: now_s - since_s for device, since_s in self._deeds.offline_since_s.items()},
            down=supervisor.down,
        )

    # -- the proof -----------------------------------------------------------------------------------------------------

    def _finish(
        self, supervisor: Supervisor, ledger: LedgerReader, office: Office, stop: threading.Event
    ) -> Summary | None:
        start_s = time.monotonic()
        self._say("The day is over: everything is unplugged, and what is kept on the devices goes to the hub ...")
        self._outside.park()
        while not self._all_there() and time.monotonic() - start_s < DRAIN_S:
            if stop.wait(DRAIN_LOOK_S):
                return None
            supervisor.look(time.monotonic())
            self._at_hub.read_on(ledger)
            self._at_hub.look_for_pictures(ledger)
            self._say(status_line(self._state(start_s, supervisor)))
        drain_s = time.monotonic() - start_s
        if self._tell_s < float("inf"):
            self._point_out(office, anyhow=True)
        # From the first row again: what was read before may have gone or come twice since.
        facts = [row.fact for row in ledger.rows() if row.fact is not None and not is_a_persons(row.fact)]
        pictures = {name for fact in facts for name in named_by(fact)}
        return Summary(
            comparison=self._compare(facts),
            outages=self._deeds.outages,
            agent_kills=self._deeds.agent_kills,
            hub_kills=self._deeds.hub_kills,
            seconds=self._seconds or 0.0,
            drain_s=drain_s,
            data=self._depot.folder,
            pictures=len(pictures),
            pictures_missing=sum(not ledger.has_blob(name) for name in pictures),
        )

    def _all_there(self) -> bool:
        return not self._at_hub.pictures and self._compare(self._at_hub.facts).total.lost == 0

    def _compare(self, facts: Sequence[Fact]) -> Comparison:
        outside = self._outside
        return compare(outside.scanners(), outside.probes(self._diary.breaks_ms), facts, outside.couriers())
