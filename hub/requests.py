"""What administration commands ask of a hub, as they travel over the control socket (`hub.control`).

Apart from `hub.administration`, which answers them, so that a command that asks a running hub loads none of the hub.
"""

from typing import Final

from msgspec import Struct

from hub.accounts.roles import Role

AT_THE_MACHINE: Final = "command line"
"""Who acts when an administration command does."""


class WhereIsMqtt(Struct, frozen=True, tag=True):
    """Where devices reach the broker; empty while no hub ever ran in this folder."""


class AddDevices(Struct, frozen=True, tag=True):
    """Enrol devices, all or none: for each id its key (hex)."""

    keys: dict[str, str]
    place: str
    who: str = AT_THE_MACHINE


class RevokeDevice(Struct, frozen=True, tag=True):
    """Let a device speak no more, and end its connection."""

    id: str
    who: str = AT_THE_MACHINE
    why: str = ""


class ListDevices(Struct, frozen=True, tag=True):
    """All devices."""


class AddDisplay(Struct, frozen=True, tag=True):
    """Let a screen read the wall displays and the display topics; the result is its credential."""

    name: str
    who: str = AT_THE_MACHINE


class RevokeDisplay(Struct, frozen=True, tag=True):
    """Let a screen read no more."""

    name: str
    who: str = AT_THE_MACHINE
    why: str = ""


class ListDisplays(Struct, frozen=True, tag=True):
    """All screens."""


class AddUser(Struct, frozen=True, tag=True):
    """Add a person; the result is the password."""

    name: str
    role: Role
    first: bool = False
    """Refuse when there is anybody already."""


class ListUsers(Struct, frozen=True, tag=True):
    """All people."""


class DisableUser(Struct, frozen=True, tag=True):
    """Let a person in no more."""

    name: str


class CreateToken(Struct, frozen=True, tag=True):
    """Make a key for a program; the result is the token."""

    role: Role
    label: str
    days: int


class ListQuarantine(Struct, frozen=True, tag=True):
    """What is held."""

    everything: bool = False


class ReplayQuarantine(Struct, frozen=True, tag=True):
    """Try an entry again; the result says whether it went through."""

    id: int


class DropQuarantine(Struct, frozen=True, tag=True):
    """Deal with an entry for good."""

    id: int


class Verify(Struct, frozen=True, tag=True):
    """Check chains, contents, counts and attachments."""


class FindReport(Struct, frozen=True, tag=True):
    """Whether this hub made a report.

    Attributes:
        seal: of its content.
        heads: its chain heads as (device, lane, position, hash).
        trail: the row of the audit trail that it states, as (number, hash).
    """

    seal: str
    heads: tuple[tuple[str, str, int, str], ...] = ()
    trail: tuple[int, str] | None = None


class ArchiveFacts(Struct, frozen=True, tag=True):
    """Move what the hub has had for longer than this into archive files; the result is the files that were made."""

    keep_days: int


class ListArchives(Struct, frozen=True, tag=True):
    """All archive files."""


class MakeBackup(Struct, frozen=True, tag=True):
    """Write a backup to this absolute path."""

    path: str


class ConfigureBroker(Struct, frozen=True, tag=True):
    """Write what an external Mosquitto needs into this absolute folder; the result is the paths of the files."""

    out: str
    listen: str


class AddNoticeTarget(Struct, frozen=True, tag=True):
    """Tell somebody of what needs a person; `url` is a secret."""

    name: str
    url: str
    kinds: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    language: str = "en"


class RemoveNoticeTarget(Struct, frozen=True, tag=True):
    """Tell somebody no more."""

    name: str


class ListNoticeTargets(Struct, frozen=True, tag=True):
    """Who is told, and how that went."""


class SendTestNotice(Struct, frozen=True, tag=True):
    """Send a test to a target."""

    name: str
    who: str = AT_THE_MACHINE
    why: str = ""


class ReleaseNotices(Struct, frozen=True, tag=True):
    """Let notices go out that wait since the hub was set back."""


NoticeRequest = AddNoticeTarget | RemoveNoticeTarget | ListNoticeTargets | SendTestNotice | ReleaseNotices

Request = (
    WhereIsMqtt
    | AddDevices
    | RevokeDevice
    | ListDevices
    | AddDisplay
    | RevokeDisplay
    | ListDisplays
    | AddUser
    | ListUsers
    | DisableUser
    | CreateToken
    | ListQuarantine
    | ReplayQuarantine
    | DropQuarantine
    | Verify
    | FindReport
    | ArchiveFacts
    | ListArchives
    | MakeBackup
    | ConfigureBroker
    | AddNoticeTarget
    | RemoveNoticeTarget
    | ListNoticeTargets
    | SendTestNotice
    | ReleaseNotices
)
