"""Assessments and their papers belong to their tenant; certificates are revoked, assessments withdrawn, neither is edited."""

from django.db import migrations

from marketplace.kernel.row_security import TENANT, AppendOnly, SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("inventory", "0003_assurance"), ("tenants", "0002_security")]

    operations = [
        # Papers of certificates belong to no tenant: every customer's auditor may read what was relied on.
        SecureTenantTable(
            "inventory_assurancedocument",
            web="SELECT, INSERT",
            staff="SELECT, INSERT",
            visible=f"tenant_id IS NULL OR tenant_id = {TENANT}",
        ),
        AppendOnly("inventory_assurancedocument"),
        SecureTenantTable("inventory_customerassessment"),
        AppendOnly("inventory_customerassessment", closing=["withdrawn_at", "withdrawal_reason"]),
        TenantForeignKey("inventory_customerassessment", column="project_id", parent="tenants_project"),
        TenantForeignKey("inventory_customerassessment", column="document_id", parent="inventory_assurancedocument"),
        AppendOnly("inventory_certification", closing=["revoked_at", "revocation_reason"]),
    ]
