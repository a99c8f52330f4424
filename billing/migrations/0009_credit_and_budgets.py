"""Credit paid ahead, budgets, and what is kept of both."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import AppendOnly, SecureTenantTable, TenantForeignKey


class Migration(migrations.Migration):
    """Tables, their rights, append-only triggers and composite keys."""

    dependencies = [
        ("billing", "0008_outage_application"),
        ("instances", "0006_assurance"),
        ("inventory", "0004_secure_assurance"),
        ("tenants", "0003_payment_mode"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="invoice",
            name="payment_mode",
            field=models.CharField(
                choices=[("arrears", "By invoice, afterwards"), ("prepaid", "Ahead, from credit")],
                default="arrears",
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="CreditAccount",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("enough", "Enough"),
                            ("low", "Low"),
                            ("grace", "About to run out"),
                            ("exhausted", "Used up"),
                        ],
                        default="enough",
                        max_length=10,
                    ),
                ),
                ("next_crossing_at", models.DateTimeField(null=True)),
                ("settled_on", models.DateField(null=True)),
                ("opened_at", models.DateTimeField()),
                (
                    "billing_profile",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.billingprofile"
                    ),
                ),
                (
                    "seller",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.seller"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CreditLot",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("amount_won", models.BigIntegerField()),
                ("vat_won", models.BigIntegerField()),
                ("received_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="lots", to="billing.creditaccount"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CreditMovement",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("top_up", "Top-up"), ("use", "Use"), ("expiry", "Expired")], max_length=8
                    ),
                ),
                ("amount_won", models.BigIntegerField()),
                ("key", models.CharField(max_length=120, unique=True)),
                ("occurred_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="movements",
                        to="billing.creditaccount",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CreditDraw",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("amount_won", models.BigIntegerField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="draws", to="billing.creditaccount"
                    ),
                ),
                (
                    "lot",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="draws",
                        to="billing.creditlot",
                    ),
                ),
                (
                    "movement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="draws", to="billing.creditmovement"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SpendHold",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("hold_numerator", models.DecimalField(decimal_places=0, max_digits=38)),
                ("estimate_numerator", models.DecimalField(decimal_places=0, max_digits=38)),
                ("charged_before", models.DecimalField(decimal_places=0, default=0, max_digits=38)),
                ("taken_at", models.DateTimeField()),
                ("released_at", models.DateTimeField(null=True)),
                (
                    "billing_profile",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.billingprofile"
                    ),
                ),
                (
                    "instance",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="spend_holds", to="instances.instance"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.project"
                    ),
                ),
                (
                    "seller",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.seller"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TopUp",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("paid_won", models.BigIntegerField()),
                ("currency", models.CharField(default="KRW", max_length=3)),
                ("method", models.CharField(max_length=16)),
                ("reference", models.CharField(max_length=80)),
                ("received_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("reason", models.TextField()),
                ("entered_by", models.CharField(max_length=254)),
                ("entered_at", models.DateTimeField()),
                ("decided_by", models.CharField(max_length=254, null=True)),
                ("booked_at", models.DateTimeField(null=True)),
                ("declined_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="top_ups", to="billing.creditaccount"
                    ),
                ),
                (
                    "entered_by_user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("period", models.CharField(choices=[("month", "Each month"), ("total", "In total")], max_length=8)),
                ("amount_won", models.BigIntegerField()),
                (
                    "thresholds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(), default=list, size=None
                    ),
                ),
                (
                    "on_limit",
                    models.CharField(
                        choices=[("warn", "Warn"), ("block", "Start nothing new"), ("stop", "Stop what runs")],
                        max_length=8,
                    ),
                ),
                ("announced_percent", models.PositiveSmallIntegerField(default=0)),
                ("announced_for", models.DateField(null=True)),
                ("is_reached", models.BooleanField(default=False)),
                ("next_crossing_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.project"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("closed_at__isnull", True)), fields=["tenant"], name="billing_budget_open"
                    ),
                    models.Index(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=["next_crossing_at"],
                        name="billing_budget_due",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("amount_won__gt", 0)), name="billing_budget_positive"),
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("tenant", "project", "period"),
                        name="billing_budget_once",
                        nulls_distinct=False,
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="creditaccount",
            index=models.Index(fields=["next_crossing_at"], name="billing_credit_due"),
        ),
        migrations.AddConstraint(
            model_name="creditaccount",
            constraint=models.UniqueConstraint(fields=("billing_profile", "seller"), name="billing_credit_once"),
        ),
        migrations.AddConstraint(
            model_name="creditaccount",
            constraint=models.UniqueConstraint(fields=("tenant", "id"), name="billing_credit_tenant_id"),
        ),
        migrations.AddIndex(
            model_name="creditlot",
            index=models.Index(fields=["account", "expires_at"], name="billing_lot_by_account"),
        ),
        migrations.AddConstraint(
            model_name="creditlot",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_won__gt", 0), ("vat_won__gte", 0)), name="billing_lot_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="creditlot",
            constraint=models.UniqueConstraint(fields=("tenant_id", "id"), name="billing_lot_tenant_id"),
        ),
        migrations.AddIndex(
            model_name="creditmovement",
            index=models.Index(fields=["account", "-id"], name="billing_movement_by_account"),
        ),
        migrations.AddConstraint(
            model_name="creditmovement",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_won", 0), _negated=True), name="billing_movement_not_zero"
            ),
        ),
        migrations.AddConstraint(
            model_name="creditmovement",
            constraint=models.UniqueConstraint(fields=("tenant_id", "id"), name="billing_movement_tenant_id"),
        ),
        migrations.AddIndex(
            model_name="spendhold",
            index=models.Index(
                condition=models.Q(("released_at__isnull", True)), fields=["tenant_id"], name="billing_spendhold_active"
            ),
        ),
        migrations.AddConstraint(
            model_name="spendhold",
            constraint=models.UniqueConstraint(
                condition=models.Q(("released_at__isnull", True)),
                fields=("instance", "seller"),
                name="billing_spendhold_once",
            ),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(
                condition=models.Q(("booked_at__isnull", True), ("declined_at__isnull", True)),
                fields=["entered_at"],
                name="billing_topup_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("paid_won__gt", 0), ("currency", "KRW")), name="billing_topup_won"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("booked_at__isnull", True), ("declined_at__isnull", True), _connector="OR"),
                name="billing_topup_decided_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(fields=("account", "method", "reference"), name="billing_topup_once"),
        ),
        SecureTenantTable("billing_creditaccount", web="SELECT, UPDATE (next_crossing_at)"),
        SecureTenantTable("billing_creditmovement", web="SELECT", staff="SELECT, INSERT"),
        SecureTenantTable("billing_creditlot", web="SELECT", staff="SELECT, INSERT"),
        SecureTenantTable("billing_creditdraw", web="SELECT", staff="SELECT, INSERT"),
        SecureTenantTable("billing_topup", web="SELECT"),
        SecureTenantTable("billing_spendhold", web="SELECT, INSERT, UPDATE (released_at)"),
        SecureTenantTable("billing_budget"),
        AppendOnly("billing_creditmovement"),
        AppendOnly("billing_creditlot"),
        AppendOnly("billing_creditdraw"),
        AppendOnly("billing_topup", closing=["decided_by", "booked_at", "declined_at"]),
        AppendOnly("billing_spendhold", closing=["released_at"]),
        TenantForeignKey("billing_creditaccount", column="billing_profile_id", parent="tenants_billingprofile"),
        TenantForeignKey("billing_creditmovement", column="account_id", parent="billing_creditaccount"),
        TenantForeignKey("billing_creditlot", column="account_id", parent="billing_creditaccount"),
        TenantForeignKey("billing_creditdraw", column="account_id", parent="billing_creditaccount"),
        TenantForeignKey("billing_creditdraw", column="lot_id", parent="billing_creditlot"),
        TenantForeignKey("billing_creditdraw", column="movement_id", parent="billing_creditmovement"),
        TenantForeignKey("billing_topup", column="account_id", parent="billing_creditaccount"),
        TenantForeignKey("billing_spendhold", column="instance_id", parent="instances_instance"),
        TenantForeignKey("billing_spendhold", column="project_id", parent="tenants_project"),
        TenantForeignKey("billing_spendhold", column="billing_profile_id", parent="tenants_billingprofile"),
        TenantForeignKey("billing_budget", column="project_id", parent="tenants_project"),
    ]
