"""Instances and everything that hangs on them are a tenant's; history is append-only."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureTenantTable, TenantForeignKey

# A customer learns a position in the queue, never whose requests are ahead. The function belongs to the owner, who serves nobody.
COUNT_QUEUED_BEFORE = """
CREATE FUNCTION count_queued_before(since timestamptz, wanted uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $body$
    SELECT count(*) FROM instances_instance i
    WHERE i.state = 'queued' AND (i.queued_at, i.id) < (since, wanted)
$body$
"""


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("instances", "0001_initial")]

    operations = [
        migrations.RunSQL(COUNT_QUEUED_BEFORE, "DROP FUNCTION count_queued_before(timestamptz, uuid)"),
        migrations.RunSQL(
            "REVOKE ALL ON FUNCTION count_queued_before(timestamptz, uuid) FROM PUBLIC;"
            "GRANT EXECUTE ON FUNCTION count_queued_before(timestamptz, uuid) TO ondol_web, ondol_staff;"
            "CREATE POLICY owner_counts_queue ON instances_instance FOR SELECT TO ondol_owner USING (state = 'queued')",
            "DROP POLICY owner_counts_queue ON instances_instance",
        ),
        SecureTenantTable("instances_instance"),
        SecureTenantTable("instances_instanceterm", web="SELECT, INSERT", staff="SELECT, INSERT"),
        SecureTenantTable("instances_transition", web="SELECT, INSERT", staff="SELECT, INSERT"),
        SecureTenantTable("instances_allocation", web="SELECT"),
        SecureTenantTable("instances_placementdecision", web="SELECT, INSERT", staff="SELECT, INSERT"),
        AppendOnly("instances_instanceterm"),
        AppendOnly("instances_transition"),
        AppendOnly("instances_placementdecision"),
        AppendOnly("instances_allocation", closing=["released_at"]),
        TenantForeignKey("instances_instance", column="project_id", parent="tenants_project"),
        TenantForeignKey("instances_instanceterm", column="instance_id", parent="instances_instance"),
        TenantForeignKey("instances_transition", column="instance_id", parent="instances_instance"),
        TenantForeignKey("instances_allocation", column="instance_id", parent="instances_instance"),
        TenantForeignKey("instances_placementdecision", column="instance_id", parent="instances_instance"),
    ]
