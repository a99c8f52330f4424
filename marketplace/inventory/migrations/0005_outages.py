"""Outages: opened, closed once, never changed; read and written by staff alone."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import AppendOnly, SecureSharedTable


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0004_secure_assurance"),
    ]

    operations = [
        migrations.CreateModel(
            name="Outage",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("node_not_ready", "Node not ready"),
                            ("node_lost", "Node lost"),
                            ("maintenance", "Maintenance"),
                            ("site_outage", "Site outage"),
                            ("cluster_silent", "Cluster silent"),
                            ("stated_up", "Service confirmed by the provider"),
                            ("clock_skew", "Clock off by more than five seconds"),
                        ],
                        max_length=16,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("relisted_at", models.DateTimeField(null=True)),
                ("withdrawn_at", models.DateTimeField(null=True)),
                ("source", models.CharField(max_length=254)),
                ("evidence", models.JSONField(default=dict)),
                ("recorded_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "cluster",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.cluster"
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.node"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.site"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["site", "started_at"], name="inventory_outage_by_site")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("kind", "site", "cluster", "node"),
                        name="inventory_outage_open_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ended_at__isnull", True), ("ended_at__gte", models.F("started_at")), _connector="OR"
                        ),
                        name="inventory_outage_not_inverted",
                    ),
                ],
            },
        ),
        SecureSharedTable("inventory_outage", web="", staff="SELECT, INSERT, UPDATE"),
        AppendOnly("inventory_outage", closing=["ended_at", "relisted_at", "withdrawn_at"]),
    ]
