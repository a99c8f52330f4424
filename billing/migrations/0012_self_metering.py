"""Usage events of sites that meter themselves: a provider sees its own, and finds what its own sites promised."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import PROVIDER, AppendOnly, SecureTenantTable, TenantForeignKey

# A provider's meter has no tenant. The function belongs to the owner, who serves nobody, and answers for the provider that the
# transaction was opened for, whatever it is asked; the policy lets it, and only it, look past the tenants.
FIND_PROMISED_DEVICES = f"""
CREATE FUNCTION find_promised_devices(wanted uuid[])
RETURNS TABLE (
    id uuid, tenant_id uuid, instance_id uuid, rank integer, devices integer, metered_by text, allocated_at timestamptz,
    released_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $body$
    SELECT a.id, a.tenant_id, a.instance_id, a.rank::integer, a.devices::integer, a.metered_by::text, a.allocated_at,
           a.released_at
    FROM instances_allocation a
    JOIN inventory_nodestock stock ON stock.id = a.stock_id
    JOIN inventory_node node ON node.id = stock.node_id
    JOIN inventory_cluster cluster ON cluster.id = node.cluster_id
    JOIN inventory_site site ON site.id = cluster.site_id
    WHERE a.instance_id = ANY(wanted) AND site.provider_id = {PROVIDER}
$body$
"""
OWN = f"provider_id = {PROVIDER}"
OWN_ACTS = f"tenant_id IS NULL AND actor_kind = 'provider' AND object_id = {PROVIDER}"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0011_price_books"),
        ("instances", "0011_self_metering"),
        ("inventory", "0008_self_metering"),
        ("kernel", "0002_security"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageEvent",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("rank", models.PositiveSmallIntegerField()),
                ("source", models.CharField(max_length=200)),
                ("event_id", models.CharField(max_length=200)),
                ("body_hash", models.BinaryField(max_length=32)),
                (
                    "type",
                    models.CharField(
                        choices=[("reported", "Usage told"), ("withdrawn", "Usage taken back")], max_length=10
                    ),
                ),
                ("meter", models.CharField(max_length=16)),
                (
                    "kind",
                    models.CharField(
                        choices=[("metered", "Metered"), ("excused", "Excused"), ("unknown", "Unknown")], max_length=8
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=24)),
                ("quantity", models.BigIntegerField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                ("provider_key_id", models.UUIDField()),
                ("received_at", models.DateTimeField()),
                ("applied_at", models.DateTimeField(null=True)),
                (
                    "allocation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="instances.allocation"
                    ),
                ),
                (
                    "instance",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="instances.instance",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="inventory.provider",
                    ),
                ),
                (
                    "withdrawn_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.usageevent",
                    ),
                ),
                (
                    "withdraws",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.usageevent",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("applied_at__isnull", True)),
                        fields=["instance"],
                        name="billing_usageevent_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("provider", "source", "event_id"), name="billing_usageevent_once"),
                    models.CheckConstraint(
                        condition=models.Q(("ended_at__gt", models.F("started_at")), ("quantity__gt", 0)),
                        name="billing_usageevent_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("type", "withdrawn"), ("withdraws__isnull", False)),
                            models.Q(("type", "reported"), ("withdraws__isnull", True)),
                            _connector="OR",
                        ),
                        name="billing_usageevent_withdraws",
                    ),
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        condition=models.Q(("type", "reported"), ("withdrawn_by__isnull", True)),
                        expressions=[
                            ("instance", "="),
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
                        name="billing_usageevent_no_overlap",
                    ),
                ],
            },
        ),
        migrations.RunSQL(FIND_PROMISED_DEVICES, "DROP FUNCTION find_promised_devices(uuid[])"),
        migrations.RunSQL(
            "REVOKE ALL ON FUNCTION find_promised_devices(uuid[]) FROM PUBLIC;"
            "GRANT EXECUTE ON FUNCTION find_promised_devices(uuid[]) TO ondol_web, ondol_staff;"
            "CREATE POLICY owner_finds_promises ON instances_allocation FOR SELECT TO ondol_owner USING (true)",
            "DROP POLICY owner_finds_promises ON instances_allocation",
        ),
        SecureTenantTable(
            "billing_usageevent",
            web="SELECT, INSERT, UPDATE (withdrawn_by_id)",
            staff="SELECT, UPDATE (applied_at)",
            visible=OWN,
            writable=OWN,
        ),
        AppendOnly("billing_usageevent", closing=["withdrawn_by_id", "applied_at"]),
        TenantForeignKey("billing_usageevent", column="instance_id", parent="instances_instance"),
        migrations.RunSQL(
            f"CREATE POLICY provider_acts ON kernel_auditentry TO ondol_web USING ({OWN_ACTS}) WITH CHECK ({OWN_ACTS})",
            "DROP POLICY provider_acts ON kernel_auditentry",
        ),
    ]
