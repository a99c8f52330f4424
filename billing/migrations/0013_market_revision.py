"""Prices: whoever remembers them learns of a change."""

from django.db import migrations

from marketplace.kernel.row_security import NewRevision


class Migration(migrations.Migration):
    """A trigger on a table that the market is read from."""

    dependencies = [("billing", "0012_self_metering"), ("kernel", "0006_revision")]

    operations = [NewRevision("billing_priceversion", topic="market")]
