"""What programs beside the agent say to it over the Unix socket `agent.sock`: the courier app, and the agent's own commands.

Every message is one MessagePack array that starts with its kind, behind four bytes of length (big-endian). A connection asks
and is answered in turn; after `Follow` it is only told what happens, until it is closed.

Whatever records something carries a `request_id`, made before the first try and saved with the draft: the same id again is
answered with the first result (`Kept.repeated`), so a crash between commit and answer makes no second fact.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from contract.coldchain.findings import Budget
from contract.errors import Malformed, TooLarge
from contract.event import Alarm, CentiUnits, Digest, EpochMs, Fix, Key, Lane, Note, Proof, Step, Text, Verdict
from contract.fact import Fact
from contract.limits import MAX_BLOBS_PER_FACT, MAX_CODE_BYTES
from contract.messages import LatestReading, N

LENGTH_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 1024 * 1024
"""One message; the longest is a draft or a document part."""
MAX_DRAFT_BYTES: Final = 512 * 1024
MAX_TOML_CHARS: Final = 16 * 1024
MAX_LISTED: Final = 500
DOCUMENT_SLICE_BYTES: Final = 512 * 1024

RequestId = Annotated[bytes, Meta(min_length=16, max_length=16)]
FileName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")]
"""A file in the agent's folder `incoming/`; no path can be said with it."""
DraftName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")]


class Signal(StrEnum):
    """What a person is told about a scan."""

    KEPT = "kept"
    UNEXPECTED = "unexpected"
    """Kept, but not on the manifest."""
    DUPLICATE = "duplicate"
    """Already kept a moment ago."""
    REFUSED = "refused"
    """Not kept."""


# -- requests ----------------------------------------------------------------------------------------------------------


class RecordScan(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="record_scan"):
    """Keep one scan. Without `place` it happened at the device's own place; its position is the device's, too."""

    request_id: RequestId
    code: Annotated[bytes, Meta(min_length=1, max_length=MAX_CODE_BYTES)]
    step: Step
    aim: Annotated[str, Meta(max_length=3)] = ""
    place: Text = ""


class RecordProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="record_proof"):
    """Keep one proof. Its pictures are files in `incoming/`; `proof` names none itself.

    Where it says nothing of place and cold, the agent states where the device is and how its sensors stand at the commit.

    The files are written once, belong to whoever asks until the answer is `Kept`, and are theirs to delete then: so the same
    request can be made again after a crash. Those that no draft names are deleted by the agent after a week.
    """

    request_id: RequestId
    proof: Proof
    signature: FileName | None = None
    photos: Annotated[tuple[FileName, ...], Meta(max_length=MAX_BLOBS_PER_FACT)] = ()


