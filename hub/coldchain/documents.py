"""What devices are told of how their sensors are judged, so that they can raise alarms themselves."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from contract.coldchain.assignments import COLDCHAIN_DOCUMENT, Assignment, ColdChainDocument, encode_assignments
from hub.coldchain.profiles import known_profiles
from hub.coldchain.tables import sensor_record
from hub.documents import put_document

_record = sensor_record.c


def assigned_devices(conn: Connection) -> set[str]:
    """Devices with sensors about whose judgement something was decided."""
    query = select(_record.device).where(_record.profile_from_ms.is_not(None)).distinct()
    return set(conn.scalars(query))


def push_assignments(tx: Connection, devices: Collection[str], now_ms: int) -> None:
    """Make the newest assignments the document of these devices; they get it with the answer to their next hello."""
    if not devices:
        return
    profiles = known_profiles(tx)
    for device in sorted(devices):
        query = select(_record.sensor, _record.profile, _record.profile_from_ms).where(_record.device == device)
        sensors = {
            row.sensor: Assignment(profiles[row.profile], row.profile_from_ms)
            for row in tx.execute(query)
            if row.profile in profiles and row.profile_from_ms is not None
        }
        put_document(tx, device, COLDCHAIN_DOCUMENT, encode_assignments(ColdChainDocument(sensors)), now_ms=now_ms)
