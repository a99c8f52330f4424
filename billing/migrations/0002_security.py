"""Prices belong to no tenant; a version never changes but for its end."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureSharedTable


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("billing", "0001_initial")]

    operations = [
        SecureSharedTable("billing_priceversion", staff="SELECT, INSERT, UPDATE"),
        AppendOnly("billing_priceversion", closing=["effective_to"]),
    ]
