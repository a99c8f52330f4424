"""Catalogue, offers, sites, certificates, assessments and sellers: whoever remembers them learns of a change."""

from django.db import migrations

from marketplace.kernel.row_security import NewRevision


class Migration(migrations.Migration):
    """Triggers on the tables that the market is read from."""

    dependencies = [("inventory", "0009_outlook_and_access"), ("kernel", "0006_revision")]

    operations = [
        NewRevision(f"inventory_{table}", topic="market")
        for table in (
            "accelerator",
            "certification",
            "customerassessment",
            "offer",
            "provider",
            "seller",
            "sellingterm",
            "site",
        )
    ]
