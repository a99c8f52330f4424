"""Gangs: several nodes together. What each rank did is seen by its tenant and written by staff."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import AppendOnly, SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    dependencies = [
        ("instances", "0004_estimates_are_a_tenants"),
        ("tenants", "0002_security"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RankRun",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("attempt", models.PositiveIntegerField()),
                ("rank", models.PositiveSmallIntegerField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="instance",
            name="nodes",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddConstraint(
            model_name="instance",
            constraint=models.CheckConstraint(condition=models.Q(("nodes__gte", 1)), name="instances_instance_nodes"),
        ),
        migrations.AddField(
            model_name="rankrun",
            name="instance",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="rank_runs", to="instances.instance"
            ),
        ),
        migrations.AddConstraint(
            model_name="rankrun",
            constraint=models.UniqueConstraint(fields=("instance", "attempt", "rank"), name="instances_rank_once"),
        ),
        migrations.AddConstraint(
            model_name="rankrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ended_at__isnull", True), ("ended_at__gte", models.F("started_at")), _connector="OR"
                ),
                name="instances_rank_not_inverted",
            ),
        ),
        SecureTenantTable("instances_rankrun", web="SELECT"),
        TenantForeignKey("instances_rankrun", column="instance_id", parent="instances_instance"),
        AppendOnly("instances_rankrun", closing=["ended_at"]),
    ]
