"""Commitments and discounts; what a charge was for, and of a discount what it is a part of."""

import django.db.models.deletion
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import SecureTenantTable, TenantForeignKey

# Charges are append-only and hidden from everyone without a tenant, the owner too: both are lifted for this statement alone.
FILL = """
ALTER TABLE billing_charge DISABLE TRIGGER append_only;
ALTER TABLE billing_charge NO FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_usageinterval NO FORCE ROW LEVEL SECURITY;
ALTER TABLE instances_instanceterm NO FORCE ROW LEVEL SECURITY;
UPDATE billing_charge c SET offer_id = t.offer_id
FROM billing_usageinterval u JOIN instances_instanceterm t ON t.id = u.term_id WHERE u.id = c.usage_interval_id;
ALTER TABLE instances_instanceterm FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_usageinterval FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_charge FORCE ROW LEVEL SECURITY;
ALTER TABLE billing_charge ENABLE TRIGGER append_only;
"""


class Migration(migrations.Migration):
    """Create, fill, secure."""

    dependencies = [
        ("billing", "0009_credit_and_budgets"),
        ("instances", "0009_schedules"),
        ("inventory", "0007_secure_health_and_maintenance"),
        ("tenants", "0003_payment_mode"),
    ]

    operations = [
        migrations.CreateModel(
            name="Commitment",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("reference", models.CharField(blank=True, max_length=80)),
                ("reason", models.TextField()),
                ("signed_by", models.CharField(max_length=254)),
                ("signed_at", models.DateTimeField()),
                ("accounted_on", models.DateField(null=True)),
                ("shape", models.CharField(max_length=16)),
                ("unit", models.CharField(max_length=8)),
                ("unit_devices", models.PositiveSmallIntegerField(default=1)),
                ("units", models.PositiveIntegerField()),
                ("price_micros", models.BigIntegerField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Discount",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("reference", models.CharField(blank=True, max_length=80)),
                ("reason", models.TextField()),
                ("signed_by", models.CharField(max_length=254)),
                ("signed_at", models.DateTimeField()),
                ("accounted_on", models.DateField(null=True)),
                ("basis_points", models.PositiveSmallIntegerField()),
                ("first_month", models.DateField()),
                ("last_month", models.DateField()),
                ("cap_won", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="charge",
            name="base_numerator",
            field=models.DecimalField(decimal_places=0, default=0, max_digits=38),
        ),
        migrations.AddField(
            model_name="charge",
            name="basis_points",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="charge",
            name="offer_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="base_numerator",
            field=models.DecimalField(decimal_places=0, default=0, max_digits=38),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="basis_points",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("agreement_id__isnull", False)),
                fields=["agreement_id", "month"],
                name="billing_charge_agreement",
            ),
        ),
        migrations.AddField(
            model_name="commitment",
            name="billing_profile",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.billingprofile"
            ),
        ),
        migrations.AddField(
            model_name="commitment",
            name="offer",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.offer"
            ),
        ),
        migrations.AddField(
            model_name="commitment",
            name="seller",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.seller"
            ),
        ),
        migrations.AddField(
            model_name="commitment",
            name="tenant",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
        ),
        migrations.AddField(
            model_name="discount",
            name="billing_profile",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.billingprofile"
            ),
        ),
        migrations.AddField(
            model_name="discount",
            name="offer",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.offer"
            ),
        ),
        migrations.AddField(
            model_name="discount",
            name="tenant",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"),
        ),
        migrations.AddIndex(
            model_name="commitment",
            index=models.Index(fields=["tenant", "ended_at"], name="billing_commitment_by_tenant"),
        ),
        migrations.AddIndex(
            model_name="commitment",
            index=models.Index(fields=["billing_profile", "started_at"], name="billing_commitment_by_payer"),
        ),
        migrations.AddConstraint(
            model_name="commitment",
            constraint=models.UniqueConstraint(fields=("tenant", "id"), name="billing_commitment_tenant_id"),
        ),
        migrations.AddConstraint(
            model_name="commitment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ended_at__gt", models.F("started_at")),
                    ("price_micros__gt", 0),
                    ("unit_devices__gte", 1),
                    ("units__gte", 1),
                ),
                name="billing_commitment_valid",
            ),
        ),
        migrations.AddIndex(
            model_name="discount",
            index=models.Index(fields=["tenant", "last_month"], name="billing_discount_by_tenant"),
        ),
        migrations.AddIndex(
            model_name="discount",
            index=models.Index(fields=["billing_profile", "first_month"], name="billing_discount_by_payer"),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.UniqueConstraint(fields=("tenant", "id"), name="billing_discount_tenant_id"),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("basis_points__range", (1, 10000)),
                    ("last_month__gte", models.F("first_month")),
                    models.Q(("cap_won__isnull", True), ("cap_won__gt", 0), _connector="OR"),
                ),
                name="billing_discount_valid",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        SecureTenantTable("billing_commitment", web="SELECT", staff="SELECT, INSERT, UPDATE (accounted_on)"),
        SecureTenantTable("billing_discount", web="SELECT", staff="SELECT, INSERT, UPDATE (accounted_on)"),
        TenantForeignKey("billing_commitment", column="billing_profile_id", parent="tenants_billingprofile"),
        TenantForeignKey("billing_discount", column="billing_profile_id", parent="tenants_billingprofile"),
    ]
