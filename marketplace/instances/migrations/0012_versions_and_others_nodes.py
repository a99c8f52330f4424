"""Version ranges of a request, and which nodes others are on, told without saying who."""

from django.db import migrations, models

TENANT = "NULLIF(current_setting('ondol.tenant', true), '')::uuid"

# A customer learns that a node is not free for them, never whose it is. The functions belong to the owner, who serves nobody.
FUNCTIONS = f"""
CREATE FUNCTION list_nodes_with_others() RETURNS TABLE (node_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $body$
    SELECT DISTINCT s.node_id FROM instances_allocation a JOIN inventory_nodestock s ON s.id = a.stock_id
    WHERE a.released_at IS NULL AND a.tenant_id IS DISTINCT FROM {TENANT}
$body$;
CREATE FUNCTION list_nodes_kept_by_others() RETURNS TABLE (node_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $body$
    SELECT DISTINCT s.node_id FROM instances_allocation a JOIN inventory_nodestock s ON s.id = a.stock_id
    WHERE a.released_at IS NULL AND a.is_node_dedicated AND a.tenant_id IS DISTINCT FROM {TENANT}
$body$;
REVOKE ALL ON FUNCTION list_nodes_with_others(), list_nodes_kept_by_others() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_nodes_with_others(), list_nodes_kept_by_others() TO ondol_web, ondol_staff;
CREATE POLICY owner_reads_live ON instances_allocation FOR SELECT TO ondol_owner USING (released_at IS NULL)
"""
UNDO = """
DROP POLICY owner_reads_live ON instances_allocation;
DROP FUNCTION list_nodes_with_others();
DROP FUNCTION list_nodes_kept_by_others()
"""


class Migration(migrations.Migration):
    """A column with a default, two functions."""

    dependencies = [("instances", "0011_self_metering"), ("inventory", "0009_outlook_and_access")]

    operations = [
        migrations.AddField(
            model_name="instance",
            name="versions",
            field=models.JSONField(default=dict),
        ),
        migrations.RunSQL(
            "ALTER TABLE instances_instance ALTER COLUMN versions SET DEFAULT '{}'", migrations.RunSQL.noop
        ),
        migrations.RunSQL(FUNCTIONS, UNDO),
    ]
