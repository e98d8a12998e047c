import pytest
from pwdlib import PasswordHash
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from hub.accounts.errors import LifetimeUnusable, NameTaken, NameUnknown, NameUnusable, PasswordTooShort
from hub.accounts.queries import password_hash_of, session_holder, token_holder
from hub.accounts.roles import Role
from hub.accounts.secrets import password_fits
from hub.accounts.service import (
    SESSION_MS,
    create_token,
    create_user,
    disable_user,
    end_session,
    list_users,
    start_session,
)
from hub.accounts.tables import api_token, audit_trail, user_account, user_session
from tests.hub.web.seeded import NOW_MS, PASSWORD, SeededHub


def test_a_new_hub_has_no_user_and_no_token_at_all(hub: SeededHub) -> None:
    with hub.database.read() as reader:
        assert list_users(reader) == []
        assert reader.execute(select(api_token)).all() == []


def test_guessing_a_password_that_leaked_as_its_hash_costs_64_mib_and_three_passes_each(
    shipped_hasher: PasswordHash,
) -> None:
    assert shipped_hasher.hash("correct horse").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_password_made_at_random_signs_in_and_is_kept_as_argon2id_only(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        password = create_user(tx, "ada", Role.ADMIN, now_ms=NOW_MS)
        other = create_user(tx, "bob", Role.VIEWER, now_ms=NOW_MS)
    with hub.database.read() as reader:
        kept = password_hash_of(reader, "ada")
        rows = repr(reader.execute(select(user_account)).all())
    assert kept is not None
    assert kept.startswith("$argon2id$")
    assert password_fits(password, kept)
    assert not password_fits(other, kept)
    assert password not in rows
    assert len(password) >= 20
    assert password != other


def test_nobody_signs_in_with_an_unknown_name_or_an_empty_password(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        create_user(tx, "ada", Role.ADMIN, PASSWORD, now_ms=NOW_MS)
        assert not password_fits("", password_hash_of(tx, "ada"))
        assert not password_fits(PASSWORD, password_hash_of(tx, "nobody"))


@pytest.mark.parametrize(
    ("name", "password", "error"),
    [
        ("ada", None, NameTaken),
        ("", None, NameUnusable),
        ("a b", None, NameUnusable),
        ("x" * 65, None, NameUnusable),
        ("<script>", None, NameUnusable),
        ("bob", "short", PasswordTooShort),
    ],
)
def test_an_unusable_account_is_refused_and_nothing_is_written(
    hub: SeededHub, name: str, password: str | None, error: type[Exception]
) -> None:
    with hub.database.write() as tx:
        create_user(tx, "ada", Role.VIEWER, PASSWORD, now_ms=NOW_MS)
        with pytest.raises(error):
            create_user(tx, name, Role.VIEWER, password, now_ms=NOW_MS)
        assert [user.name for user in list_users(tx)] == ["ada"]


def test_disabling_ends_sessions_at_once_and_says_who_and_why(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        create_user(tx, "ada", Role.OPERATOR, PASSWORD, now_ms=NOW_MS)
        secret = start_session(tx, "ada", now_ms=NOW_MS)
        assert session_holder(tx, secret, NOW_MS) is not None
        disable_user(tx, "ada", now_ms=NOW_MS + 1, who="root", why="left")
        assert session_holder(tx, secret, NOW_MS + 1) is None
        assert password_hash_of(tx, "ada") is None
        last = tx.execute(select(audit_trail).order_by(audit_trail.c.id.desc())).first()
        assert last is not None
        assert (last.who, last.action, last.subject, last.old, last.why) == (
            "root",
            "user.disable",
            "ada",
            "operator",
            "left",
        )
        with pytest.raises(NameUnknown):
            disable_user(tx, "bob", now_ms=NOW_MS)


def test_a_session_ends_by_itself_and_by_signing_out(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        create_user(tx, "ada", Role.VIEWER, PASSWORD, now_ms=NOW_MS)
        first = start_session(tx, "ada", now_ms=NOW_MS)
        second = start_session(tx, "ada", now_ms=NOW_MS)
        assert first != second
        end_session(tx, second, now_ms=NOW_MS)
        assert session_holder(tx, second, NOW_MS) is None
        assert session_holder(tx, first, NOW_MS + SESSION_MS - 1) is not None
        assert session_holder(tx, first, NOW_MS + SESSION_MS) is None
        assert first not in repr(tx.execute(select(user_session)).all())


def test_a_token_is_kept_as_a_hash_and_ends(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        token = create_token(tx, Role.AUDITOR, "nightly export", 1, now_ms=NOW_MS)
        holder = token_holder(tx, token, NOW_MS)
        assert holder is not None
        assert (holder.name, holder.role) == ("token nightly export", Role.AUDITOR)
        assert token_holder(tx, token, NOW_MS + 86_400_000) is None
        assert token_holder(tx, token + "x", NOW_MS) is None
        assert token not in repr(tx.execute(select(api_token)).all())
        for days in (0, -1, 100_000):
            with pytest.raises(LifetimeUnusable):
                create_token(tx, Role.VIEWER, "x", days, now_ms=NOW_MS)


@pytest.mark.parametrize("statement", [update(audit_trail).values(who="nobody"), delete(audit_trail)])
def test_the_audit_trail_takes_lines_and_never_gives_them_up(hub: SeededHub, statement: object) -> None:
    with hub.database.write() as tx:
        create_user(tx, "ada", Role.VIEWER, PASSWORD, now_ms=NOW_MS)
    with pytest.raises(DBAPIError, match="only ever added"), hub.database.write() as tx:
        tx.execute(statement)  # type: ignore[call-overload]  # both are statements
