"""Schemes, classes and rules belong to no tenant: everyone reads, staff write."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureSharedTable


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("sovereignty", "0001_initial")]

    operations = [
        SecureSharedTable("sovereignty_assurancescheme"),
        SecureSharedTable("sovereignty_dataclass"),
        SecureSharedTable("sovereignty_dataclassrule", staff="SELECT, INSERT, UPDATE"),
        AppendOnly("sovereignty_dataclassrule", closing=["effective_to"]),
    ]
