"""The test machine itself: databases are copies, commits stay in their own copy, no login is a superuser."""

import re
import threading
from pathlib import Path

import psycopg
import pytest
from django.db import connection, connections

from devstack.postgres import Login, find_installation
from devstack.template import read_dump, write_dump
from tests.fixtures.machine import Machine

LOGINS = {"ondol_owner", "ondol_web_login", "ondol_staff_login", "ondol_test", "ondol_web", "ondol_staff"}


def _insert_lease(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE ondol_staff")
        cursor.execute(
            "INSERT INTO kernel_lease (name, holder, fencing_token, expires_at) VALUES (%s, 'test', 1, '2026-01-01T00:00Z')",
            [name],
        )
        cursor.execute("RESET ROLE")


def _read_leases() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE ondol_staff")
        cursor.execute("SELECT name FROM kernel_lease ORDER BY name")
        names = [row[0] for row in cursor.fetchall()]
        cursor.execute("RESET ROLE")
    return names


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["first", "second"])
def test_a_test_without_commit_leaves_nothing(name: str) -> None:
    assert _read_leases() == []
    _insert_lease(name)
    assert _read_leases() == [name]


@pytest.mark.committing
@pytest.mark.parametrize("name", ["first", "second"])
def test_a_committing_test_has_a_database_of_its_own(name: str, machine: Machine) -> None:
    assert connection.settings_dict["NAME"] != machine.database
    assert _read_leases() == []
    _insert_lease(name)
    connection.close()
    assert _read_leases() == [name]


@pytest.mark.django_db(transaction=True)
def test_threads_of_a_committing_test_see_its_database() -> None:
    _insert_lease("shared")
    seen: list[list[str]] = []

    def read() -> None:
        seen.append(_read_leases())
        connections.close_all()

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert seen == [["shared"]]


@pytest.mark.django_db
def test_no_login_may_bypass_row_level_security() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'ondol%' AND NOT rolsuper AND NOT rolbypassrls"
            " AND NOT rolcreaterole AND NOT rolcreatedb"
        )
        assert {row[0] for row in cursor.fetchall()} == LOGINS | {"ondol_test_staff"}
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("ondol_test",)


@pytest.mark.django_db
def test_a_tests_login_sees_what_web_sees_until_it_becomes_staff() -> None:
    with connection.cursor() as cursor, pytest.raises(Exception, match="permission denied for table kernel_lease"):
        cursor.execute("SELECT * FROM kernel_lease")


@pytest.mark.committing
@pytest.mark.parametrize(
    ("login", "role", "is_allowed"),
    [
        (Login.WEB, "ondol_web", True),
        (Login.WEB, "ondol_staff", False),
        (Login.WEB, "ondol_owner", False),
        (Login.STAFF, "ondol_staff", True),
        (Login.STAFF, "ondol_web", False),
        (Login.STAFF, "ondol_owner", False),
        (Login.TEST, "ondol_web", True),
        (Login.TEST, "ondol_staff", True),
        (Login.TEST, "ondol_owner", False),
    ],
)
def test_each_login_may_become_its_own_role_only(
    machine: Machine, committing_db: str, *, login: Login, role: str, is_allowed: bool
) -> None:
    url = machine.stack.shared.access.url(database=committing_db, login=login)
    with psycopg.connect(url) as other:
        if is_allowed:
            other.execute(f"SET ROLE {role}")
            assert other.execute("SELECT current_user").fetchone() == (role,)
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                other.execute(f"SET ROLE {role}")


def test_a_database_read_from_a_dump_is_the_one_that_was_dumped(machine: Machine, tmp_path: Path) -> None:
    """Owners, grants, policies, triggers and rows: a dump of the copy says what the dump said."""
    machine.ensure("database")
    installation, access = find_installation(), machine.stack.shared.access
    first, second = tmp_path / "first.sql", tmp_path / "second.sql"
    write_dump(access=access, installation=installation, database=machine.stack.shared.template, dump=first)
    copy = f"{machine.database}_from_dump"
    access.create_database(name=copy)
    try:
        assert read_dump(access=access, installation=installation, database=copy, dump=first)
        write_dump(access=access, installation=installation, database=copy, dump=second)
    finally:
        access.drop_database(name=copy)
    assert "CREATE POLICY" in first.read_text()
    assert _statements(first) == _statements(second)


def test_a_dump_that_does_not_fit_leaves_the_database_empty_and_goes_away(machine: Machine, tmp_path: Path) -> None:
    machine.ensure("database")
    installation, access = find_installation(), machine.stack.shared.access
    broken = tmp_path / "broken.sql"
    broken.write_text("CREATE TABLE half (id integer); SELECT nonsense;")
    name = f"{machine.database}_broken"
    access.create_database(name=name)
    try:
        assert not read_dump(access=access, installation=installation, database=name, dump=broken)
        with access.admin_connection(database=name) as connection:
            assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)
    finally:
        access.drop_database(name=name)
    assert not broken.exists()


def _statements(dump: Path) -> list[str]:
    """Without psql's own lines, which carry a random word, and the casts of constants, which PostgreSQL writes in two ways."""
    lines = [line for line in dump.read_text().splitlines() if not line.startswith("\\")]
    return [re.sub(r'[()]|::"text"(\[\])?|::character varying', "", line) for line in lines]
