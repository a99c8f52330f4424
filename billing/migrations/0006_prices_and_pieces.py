"""Prices by plan, shape and audience; charges by piece of an interval; announced price changes; sums by day."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import TENANT, AppendOnly, SecureTenantTable, TenantForeignKey

# Charges are append-only and hidden from everyone without a tenant, the owner too: both are lifted for this statement alone.
FILL = """
ALTER TABLE billing_charge DISABLE TRIGGER append_only;
ALTER TABLE billing_charge NO FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_usageinterval NO FORCE ROW LEVEL SECURITY;
UPDATE billing_charge c SET started_at = u.started_at, ended_at = u.ended_at,
    price_micros = c.price_micros_per_device_hour, unit_seconds = c.device_seconds
FROM billing_usageinterval u WHERE u.id = c.usage_interval_id;
ALTER TABLE billing_usageinterval FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_charge FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_charge ENABLE TRIGGER append_only;
ALTER TABLE billing_priceversion DISABLE TRIGGER append_only;
UPDATE billing_priceversion SET price_micros = price_micros_per_device_hour;
ALTER TABLE billing_priceversion ENABLE TRIGGER append_only;
"""


class Migration(migrations.Migration):
    """Expand, fill, secure."""

    dependencies = [
        ("billing", "0005_ledger_balances"),
        ("instances", "0007_agreed_price"),
        ("inventory", "0002_security"),
    ]

    operations = [
        migrations.CreateModel(
            name="CostDay",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("source_id", models.UUIDField()),
                ("instance_id", models.UUIDField(null=True)),
                ("project_id", models.UUIDField(null=True)),
                ("offer_id", models.UUIDField(null=True)),
                ("kind", models.CharField(max_length=12)),
                ("day", models.DateField()),
                ("cost_centre", models.CharField(blank=True, max_length=40)),
                ("numerator", models.DecimalField(decimal_places=0, max_digits=38)),
                ("device_seconds", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="TermChange",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("old_micros_per_device_hour", models.BigIntegerField()),
                ("new_micros_per_device_hour", models.BigIntegerField()),
                ("price", models.JSONField()),
                ("announced_at", models.DateTimeField()),
                ("effective_at", models.DateTimeField()),
                (
                    "answer",
                    models.CharField(
                        choices=[
                            ("agreed", "Agreed"),
                            ("declined", "Declined: the old price stays"),
                            ("not_needed", "The price falls"),
                        ],
                        max_length=12,
                        null=True,
                    ),
                ),
                ("answered_at", models.DateTimeField(null=True)),
                ("answered_by", models.CharField(max_length=254, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="billing_charge_exact",
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="billing_charge_positive",
        ),
        migrations.RemoveConstraint(
            model_name="priceversion",
            name="billing_price_positive",
        ),
        migrations.RemoveConstraint(
            model_name="priceversion",
            name="billing_price_no_overlap",
        ),
        migrations.AddField(
            model_name="charge",
            name="agreement_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="charge",
            name="ended_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="charge",
            name="kind",
            field=models.CharField(
                choices=[
                    ("usage", "Usage"),
                    ("correction", "Correction of usage"),
                    ("minimum", "Minimum term or charge"),
                    ("commitment", "Commitment"),
                    ("covered", "Covered by a commitment"),
                    ("discount", "Discount"),
                ],
                default="usage",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="charge",
            name="meter",
            field=models.CharField(default="device", max_length=16),
        ),
        migrations.AddField(
            model_name="charge",
            name="price_micros",
            field=models.BigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="charge",
            name="shape",
            field=models.CharField(default="hourly", max_length=16),
        ),
        migrations.AddField(
            model_name="charge",
            name="started_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="charge",
            name="unit",
            field=models.CharField(default="device", max_length=8),
        ),
        migrations.AddField(
            model_name="charge",
            name="unit_seconds",
            field=models.BigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="agreement_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="ended_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="kind",
            field=models.CharField(default="usage", max_length=12),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="meter",
            field=models.CharField(default="device", max_length=16),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="price_micros",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="price_version_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="shape",
            field=models.CharField(default="hourly", max_length=16),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="started_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="unit",
            field=models.CharField(default="device", max_length=8),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="unit_seconds",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="audience",
            field=models.CharField(default="all", max_length=60),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="held_price_micros",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="minimum_s",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="minimum_won",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="plan",
            field=models.CharField(
                choices=[
                    ("on_demand", "On demand"),
                    ("interruptible", "Interruptible"),
                    ("monthly", "Fixed per month"),
                ],
                default="on_demand",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="price_micros",
            field=models.BigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="priceversion",
            name="sector",
            field=models.CharField(blank=True, default="", max_length=16),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="shape",
            field=models.CharField(default="hourly", max_length=16),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="site",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="storage_prices",
                to="inventory.site",
            ),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="tenant_id",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="unit",
            field=models.CharField(
                choices=[("device", "Device"), ("server", "Server"), ("gib", "GiB of storage")],
                default="device",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="priceversion",
            name="unit_devices",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(model_name="charge", name="started_at", field=models.DateTimeField()),
        migrations.AlterField(model_name="charge", name="ended_at", field=models.DateTimeField()),
        migrations.AlterField(
            model_name="charge",
            name="instance",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="charges", to="instances.instance"
            ),
        ),
        migrations.AlterField(
            model_name="charge",
            name="price_version_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AlterField(
            model_name="charge",
            name="usage_interval",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="charges",
                to="billing.usageinterval",
            ),
        ),
        migrations.AlterField(
            model_name="priceversion",
            name="offer",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="price_versions",
                to="inventory.offer",
            ),
        ),
        migrations.AlterField(
            model_name="priceversion",
            name="price_micros_per_device_hour",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["usage", "correction", "covered"]), ("shape", "hourly"), _negated=True),
                    (
                        "numerator",
                        django.db.models.expressions.CombinedExpression(
                            models.F("price_micros"), "*", models.F("unit_seconds")
                        ),
                    ),
                    _connector="OR",
                ),
                name="billing_charge_exact",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "usage"), _negated=True), ("unit_seconds__gt", 0), _connector="OR"
                ),
                name="billing_charge_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["usage", "correction"]), ("usage_interval__isnull", False)),
                    models.Q(
                        models.Q(("kind__in", ["usage", "correction"]), _negated=True), ("usage_interval__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="billing_charge_from_usage",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "usage")),
                fields=("usage_interval", "started_at"),
                name="billing_charge_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("minimum_won__gte", 0),
                    ("price_micros__gt", 0),
                    ("unit_devices__gte", 1),
                    models.Q(("held_price_micros__isnull", True), ("held_price_micros__gte", 0), _connector="OR"),
                    models.Q(
                        ("price_micros_per_device_hour__isnull", True),
                        ("price_micros_per_device_hour__gt", 0),
                        _connector="OR",
                    ),
                ),
                name="billing_price_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("offer__isnull", False),
                        ("price_micros_per_device_hour__isnull", False),
                        ("site__isnull", True),
                    ),
                    models.Q(("offer__isnull", True), ("site__isnull", False), ("unit", "gib")),
                    _connector="OR",
                ),
                name="billing_price_of_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("offer", "="),
                    ("plan", "="),
                    ("audience", "="),
                    (
                        models.Func(
                            "effective_from",
                            "effective_to",
                            function="TSTZRANGE",
                            output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField(),
                        ),
                        "&&",
                    ),
                ],
                name="billing_price_no_overlap",
            ),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("site", "="),
                    ("audience", "="),
                    (
                        models.Func(
                            "effective_from",
                            "effective_to",
                            function="TSTZRANGE",
                            output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField(),
                        ),
                        "&&",
                    ),
                ],
                name="billing_storage_price_no_overlap",
            ),
        ),
        migrations.AddIndex(
            model_name="costday",
            index=models.Index(
                fields=["tenant_id", "day"],
                include=("kind", "numerator", "device_seconds", "project_id"),
                name="billing_costday_by_tenant",
            ),
        ),
        migrations.AddIndex(
            model_name="costday",
            index=models.Index(
                fields=["project_id", "day"],
                include=("kind", "numerator", "device_seconds"),
                name="billing_costday_by_project",
            ),
        ),
        migrations.AddConstraint(
            model_name="costday",
            constraint=models.UniqueConstraint(
                fields=("source_id", "day", "kind", "offer_id"), name="billing_costday_once", nulls_distinct=False
            ),
        ),
        migrations.AddField(
            model_name="termchange",
            name="instance",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="instances.instance"
            ),
        ),
        migrations.AddField(
            model_name="termchange",
            name="price_version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="billing.priceversion"
            ),
        ),
        migrations.AddField(
            model_name="termchange",
            name="term",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="instances.instanceterm"
            ),
        ),
        migrations.AddIndex(
            model_name="termchange",
            index=models.Index(fields=["tenant_id", "effective_at"], name="billing_termchange_by_tenant"),
        ),
        migrations.AddConstraint(
            model_name="termchange",
            constraint=models.UniqueConstraint(fields=("term", "price_version"), name="billing_termchange_once"),
        ),
        migrations.AddConstraint(
            model_name="termchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("effective_at__gt", models.F("announced_at"))),
                name="billing_termchange_announced_before",
            ),
        ),
        SecureTenantTable("billing_costday", web="SELECT", staff="SELECT, INSERT, UPDATE, DELETE"),
        SecureTenantTable("billing_termchange", web="SELECT, UPDATE", staff="SELECT, INSERT, UPDATE"),
        AppendOnly("billing_termchange", closing=["answer", "answered_at", "answered_by"]),
        TenantForeignKey("billing_termchange", column="instance_id", parent="instances_instance"),
        SecureTenantTable(
            "billing_priceversion",
            web="SELECT",
            staff="SELECT, INSERT, UPDATE",
            visible=f"tenant_id IS NULL OR tenant_id = {TENANT}",
        ),
    ]
