"""Every row here is one tenant's; memberships and tenants also show to the user who belongs to them."""

from django.db import migrations

from marketplace.kernel.row_security import TENANT, USER, SecureTenantTable, TenantForeignKey

# A request with an API key has no tenant until the key is found. The function belongs to the owner, who serves nobody; the two
# policies let it, and only it, look past the current tenant.
FIND_API_KEY = """
CREATE FUNCTION find_api_key(wanted text)
RETURNS TABLE (
    id uuid, tenant_id uuid, project_id uuid, name text, hash_suite text, secret_hash bytea, scopes text[],
    expires_at timestamptz, revoked_at timestamptz, tenant_status text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $body$
    SELECT k.id, k.tenant_id, k.project_id, k.name::text, k.hash_suite::text, k.secret_hash, k.scopes::text[],
           k.expires_at, k.revoked_at, t.status::text
    FROM tenants_apikey k JOIN tenants_tenant t ON t.id = k.tenant_id
    WHERE k.prefix = wanted
$body$
"""


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("tenants", "0001_initial"), ("accounts", "0002_security")]

    operations = [
        SecureTenantTable(
            "tenants_tenant",
            web="SELECT, UPDATE",
            visible=f"id = {TENANT} OR id IN (SELECT m.tenant_id FROM tenants_membership m WHERE m.user_id = {USER})",
            writable=f"id = {TENANT}",
        ),
        SecureTenantTable("tenants_billingprofile"),
        SecureTenantTable("tenants_project"),
        SecureTenantTable(
            "tenants_membership",
            web="SELECT, INSERT, UPDATE, DELETE",
            staff="SELECT, INSERT, UPDATE, DELETE",
            visible=f"tenant_id = {TENANT} OR user_id = {USER}",
        ),
        SecureTenantTable("tenants_apikey"),
        TenantForeignKey("tenants_project", column="billing_profile_id", parent="tenants_billingprofile"),
        TenantForeignKey("tenants_membership", column="project_id", parent="tenants_project"),
        TenantForeignKey("tenants_apikey", column="project_id", parent="tenants_project"),
        migrations.RunSQL(FIND_API_KEY, "DROP FUNCTION find_api_key(text)"),
        migrations.RunSQL(
            "CREATE POLICY owner_finds_key ON tenants_apikey FOR SELECT TO ondol_owner USING (true);"
            "CREATE POLICY owner_finds_tenant ON tenants_tenant FOR SELECT TO ondol_owner USING (true);"
            "REVOKE ALL ON FUNCTION find_api_key(text) FROM PUBLIC;"
            "GRANT EXECUTE ON FUNCTION find_api_key(text) TO ondol_web, ondol_staff",
            "DROP POLICY owner_finds_key ON tenants_apikey; DROP POLICY owner_finds_tenant ON tenants_tenant",
        ),
    ]
