"""Migration operations that secure tables: grants, row-level security, append-only triggers, composite foreign keys.

The only code of ours that a migration may import. Each operation is reversible and idempotent on an empty database.
"""

from collections.abc import Sequence
from typing import Final

from django.db.migrations.operations import RunSQL

TENANT: Final = "NULLIF(current_setting('ondol.tenant', true), '')::uuid"
"""NULLIF: a pooled connection whose setting was reset yields '', and ''::uuid would raise instead of matching nothing."""
USER: Final = "NULLIF(current_setting('ondol.user', true), '')::uuid"
PROVIDER: Final = "NULLIF(current_setting('ondol.provider', true), '')::uuid"


def _grants(table: str, *, web: str, staff: str) -> list[str]:
    statements = [f"REVOKE ALL ON {table} FROM PUBLIC, ondol_web, ondol_staff"]
    if web:
        statements.append(f"GRANT {web} ON {table} TO ondol_web")
    if staff:
        statements.append(f"GRANT {staff} ON {table} TO ondol_staff")
    return statements


class SecureTenantTable(RunSQL):
    """Force row-level security on a table with a `tenant_id`: web sees the current tenant's rows, staff all.

    Args:
        table: Table name.
        web: Privileges of the web role, e.g. "SELECT, INSERT".
        staff: Privileges of the staff role.
        visible: SQL condition for the web role; default: the row's tenant is the current one. Writes always need the tenant.
    """

    def __init__(
        self,
        table: str,
        *,
        web: str = "SELECT, INSERT, UPDATE",
        staff: str = "SELECT, INSERT, UPDATE",
        visible: str = f"tenant_id = {TENANT}",
        writable: str = f"tenant_id = {TENANT}",
    ) -> None:
        """Compose the statements; see the class."""
        statements = [
            *_grants(table, web=web, staff=staff),
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY web_reads ON {table} FOR SELECT TO ondol_web USING ({visible})",
            f"CREATE POLICY web_writes ON {table} TO ondol_web USING ({writable}) WITH CHECK ({writable})",
            f"CREATE POLICY staff_all ON {table} TO ondol_staff USING (true) WITH CHECK (true)",
        ]
        super().__init__(";\n".join(statements), _undo(table, ("web_reads", "web_writes", "staff_all")))


class SecureSharedTable(RunSQL):
    """Grant a table that belongs to no tenant: by default everyone reads it and staff write it."""

    def __init__(self, table: str, *, web: str = "SELECT", staff: str = "SELECT, INSERT, UPDATE, DELETE") -> None:
        """Compose the statements; see the class."""
        super().__init__(";\n".join(_grants(table, web=web, staff=staff)), RunSQL.noop)


class AppendOnly(RunSQL):
    """Refuse UPDATE, DELETE and TRUNCATE by trigger, for every role including the owner.

    Args:
        table: Table name.
        closing: Columns that may still be set once, from NULL to a value (e.g. the end of an open interval).
    """

    def __init__(self, table: str, *, closing: Sequence[str] = ()) -> None:
        """Compose the statements; see the class."""
        arguments = ", ".join(f"'{column}'" for column in closing)
        forward = (
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW"
            f" EXECUTE FUNCTION ondol_append_only({arguments});\n"
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"
            f" EXECUTE FUNCTION ondol_append_only()"
        )
        backward = f"DROP TRIGGER append_only ON {table};\nDROP TRIGGER append_only_truncate ON {table}"
        super().__init__(forward, backward)


class TenantForeignKey(RunSQL):
    """A composite `(tenant_id, column)` foreign key, so that no row can point at another tenant's row."""

    def __init__(self, table: str, *, column: str, parent: str) -> None:
        """Compose the statements; see the class."""
        name = f"{table}_{column}_same_tenant"
        forward = (
            f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (tenant_id, {column})"
            f" REFERENCES {parent} (tenant_id, id) DEFERRABLE INITIALLY IMMEDIATE"
        )
        super().__init__(forward, f"ALTER TABLE {table} DROP CONSTRAINT {name}")


class NewRevision(RunSQL):
    """Give a topic another revision with each statement that changes the table, for readers that remember what they read.

    Writers of a topic's tables wait for each other until they commit; readers never wait.
    """

    def __init__(self, table: str, *, topic: str) -> None:
        """Compose the statements; see the class."""
        forward = (
            f"CREATE TRIGGER new_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
            f" EXECUTE FUNCTION ondol_new_revision('{topic}')"
        )
        super().__init__(forward, f"DROP TRIGGER new_revision ON {table}")


NEW_REVISION_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION ondol_new_revision() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $body$
BEGIN
    UPDATE kernel_revision SET value = gen_random_uuid() WHERE topic = TG_ARGV[0];
    RETURN NULL;
END
$body$
"""

APPEND_ONLY_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION ondol_append_only() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    before jsonb;
    after jsonb;
    column_name text;
BEGIN
    IF TG_OP = 'UPDATE' AND TG_NARGS > 0 THEN
        before := to_jsonb(OLD);
        after := to_jsonb(NEW);
        FOR i IN 0 .. TG_NARGS - 1 LOOP
            column_name := TG_ARGV[i];
            IF before -> column_name = 'null'::jsonb THEN
                before := before - column_name;
                after := after - column_name;
            END IF;
        END LOOP;
        IF before = after THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$body$
"""


def _undo(table: str, policies: Sequence[str]) -> str:
    drops = [f"DROP POLICY {policy} ON {table}" for policy in policies]
    return ";\n".join(
        [*drops, f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY", f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"]
    )
