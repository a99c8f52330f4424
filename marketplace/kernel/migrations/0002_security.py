"""Leases are for staff processes; audit and idempotency rows follow their tenant."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureSharedTable, SecureTenantTable


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("kernel", "0001_initial")]

    operations = [
        SecureSharedTable("kernel_lease", web="", staff="SELECT, INSERT, UPDATE"),
        SecureTenantTable("kernel_idempotencyrecord", web="SELECT, INSERT", staff="SELECT, INSERT, DELETE"),
        SecureTenantTable("kernel_auditentry", web="SELECT, INSERT", staff="SELECT, INSERT"),
        AppendOnly("kernel_auditentry"),
    ]
