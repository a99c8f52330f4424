"""Sites that meter themselves, and the keys of providers' meters."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import SecureSharedTable

# A meter has no name until its key is found; the table itself is staff's alone. The function belongs to the owner of the table.
FIND_PROVIDER_KEY = """
CREATE FUNCTION find_provider_key(wanted text)
RETURNS TABLE (id uuid, provider_id uuid, secret_hash bytea, expires_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $body$
    SELECT k.id, k.provider_id, k.secret_hash, k.expires_at, k.revoked_at FROM inventory_providerkey k WHERE k.prefix = wanted
$body$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0007_secure_health_and_maintenance"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="site",
            name="metered_by",
            field=models.CharField(
                choices=[("ondol", "Ondol, by watching the cluster"), ("site", "The site, by usage events")],
                default="ondol",
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="ProviderKey",
            fields=[
                ("id", models.UUIDField(default=marketplace.kernel.ids.new_id, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("prefix", models.CharField(max_length=12, unique=True)),
                ("hash_suite", models.CharField(max_length=32)),
                ("secret_hash", models.BinaryField(max_length=64)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "issued_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="keys", to="inventory.provider"
                    ),
                ),
            ],
        ),
        SecureSharedTable("inventory_providerkey", web="", staff="SELECT, INSERT, UPDATE (revoked_at)"),
        migrations.RunSQL(FIND_PROVIDER_KEY, "DROP FUNCTION find_provider_key(text)"),
        migrations.RunSQL(
            "REVOKE ALL ON FUNCTION find_provider_key(text) FROM PUBLIC;"
            "GRANT EXECUTE ON FUNCTION find_provider_key(text) TO ondol_web, ondol_staff",
            migrations.RunSQL.noop,
        ),
    ]
