"""No table with a tenant is left open, and no role of ours could look past the policies."""

import pytest
from django.apps import apps
from django.db import connection

from tests.architecture.tree import PRODUCT

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


def _list_tenant_tables() -> list[str]:
    """Tables whose rows belong to a tenant, and the tenants themselves."""
    tables = []
    for model in apps.get_models(include_auto_created=True):
        if model.__module__.split(".", maxsplit=1)[0] not in PRODUCT:
            continue
        columns = {field.column for field in model._meta.concrete_fields}
        if "tenant_id" in columns or model._meta.label == "tenants.Tenant":
            tables.append(model._meta.db_table)
    return sorted(tables)


def _list_our_tables() -> list[str]:
    ours = [model for model in apps.get_models() if model.__module__.split(".", maxsplit=1)[0] in PRODUCT]
    return sorted(model._meta.db_table for model in ours)


def test_row_security_is_forced_on_every_table_of_a_tenant() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND relrowsecurity AND relforcerowsecurity"
        )
        forced = {name for (name,) in cursor.fetchall()}
    tables = _list_tenant_tables()
    assert [table for table in tables if table not in forced] == []
    assert len(tables) > 10, "the check must have looked at something"


def test_every_policy_of_the_web_role_names_the_tenant_or_the_user() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename, policyname, coalesce(qual, '') || ' ' || coalesce(with_check, '') FROM pg_policies"
            " WHERE 'ondol_web' = ANY(roles) OR 'public' = ANY(roles)"
        )
        rows = cursor.fetchall()
    open_ones = [
        f"{table}.{policy}: {text}"
        for table, policy, text in rows
        if "current_setting('ondol." not in text and "current_setting('ondol" not in text
    ]
    assert open_ones == []
    assert {table for table, _policy, _text in rows} >= set(_list_tenant_tables()) - _unreadable_for_web()


def _unreadable_for_web() -> set[str]:
    """Tables on which the web role has no privilege at all need no policy for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
            " AND NOT has_table_privilege('ondol_web', c.oid, 'SELECT, INSERT, UPDATE, DELETE')"
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize("role", ["ondol_owner", "ondol_web", "ondol_staff", "ondol_web_login", "ondol_staff_login"])
def test_no_role_could_look_past_the_policies(role: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = %s",
            [role],
        )
        assert cursor.fetchone() == (False, False, False, False, False)


def test_the_tests_run_under_a_role_that_policies_bind() -> None:
    """With a superuser every test of isolation would prove nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR rolbypassrls, pg_has_role(current_user, 'ondol_owner', 'MEMBER')"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, False)


def test_neither_role_owns_or_truncates_a_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'ondol_owner'"
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND (has_table_privilege('ondol_web', oid, 'TRUNCATE') OR has_table_privilege('ondol_staff', oid, 'TRUNCATE'))"
        )
        assert cursor.fetchall() == []


def test_every_table_of_ours_was_granted_on_purpose() -> None:
    """A table without any grant was forgotten in its app's `0002_security`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND has_table_privilege('ondol_staff', oid, 'SELECT')"
        )
        readable = {name for (name,) in cursor.fetchall()}
    assert [table for table in _list_our_tables() if table not in readable] == []
