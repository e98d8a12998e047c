"""Roles and what each may stand in for."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person or a token may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    DISPATCHER = "dispatcher"
    AUDITOR = "auditor"
    ADMIN = "admin"


GRANTS: Final[dict[Role, frozenset[Role]]] = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.VIEWER, Role.OPERATOR}),
    Role.DISPATCHER: frozenset({Role.VIEWER, Role.OPERATOR, Role.DISPATCHER}),
    Role.AUDITOR: frozenset({Role.VIEWER, Role.AUDITOR}),
    Role.ADMIN: frozenset(Role),
}
"""Whoever has the key's role passes where one of the value's roles is required. Auditors read all and change nothing."""
