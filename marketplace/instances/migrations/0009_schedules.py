"""Schedules of instances, and whether an instance may be interrupted."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    dependencies = [
        ("instances", "0008_run_sightings"),
    ]

    operations = [
        migrations.AddField(
            model_name="instance",
            name="interrupt_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="instance",
            name="is_interruptible",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("action", models.CharField(choices=[("start", "START"), ("stop", "STOP")], max_length=5)),
                ("at", models.TimeField()),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(), default=list, size=None
                    ),
                ),
                ("on", models.DateField(null=True)),
                ("next_at", models.DateTimeField(null=True)),
                ("retry_until", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                ("last_outcome", models.CharField(blank=True, max_length=60)),
                ("created_by_id", models.UUIDField(null=True)),
                ("created_by_name", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "instance",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="schedules", to="instances.instance"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_at__isnull", False), ("removed_at__isnull", True)),
                        fields=["next_at"],
                        name="instances_schedule_due",
                    ),
                    models.Index(
                        condition=models.Q(("removed_at__isnull", True)),
                        fields=["instance"],
                        name="instances_schedule_of",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("on__isnull", False), ("weekdays", [])),
                            models.Q(models.Q(("weekdays", []), _negated=True), ("on__isnull", True)),
                            _connector="OR",
                        ),
                        name="instances_schedule_days",
                    )
                ],
            },
        ),
        SecureTenantTable("instances_schedule"),
        TenantForeignKey("instances_schedule", column="instance_id", parent="instances_instance"),
    ]
