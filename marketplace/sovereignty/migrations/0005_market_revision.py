"""Schemes, data classes and their rules: whoever remembers them learns of a change."""

from django.db import migrations

from marketplace.kernel.row_security import NewRevision


class Migration(migrations.Migration):
    """Triggers on the tables that the market is read from."""

    dependencies = [("sovereignty", "0004_secure_snapshots"), ("kernel", "0006_revision")]

    operations = [
        NewRevision(f"sovereignty_{table}", topic="market")
        for table in ("assurancescheme", "dataclass", "dataclassrule")
    ]
