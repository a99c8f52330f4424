"""Estimates are seen by their tenant and written by staff."""

from django.db import migrations

from marketplace.kernel.row_security import SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    """Grants, row-level security and the composite key."""

    dependencies = [("instances", "0003_queue")]

    operations = [
        SecureTenantTable("instances_startestimate", web="SELECT"),
        TenantForeignKey("instances_startestimate", column="instance_id", parent="instances_instance"),
    ]
