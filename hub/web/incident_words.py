"""Incidents in sentences that a layman understands: what is the matter, and what to do. Keys of the catalogue."""

from dataclasses import dataclass
from typing import Final, Literal

from contract.delivery.hub_actions import IncidentKind


@dataclass(frozen=True, slots=True)
class IncidentWords:
    """How an incident of one kind is told."""

    level: Literal["attention", "past"]
    what: str
    todo: str


INCIDENT_WORDS: Final[dict[str, IncidentWords]] = {
    IncidentKind.FORK: IncidentWords(
        "attention",
        "speaks with two voices: a copy of this device exists; everything both said is kept",
        "Find the second device and register it anew",
    ),
    IncidentKind.HUB_REGRESSED: IncidentWords(
        "attention",
        "remembers more than this hub: the hub was restored from a backup; the device sends again",
        "Wait until all devices were in contact",
    ),
    IncidentKind.DEVICE_REGRESSED: IncidentWords(
        "attention", "was set back to an earlier state; the hub has what it forgot", "Check what was done to the device"
    ),
    IncidentKind.GAP: IncidentWords(
        "past", "has lost a stretch of its record for good; the cause is kept", "Note it in the affected trips"
    ),
    IncidentKind.CONTENT_LOST: IncidentWords(
        "past", "could not keep some facts; what is missing is known", "Check its storage"
    ),
    IncidentKind.QUARANTINE: IncidentWords(
        "attention",
        "sent facts that cannot be read; their bytes are kept",
        "Update the hub, then replay the quarantine",
    ),
    IncidentKind.NOT_AUTHENTIC: IncidentWords(
        "attention", "messages in its name carry a wrong signature; they were refused", "Register the device anew"
    ),
    IncidentKind.MALFORMED: IncidentWords(
        "past", "sent messages that cannot be read; they were refused", "Check the version of the device"
    ),
    IncidentKind.STALE_HELLO: IncidentWords(
        "past", "an old report of it was played back; it was not counted", "Check who has access to the broker"
    ),
    IncidentKind.READING_CONFLICT: IncidentWords(
        "past", "reported two different values for one moment; both are kept", "Look at the sensor's chart"
    ),
    IncidentKind.DEVICE_DAMAGE: IncidentWords(
        "attention", "found its own storage damaged and went on with a new record", "Replace its storage soon"
    ),
    IncidentKind.CLOCK_TAMPER: IncidentWords(
        "attention",
        "its clock was set back behind the right time; order and distances in time are kept",
        "Find out who set the clock, and look at its readings around then",
    ),
    IncidentKind.BLOB_REFUSED: IncidentWords(
        "past", "sent an attachment that the hub cannot take", "Ask for the picture again"
    ),
    IncidentKind.BACKUP_FAILED: IncidentWords(
        "attention", "could not make its backup; devices let nothing go meanwhile", "Check the disk for backups"
    ),
    IncidentKind.HUB_CLOCK: IncidentWords(
        "attention",
        "its own clock was set by more than ten seconds; times from around then are doubtful",
        "Let the hub's machine keep network time",
    ),
}
UNKNOWN_INCIDENT: Final = IncidentWords("attention", "reported an incident of the kind {kind}", "Look at the incident")
