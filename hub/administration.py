"""Administration: what commands ask of a hub. The same code answers in the running hub and in a command that opens the folder.

Requests are in `hub.requests`; results travel as JSON over the control socket (`hub.control`).
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from hub import tables as t
from hub.accounts.anchors import is_row
from hub.accounts.audit import audit
from hub.accounts.errors import AccountError
from hub.accounts.service import create_token, create_user, disable_user, list_users
from hub.archive.moving import list_archives
from hub.archive.schedule import archive_older
from hub.backup import make_backup
from hub.broker.address import parse_bind
from hub.broker.mosquitto import write_mosquitto_config
from hub.centre import Centre
from hub.display.credentials import add_display, list_displays, revoke_display
from hub.enrolment import enrol, revoke
from hub.errors import Refused
from hub.ingest import Ingest, Outlets
from hub.intake import Incoming
from hub.ledger import statements
from hub.notices.administration import administer_notices
from hub.quarantine import drop, list_quarantine, replay
from hub.reports.check import Head
from hub.reports.record import made_reports, unknown_heads
from hub.requests import (
    AT_THE_MACHINE,
    AddDevices,
    AddDisplay,
    AddUser,
    ArchiveFacts,
    ConfigureBroker,
    CreateToken,
    DisableUser,
    DropQuarantine,
    FindReport,
    ListArchives,
    ListDevices,
    ListDisplays,
    ListQuarantine,
    ListUsers,
    MakeBackup,
    NoticeRequest,
    ReplayQuarantine,
    Request,
    RevokeDevice,
    RevokeDisplay,
    Verify,
    WhereIsMqtt,
)
from hub.verify import verify_ledger

MQTT_SETTING = "mqtt"


class Administration:
    """Answers requests over one open data folder; from any thread."""

    def __init__(self, centre: Centre, devices_changed: Callable[[], None] = lambda: None) -> None:
        """`devices_changed` is called after a device was enrolled or revoked."""
        self._centre = centre
        self._devices_changed = devices_changed
        self._changing_devices = threading.Lock()

    def answer(self, request: Request) -> Any:
        """Do what is asked; the result is of JSON types, structs and dataclasses.

        Raises:
            Refused: it cannot be done; nothing was changed.
        """
        if isinstance(request, NoticeRequest):
            return administer_notices(self._centre.db, request, self._centre.now_ms())
        try:
            return self._answer(request)
        except AccountError as error:
            raise Refused(str(error)) from error

    def _answer(self, request: Request) -> Any:
        match request:
            case WhereIsMqtt():
                return self._setting(MQTT_SETTING)
            case AddDevices() | RevokeDevice() | AddDisplay() | RevokeDisplay():
                return self._change_guests(request)
            case ListDevices() | ListDisplays():
                with self._centre.db.read() as tx:
                    return list_displays(tx) if isinstance(request, ListDisplays) else _devices(tx)
            case AddUser() | ListUsers() | DisableUser() | CreateToken():
                return self._accounts(request)
            case ListQuarantine(everything):
                with self._centre.db.read() as tx:
                    return [
                        {
                            "id": h.id,
                            "kind": h.kind,
                            "device": h.device,
                            "at_ms": h.at_ms,
                            "state": h.state,
                            "why": h.why,
                        }
                        | {"fact": h.fact_id.hex() if h.fact_id else None, "projection": h.projection or None}
                        for h in list_quarantine(tx, everything=everything)
                    ]
            case ReplayQuarantine() | DropQuarantine():
                return self._quarantine(request)
            case Verify() | FindReport() | MakeBackup() | ArchiveFacts() | ListArchives():
                return self._of_the_ledger(request)
            case ConfigureBroker(out, listen):
                registry = self._centre.registry
                files = write_mosquitto_config(Path(out), parse_bind(listen), registry.active(), registry.displays())
                return [str(path) for path in files]

    def remember_mqtt(self, url: str) -> None:
        """Keep where devices reach the broker, for commands given while the hub is stopped."""
        if self._setting(MQTT_SETTING) == url:
            # A hub that starts on a full disk can still say what it has.
            return
        with self._centre.db.write() as tx:
            tx.execute(statements.latest(tx.dialect.name, t.setting), {"name": MQTT_SETTING, "value": url})

    def _of_the_ledger(self, request: Verify | FindReport | MakeBackup | ArchiveFacts | ListArchives) -> Any:
        centre = self._centre
        match request:
            case MakeBackup(path):
                made = make_backup(centre.db, centre.blobs, Path(path), centre.now_ms())
                return {"path": str(made.path), "facts": made.facts, "blobs": made.blobs, "bytes": made.bytes}
            case ArchiveFacts(keep_days):
                try:
                    return list(archive_older(centre, keep_days))
                except OSError as error:
                    raise Refused(f"the archive cannot be written: {error}") from error
            case _:
                with centre.db.read() as tx:
                    return self._looked_up(tx, request)

    def _looked_up(self, tx: Connection, request: Verify | FindReport | ListArchives) -> Any:
        match request:
            case Verify():
                return verify_ledger(tx, self._centre.blobs)
            case ListArchives():
                return list_archives(tx)
            case FindReport(seal, heads, trail):
                unknown = list(unknown_heads(tx, [Head(*head) for head in heads]))
                known_trail = trail is None or is_row(tx, *trail)
                return {"made": made_reports(tx, seal), "unknown_heads": unknown, "trail_known": known_trail}

    def _setting(self, name: str) -> str:
        with self._centre.db.read() as tx:
            return tx.execute(select(t.setting.c.value).where(t.setting.c.name == name)).scalar() or ""

    def _change_guests(self, request: AddDevices | RevokeDevice | AddDisplay | RevokeDisplay) -> Any:
        # One after the other to the end: whoever read the devices first must not be the last to say who they are.
        with self._changing_devices:
            result = self._change(request)
            with self._centre.db.read() as reader:
                self._centre.registry.reload(reader)
            self._devices_changed()
        return result

    def _change(self, request: AddDevices | RevokeDevice | AddDisplay | RevokeDisplay) -> Any:
        now_ms = self._centre.now_ms()
        with self._centre.db.write() as tx:
            match request:
                case AddDevices(keys, place, who):
                    for device, key in keys.items():
                        enrol(tx, device, place, now_ms, key=bytes.fromhex(key))
                        audit(tx, at_ms=now_ms, who=who, action="device.add", subject=device, new=place)
                    return None
                case RevokeDevice(device, who, why):
                    revoke(tx, device, now_ms)
                    return audit(tx, at_ms=now_ms, who=who, action="device.revoke", subject=device, why=why)
                case AddDisplay(name, who):
                    return add_display(tx, name, now_ms=now_ms, who=who)
                case RevokeDisplay(name, who, why):
                    return revoke_display(tx, name, now_ms=now_ms, who=who, why=why)

    def _accounts(self, request: AddUser | ListUsers | DisableUser | CreateToken) -> Any:
        now_ms = self._centre.now_ms()
        with self._centre.db.write() as tx:
            match request:
                case AddUser(name, role, first):
                    if first and list_users(tx):
                        raise Refused("this hub has its first account already; use `holdfast-hub user add`")
                    return create_user(tx, name, role, now_ms=now_ms)
                case DisableUser(name):
                    return disable_user(tx, name, now_ms=now_ms)
                case CreateToken(role, label, days):
                    return create_token(tx, role, label, days, now_ms=now_ms)
                case ListUsers():
                    return list_users(tx)

    def _quarantine(self, request: ReplayQuarantine | DropQuarantine) -> bool:
        centre = self._centre
        match request:
            case DropQuarantine(entry):
                with centre.db.write() as tx:
                    drop(tx, entry)
                    subject, at_ms = str(entry), centre.now_ms()
                    audit(tx, at_ms=at_ms, who=AT_THE_MACHINE, action="quarantine.drop", subject=subject)
                return True
            case ReplayQuarantine(entry):
                again: list[Incoming] = []
                with centre.write_ledger() as tx:
                    done = replay(tx, entry, projector=centre.projector, heads=centre.heads, say_again=again.append)
                    if done:
                        subject, at_ms = str(entry), centre.now_ms()
                        audit(tx, at_ms=at_ms, who=AT_THE_MACHINE, action="quarantine.replay", subject=subject)
                # Nobody waits for an answer; the device will ask by itself.
                Ingest(centre, Outlets(publish=lambda _device, _payload: None)).process(again)
                centre.projector.run()
                return done


def _devices(tx: Connection) -> list[dict[str, Any]]:
    d, c = t.device.c, t.device_contact.c
    query = (
        select(d.id, d.place, d.enrolled_ms, d.revoked_ms, c.contact_ms, c.backlog_facts)
        .join(t.device_contact, c.device == d.id, isouter=True)
        .order_by(d.id)
    )
    return [dict(row) for row in tx.execute(query).mappings()]
