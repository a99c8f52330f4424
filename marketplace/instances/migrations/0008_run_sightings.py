"""Sightings of runs after silences: seen by their tenant, written by staff, append-only."""

import django.db.models.deletion
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import AppendOnly, SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    dependencies = [
        ("instances", "0007_agreed_price"),
    ]

    operations = [
        migrations.CreateModel(
            name="RunSighting",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("attempt", models.PositiveIntegerField()),
                ("rank", models.PositiveSmallIntegerField(default=0)),
                ("seen_at", models.DateTimeField()),
                ("running_since", models.DateTimeField(null=True)),
                (
                    "instance",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="run_sightings",
                        to="instances.instance",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("instance", "attempt", "rank", "seen_at"), name="instances_sighting_once"
                    )
                ],
            },
        ),
        SecureTenantTable("instances_runsighting", web="SELECT", staff="SELECT, INSERT"),
        TenantForeignKey("instances_runsighting", column="instance_id", parent="instances_instance"),
        AppendOnly("instances_runsighting"),
    ]
