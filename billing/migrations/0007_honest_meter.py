"""Usage of any subject and meter, with the reason of what is excused or unknown."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models

from marketplace.kernel.row_security import AppendOnly, TenantForeignKey

# The owner is bound by row-level security and by the append-only trigger like everybody; both are lifted for the backfill alone.
BACKFILL = """
ALTER TABLE billing_usageinterval DISABLE TRIGGER append_only;
ALTER TABLE billing_usageinterval NO FORCE ROW LEVEL SECURITY;
ALTER TABLE instances_instance NO FORCE ROW LEVEL SECURITY;
UPDATE billing_usageinterval u SET subject_id = u.instance_id, project_id = i.project_id
FROM instances_instance i WHERE i.id = u.instance_id;
ALTER TABLE instances_instance FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_usageinterval FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_usageinterval ENABLE TRIGGER append_only;
-- What the deferred foreign keys have to check must be checked before the table is altered again.
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""
DROP_APPEND_ONLY = (
    "DROP TRIGGER append_only ON billing_usageinterval; DROP TRIGGER append_only_truncate ON billing_usageinterval"
)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_prices_and_pieces"),
        ("instances", "0005_gangs"),
        ("tenants", "0002_security"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="usageinterval", name="billing_usage_once"),
        migrations.RemoveConstraint(model_name="usageinterval", name="billing_usage_no_overlap"),
        migrations.RenameField(model_name="usageinterval", old_name="devices", new_name="quantity"),
        migrations.AlterField(model_name="usageinterval", name="quantity", field=models.BigIntegerField()),
        migrations.RemoveField(model_name="usageinterval", name="sequence"),
        migrations.AddField(
            model_name="usageinterval", name="subject_kind", field=models.CharField(default="ins", max_length=3)
        ),
        migrations.AddField(model_name="usageinterval", name="subject_id", field=models.UUIDField(null=True)),
        migrations.AddField(
            model_name="usageinterval",
            name="project",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.project"
            ),
        ),
        migrations.AddField(
            model_name="usageinterval",
            name="reason",
            field=models.CharField(blank=True, default="", max_length=24),
            preserve_default=False,
        ),
        migrations.AddField(model_name="usageinterval", name="clock_skew_ms", field=models.IntegerField(null=True)),
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        migrations.AlterField(model_name="usageinterval", name="subject_id", field=models.UUIDField()),
        migrations.AlterField(
            model_name="usageinterval",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.project"
            ),
        ),
        migrations.AlterField(
            model_name="usageinterval",
            name="instance",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="usage_intervals",
                to="instances.instance",
            ),
        ),
        migrations.AlterField(
            model_name="usageinterval",
            name="term",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="instances.instanceterm"
            ),
        ),
        migrations.AlterField(
            model_name="usageinterval",
            name="kind",
            field=models.CharField(
                choices=[("metered", "Metered"), ("excused", "Excused"), ("unknown", "Unknown")],
                default="metered",
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="usageinterval",
            constraint=models.UniqueConstraint(
                condition=models.Q(("superseded_by__isnull", True)),
                fields=("opened_by", "rank", "meter", "started_at"),
                name="billing_usage_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="usageinterval",
            constraint=models.CheckConstraint(condition=models.Q(("quantity__gt", 0)), name="billing_usage_positive"),
        ),
        migrations.AddConstraint(
            model_name="usageinterval",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("superseded_by__isnull", True)),
                expressions=[
                    ("subject_id", "="),
                    ("rank", "="),
                    ("meter", "="),
                    (
                        models.Func(
                            "started_at",
                            "ended_at",
                            function="TSTZRANGE",
                            output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField(),
                        ),
                        "&&",
                    ),
                ],
                name="billing_usage_no_overlap",
            ),
        ),
        migrations.AddIndex(
            model_name="usageinterval",
            index=models.Index(fields=["tenant_id", "started_at"], name="billing_usage_by_tenant"),
        ),
        migrations.AddIndex(
            model_name="usageinterval",
            index=models.Index(
                condition=models.Q(
                    ("superseded_by__isnull", True),
                    models.Q(("kind", "unknown"), ("reason", "unresolved"), _connector="OR"),
                ),
                fields=["instance"],
                name="billing_usage_undecided",
            ),
        ),
        migrations.RunSQL(DROP_APPEND_ONLY, migrations.RunSQL.noop),
        AppendOnly("billing_usageinterval", closing=["ended_at", "closed_by", "superseded_by_id", "clock_skew_ms"]),
        TenantForeignKey("billing_usageinterval", column="project_id", parent="tenants_project"),
    ]
