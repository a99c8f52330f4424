"""Which outages the meter has taken into account; staff's alone."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import AppendOnly, SecureSharedTable


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0007_honest_meter"),
        ("inventory", "0005_outages"),
    ]

    operations = [
        migrations.CreateModel(
            name="OutageApplication",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("state", models.CharField(max_length=3)),
                ("applied_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "outage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.outage"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("outage", "state"), name="billing_outage_applied_once")
                ],
            },
        ),
        SecureSharedTable("billing_outageapplication", web="", staff="SELECT, INSERT"),
        AppendOnly("billing_outageapplication"),
    ]
