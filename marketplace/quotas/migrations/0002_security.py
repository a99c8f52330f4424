"""Limits and holds are a tenant's."""

from django.db import migrations

from marketplace.kernel.row_security import SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("quotas", "0001_initial")]

    operations = [
        SecureTenantTable("quotas_quota"),
        SecureTenantTable("quotas_quotahold"),
        TenantForeignKey("quotas_quotahold", column="quota_id", parent="quotas_quota"),
    ]