class SignOn(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sign_on"):
    """A person takes the device: what follows is stated in their name."""

    request_id: RequestId
    actor: Key


class SignOff(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sign_off"):
    """The person leaves the device."""

    request_id: RequestId


class AcknowledgeAlarm(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="acknowledge_alarm"):
    """A person saw an alarm and says why it is no more worry."""

    request_id: RequestId
    alarm: Key
    why: Text


class CorrectScan(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="correct_scan"):
    """Take a scan of this device back; it stays visible."""

    request_id: RequestId
    fact_id: Digest
    why: Note


class MeanScans(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="mean_scans"):
    """What all scanners of the device mean from now on, as the configuration card of that step would."""

    step: Step


class DraftPut(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="draft_put"):
    """Keep unfinished work over crashes; a draft of that name is replaced."""

    name: DraftName
    data: Annotated[bytes, Meta(max_length=MAX_DRAFT_BYTES)]


class DraftGet(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="draft_get"):
    """Give a draft back."""

    name: DraftName


class DraftDrop(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="draft_drop"):
    """Forget a draft; none of that name is fine."""

    name: DraftName


class ListDrafts(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="list_drafts"):
    """Name the drafts."""


class GetStatus(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="get_status"):
    """Tell how the device is."""


class GetOutbox(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="get_outbox"):
    """List kept facts, newest first; `before` is `next_before` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = 100
    before: N | None = None


class GetDrivers(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="get_drivers"):
    """Tell how the drivers are."""


class AddDriver(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="add_driver"):
    """Add a driver to `agent.toml` and start it. `toml` is the inside of one `[[drivers]]` table."""

    toml: Annotated[str, Meta(max_length=MAX_TOML_CHARS)]


class GetDocument(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="get_document"):
    """Give a slice of a document of the hub (route, manifest, limits) from byte `offset` on."""

    kind: Key
    offset: Annotated[int, Meta(ge=0, le=2**31)] = 0


class Follow(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="follow"):
    """Tell from now on what happens here; first how it is now."""


Request = (
    RecordScan
    | RecordProof
    | SignOn
    | SignOff
    | AcknowledgeAlarm
    | CorrectScan
    | MeanScans
    | DraftPut
    | DraftGet
    | DraftDrop
    | ListDrafts
    | GetStatus
    | GetOutbox
    | GetDrivers
    | AddDriver
    | GetDocument
    | Follow
)


# -- answers -----------------------------------------------------------------------------------------------------------


class Kept(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kept"):
    """It is on disk. `signal` is how a scan compares with the manifest; `problem` says what is odd about its code."""

    fact_id: Digest
    lane: Lane
    n: N
    at_ms: EpochMs
    signal: Signal = Signal.KEPT
    repeated: bool = False
    kind: Text = ""
    parcel: str = ""
    verdict: Verdict = Verdict.UNKNOWN
    problem: str = ""
    vehicle: Text = ""
    """What the parcel is for by the manifest: "van 12"."""


class Refused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="refused"):
    """Not done, and nothing was kept of it; `why` is a sentence for the person."""

    why: str


class Done(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="done"):
    """Done; there is nothing to tell."""


class Draft(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="draft"):
    """A draft; None when there is none of that name."""

    data: bytes | None


class Drafts(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="drafts"):
    """The names of all drafts."""

    names: tuple[str, ...]


class LaneStatus(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Counts of one lane in the present incarnation."""

    lane: Lane
    kept: int
    sent: int
    committed: int
    released: int


class DriverStatus(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How one driver is. `counters` counts what came by the name of it: frames, noise, and every reason of rejection."""

    name: str
    kind: str
    port: str
    state: str
    """`open`, `missing`, `silent` (open, but the sensor behind it does not answer), or `closed` where no agent runs."""
    last_frame_at_ms: EpochMs | None = None
    counters: tuple[tuple[str, int], ...] = ()
    why: str = ""
    """Why it is not open, or what was last rejected."""


class ColdState(StrEnum):
    """How a sensor stands to its profile now."""

    INSIDE = "inside"
    ABOVE = "above"
    BELOW = "below"
    NO_DATA = "no_data"
    """Silent for longer than its profile allows: never as good as inside."""


class OpenAlarm(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An alarm that lasts."""

    alarm: Key
    limit: Text
    """Of the profile; `no data` where the sensor is silent."""
    started_at_ms: EpochMs
    extreme: CentiUnits | None
    acknowledged: bool


class SensorCold(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A sensor as the device itself judges it."""

    sensor: Key
    profile: Key
    state: ColdState
    budgets: tuple[Budget, ...]
    """One for each limit, in the profile's order."""
    alarms: tuple[OpenAlarm, ...] = ()


class DeviceStatus(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="status"):
    """How the device is."""

    device: str
    running: bool
    version: str
    incarnation: bytes
    lanes: tuple[LaneStatus, ...]
    unsealed: int
    """Readings that wait to be sealed into a block."""
    blobs_pending: int
    oldest_unsent_at_ms: EpochMs | None
    storage: str
    """`ok`, `releasing`, `thinning`, `stopped` (telemetry) or `refusing`."""
    used_bytes: int
    room_bytes: int
    room_s: int | None
    """Seconds until storage is full at the present rate; None when it is not filling."""
    link: str
    """`offline`, `greeting`, `synced`, or `none` where no hub is configured."""
    last_contact_at_ms: EpochMs | None
    actor: str
    drivers: tuple[DriverStatus, ...]
    documents: tuple[tuple[str, int], ...] = ()
    cold: tuple[SensorCold, ...] = ()
    """Sensors that have a profile, by name."""


class OutboxItem(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One kept fact; `fact` is None where its bytes are no longer whole."""

    fact_id: Digest
    lane: Lane
    n: int
    committed: bool
    fact: Fact | None


class OutboxPage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="outbox"):
    """Kept facts, newest first; `next_before` goes on, None at the end."""

    items: tuple[OutboxItem, ...]
    next_before: int | None = None


class Drivers(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="drivers"):
    """How the drivers are, and which ports (path, description) the machine shows."""

    drivers: tuple[DriverStatus, ...]
    ports: tuple[tuple[str, str], ...] = ()


class DocumentSlice(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="document_slice"):
    """Bytes of a document; `version` 0 and no bytes when the hub never sent one."""

    kind: Key
    version: N
    size: int
    data: bytes


Answer = Kept | Refused | Done | Draft | Drafts | DeviceStatus | OutboxPage | Drivers | DocumentSlice


# -- what a follower is told -------------------------------------------------------------------------------------------


class ScanHappened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="scan_happened"):
    """A code was scanned, here or by a command; with what the person was told about it."""

    driver: str
    code: bytes
    aim: str
    kind: Text
    parcel: str
    signal: Signal
    at_ms: EpochMs
    verdict: Verdict = Verdict.UNKNOWN
    vehicle: Text = ""
    step: Step | None = None
    """None where no scan was kept."""
    fact_id: Digest | None = None


class ReadingsHappened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="readings_happened"):
    """Latest values; the first message after `Follow` names every sensor."""

    readings: tuple[LatestReading, ...]


class FixHappened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="fix_happened"):
    """Where the device is."""

    driver: str
    fix: Fix
    at_ms: EpochMs


class LinkHappened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="link_happened"):
    """The conversation with the hub changed."""

    link: str
    last_contact_at_ms: EpochMs | None


class DriverHappened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="driver_happened"):
    """A driver lost its device or found it again."""

    driver: str
    found: bool
    why: str


class DocumentHappened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="document_happened"):
    """A document of the hub is now in force."""

    kind: Key
    version: N


class AlarmHappened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="alarm_happened"):
    """An alarm was raised, ended or acknowledged; it is on disk."""

    alarm: Alarm


class ColdHappened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="cold_happened"):
    """Sensors that stand otherwise to their profiles than told before; the first message after `Follow` names every one."""

    sensors: tuple[SensorCold, ...]


Happening = (
    ScanHappened
    | ReadingsHappened
    | FixHappened
    | LinkHappened
    | DriverHappened
    | DocumentHappened
    | AlarmHappened
    | ColdHappened
)

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer | Happening] = msgspec.msgpack.Decoder(Answer | Happening)


def frame(message: Request | Answer | Happening) -> bytes:
    """The bytes to write for one message.

    Raises:
        TooLarge: more than MAX_FRAME_BYTES.
    """
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise TooLarge(f"local message of {len(body)} bytes; at most {MAX_FRAME_BYTES} are allowed")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode_request(body: bytes) -> Request:
    """Read what was asked.

    Raises:
        Malformed: not one of the requests, or a value outside its range.
    """
    try:
        return _requests.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not a request to the agent: {error}") from error


def decode_answer(body: bytes) -> Answer | Happening:
    """Read what the agent said.

    Raises:
        Malformed: not one of the answers, or a value outside its range.
    """
    try:
        return _answers.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not an answer of the agent: {error}") from error


class FrameReader:
    """Cuts a stream of bytes into messages; holds at most one unfinished message."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in pieces of any size and give the bodies they complete.

        Raises:
            TooLarge: a length beyond MAX_FRAME_BYTES; the stream cannot be read on.
        """
        self._held += data
        bodies = []
        while len(self._held) >= LENGTH_BYTES:
            length = int.from_bytes(self._held[:LENGTH_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                raise TooLarge(f"local message of {length} bytes announced; at most {MAX_FRAME_BYTES} are read")
            end = LENGTH_BYTES + length
            if len(self._held) < end:
                break
            bodies.append(bytes(self._held[LENGTH_BYTES:end]))
            del self._held[:end]
        return bodies
