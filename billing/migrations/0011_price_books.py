"""Prices that are being written: staff's alone, until they are published as versions."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import SecureSharedTable, SecureTenantTable


class Migration(migrations.Migration):
    """Create, secure."""

    dependencies = [
        ("billing", "0010_agreements"),
        ("inventory", "0007_secure_health_and_maintenance"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PriceBook",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=120)),
                ("effective_from", models.DateTimeField()),
                ("is_announced", models.BooleanField(default=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("review", "Review"),
                            ("published", "Published"),
                            ("discarded", "Discarded"),
                        ],
                        default="draft",
                        max_length=12,
                    ),
                ),
                ("reason", models.TextField()),
                ("written_by", models.CharField(max_length=254)),
                ("written_at", models.DateTimeField()),
                ("submitted_by", models.CharField(blank=True, max_length=254)),
                ("submitted_at", models.DateTimeField(null=True)),
                ("decided_by", models.CharField(blank=True, max_length=254)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "submitted_by_user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "written_by_user",
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
            name="PriceBookEntry",
            fields=[
                (
                    "plan",
                    models.CharField(
                        choices=[
                            ("on_demand", "On demand"),
                            ("interruptible", "Interruptible"),
                            ("monthly", "Fixed per month"),
                        ],
                        default="on_demand",
                        max_length=16,
                    ),
                ),
                ("shape", models.CharField(default="hourly", max_length=16)),
                (
                    "unit",
                    models.CharField(
                        choices=[("device", "Device"), ("server", "Server"), ("gib", "GiB of storage")],
                        default="device",
                        max_length=8,
                    ),
                ),
                ("unit_devices", models.PositiveSmallIntegerField(default=1)),
                ("price_micros", models.BigIntegerField()),
                ("held_price_micros", models.BigIntegerField(blank=True, null=True)),
                ("minimum_s", models.PositiveIntegerField(default=0)),
                ("minimum_won", models.BigIntegerField(default=0)),
                ("sector", models.CharField(blank=True, default="", max_length=16)),
                ("tenant_id", models.UUIDField(blank=True, null=True)),
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("audience", models.CharField(default="all", max_length=60)),
                (
                    "book",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="entries", to="billing.pricebook"
                    ),
                ),
                (
                    "offer",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.offer"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="inventory.site"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.priceversion",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="pricebook",
            index=models.Index(fields=["status", "-id"], name="billing_pricebook_by_status"),
        ),
        migrations.AddConstraint(
            model_name="pricebookentry",
            constraint=models.UniqueConstraint(
                fields=("book", "offer", "site", "plan", "audience"),
                name="billing_bookentry_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="pricebookentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("offer__isnull", False), ("site__isnull", True)),
                    models.Q(("offer__isnull", True), ("site__isnull", False)),
                    _connector="OR",
                ),
                name="billing_bookentry_of_one_thing",
            ),
        ),
        SecureSharedTable("billing_pricebook", web="", staff="SELECT, INSERT, UPDATE"),
        SecureTenantTable("billing_pricebookentry", web="", staff="SELECT, INSERT, UPDATE, DELETE"),
    ]
