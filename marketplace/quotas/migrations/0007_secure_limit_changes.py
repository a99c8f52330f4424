"""The history of limits, and the way back for one that was new."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureTenantTable

# A new limit that is undone within seconds leaves no row behind; nothing else deletes one.
DELETES = "GRANT DELETE ON quotas_quota, quotas_quotahold TO ondol_staff"


class Migration(migrations.Migration):
    """Grants, row-level security, append-only trigger."""

    dependencies = [("quotas", "0006_limit_changes")]

    operations = [
        SecureTenantTable("quotas_limitchange", web="SELECT, INSERT"),
        AppendOnly("quotas_limitchange", closing=["undone_at"]),
        migrations.RunSQL(DELETES, "REVOKE DELETE ON quotas_quota, quotas_quotahold FROM ondol_staff"),
    ]
