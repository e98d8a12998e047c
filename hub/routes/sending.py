"""Sends documents that have just changed at once; a device that is out of contact asks for them with its next hello."""

from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import select

from contract.messages import encode_message
from contract.route import MANIFEST_DOCUMENT, ROUTE_DOCUMENT
from contract.statement import Direction, seal
from hub import tables as t
from hub.db import Database
from hub.documents import parts
from hub.registry import Registry

KINDS: Final = (ROUTE_DOCUMENT, MANIFEST_DOCUMENT)
_c = t.device_document.c


def sender(
    database: Database, registry: Registry, publish: Callable[[str, bytes], None]
) -> Callable[[Collection[str]], None]:
    """What sends devices their routes and manifests; one that has them already ignores them."""

    def send(devices: Collection[str]) -> None:
        for name in sorted(devices):
            device = registry.find(name)
            if device is None or device.revoked_ms is not None:
                continue
            with database.read() as conn:
                query = select(_c.kind, _c.version, _c.data).where(_c.device == name, _c.kind.in_(KINDS))
                documents = conn.execute(query.order_by(_c.kind)).all()
            for row in documents:
                for part in parts(row.kind, row.version, row.data):
                    publish(name, seal(device.key, Direction.DOWN, name, encode_message(part)))

    return send
