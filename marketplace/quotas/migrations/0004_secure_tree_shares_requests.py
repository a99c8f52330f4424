"""Permanent limits, who may see and change what, and the trigger that refuses an over-grant whatever code asks for it."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureSharedTable, SecureTenantTable, TenantForeignKey

# Dated rows of the version before become a permanent limit of nothing with one period; the others are permanent.
# Row-level security is forced on the owner too, so it is lifted for the length of the backfill.
BACKFILL = """
ALTER TABLE quotas_quota NO FORCE ROW LEVEL SECURITY;
INSERT INTO quotas_quotaperiod (id, tenant_id, quota_id, "limit", effective_from, effective_to, reason, created_by_name, created_at)
SELECT gen_random_uuid(), tenant_id, id, "limit", coalesce(effective_from, '2026-01-01Z'), coalesce(effective_to, '9999-01-01Z'),
    '', 'migration', now()
FROM quotas_quota WHERE effective_from IS NOT NULL OR effective_to IS NOT NULL;
UPDATE quotas_quota SET base_limit = "limit" WHERE effective_from IS NULL AND effective_to IS NULL;
UPDATE quotas_quota SET next_change_at = now() WHERE effective_from IS NOT NULL OR effective_to IS NOT NULL;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE quotas_quota FORCE ROW LEVEL SECURITY
"""

# Python checks before it writes; this holds when two versions of it run side by side, or a bulk update skips it.
NO_OVER_GRANT = """
CREATE FUNCTION ondol_quota_no_over_grant() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.used > OLD.used AND NEW.enforcement = 'hard' AND NEW.used > NEW."limit" THEN
        RAISE EXCEPTION 'quota % would be over-granted: % of %', NEW.id, NEW.used, NEW."limit" USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$body$;
CREATE TRIGGER no_over_grant BEFORE UPDATE ON quotas_quota FOR EACH ROW EXECUTE FUNCTION ondol_quota_no_over_grant()
"""

# What an organization may have is the platform's to say: its own members may move `used`, and apply limits that are already set.
LIMITS_ARE_THE_PLATFORMS = """
CREATE FUNCTION ondol_quota_limit_guard() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF current_user <> 'ondol_web' OR NEW.scope_kind <> 'tenant' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.scope_kind = 'tenant' AND NEW.base_limit = OLD.base_limit
        AND NEW.enforcement = OLD.enforcement AND (
            NEW."limit" = OLD."limit" OR NEW."limit" = NEW.base_limit OR EXISTS (
                SELECT 1 FROM quotas_quotaperiod p
                WHERE p.quota_id = NEW.id AND p."limit" = NEW."limit" AND p.revoked_at IS NULL)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a limit of an organization is set by an operator' USING ERRCODE = 'insufficient_privilege';
END
$body$;
CREATE TRIGGER limit_guard BEFORE INSERT OR UPDATE ON quotas_quota FOR EACH ROW EXECUTE FUNCTION ondol_quota_limit_guard()
"""


class Migration(migrations.Migration):
    """Backfill, grants, row-level security, triggers and composite keys."""

    dependencies = [("quotas", "0003_tree_shares_requests")]

    operations = [
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        SecureTenantTable("quotas_quotaperiod", web="SELECT"),
        SecureTenantTable("quotas_quotarequest"),
        SecureTenantTable("quotas_quotarequestevent", web="SELECT, INSERT", staff="SELECT, INSERT"),
        SecureTenantTable("quotas_quotaattachment", web="SELECT, INSERT", staff="SELECT, INSERT"),
        SecureSharedTable("quotas_share", web="", staff="SELECT, INSERT, UPDATE"),
        AppendOnly("quotas_quotaperiod", closing=["revoked_at"]),
        AppendOnly("quotas_quotarequestevent"),
        AppendOnly("quotas_quotaattachment"),
        TenantForeignKey("quotas_quotaperiod", column="quota_id", parent="quotas_quota"),
        TenantForeignKey("quotas_quotarequestevent", column="request_id", parent="quotas_quotarequest"),
        TenantForeignKey("quotas_quotaattachment", column="request_id", parent="quotas_quotarequest"),
        migrations.RunSQL(
            NO_OVER_GRANT, "DROP TRIGGER no_over_grant ON quotas_quota; DROP FUNCTION ondol_quota_no_over_grant()"
        ),
        migrations.RunSQL(
            LIMITS_ARE_THE_PLATFORMS,
            "DROP TRIGGER limit_guard ON quotas_quota; DROP FUNCTION ondol_quota_limit_guard()",
        ),
    ]
