"""Assessments and their papers belong to their tenant; certificates are revoked, assessments withdrawn, neither is edited."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("inventory", "0003_assurance"), ("tenants", "0002_security")]

    operations = [
        SecureTenantTable("inventory_assurancedocument", web="SELECT, INSERT", staff="SELECT, INSERT"),
        AppendOnly("inventory_assurancedocument"),
        SecureTenantTable("inventory_customerassessment"),
        AppendOnly("inventory_customerassessment", closing=["withdrawn_at", "withdrawal_reason"]),
        TenantForeignKey("inventory_customerassessment", column="project_id", parent="tenants_project"),
        TenantForeignKey("inventory_customerassessment", column="document_id", parent="inventory_assurancedocument"),
        AppendOnly("inventory_certification", closing=["revoked_at", "revocation_reason"]),
    ]
