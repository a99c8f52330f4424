"""Stock belongs to no tenant: everyone reads it, staff write it."""

from django.db import migrations

from marketplace.kernel.row_security import SecureSharedTable


class Migration(migrations.Migration):
    """Grants, row-level security, append-only triggers and composite keys."""

    dependencies = [("inventory", "0001_initial")]

    operations = [
        *[
            SecureSharedTable(f"inventory_{table}")
            for table in (
                "seller",
                "provider",
                "sellingterm",
                "site",
                "certification",
                "cluster",
                "accelerator",
                "node",
                "nodestock",
                "offer",
            )
        ],
    ]
