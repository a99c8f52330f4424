"""Instances and everything that hangs on them are a tenant's; history is append-only."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("instances", "0001_initial")]

    operations = [
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
