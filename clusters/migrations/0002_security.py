"""Credentials, observations and workloads are for staff processes; a customer sees instances."""

from django.db import migrations

from marketplace.kernel.row_security import SecureSharedTable, SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("clusters", "0001_initial")]

    operations = [
        SecureSharedTable("clusters_clusterconnection", web=""),
        SecureSharedTable("clusters_podobservation", web="", staff="SELECT, INSERT, DELETE"),
        SecureTenantTable("clusters_workload", web=""),
        TenantForeignKey("clusters_workload", column="instance_id", parent="instances_instance"),
    ]
