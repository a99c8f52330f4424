"""One value per topic that changes with the topic's tables."""

from django.db import migrations, models

import marketplace.kernel.ids
from marketplace.kernel.row_security import NEW_REVISION_FUNCTION, SecureSharedTable


class Migration(migrations.Migration):
    """The table, the function of its triggers, and the topic of the market."""

    dependencies = [("kernel", "0005_secure_signing_keys")]

    operations = [
        migrations.CreateModel(
            name="Revision",
            fields=[
                ("topic", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("value", models.UUIDField(default=marketplace.kernel.ids.new_id)),
            ],
        ),
        SecureSharedTable("kernel_revision", web="SELECT", staff="SELECT"),
        migrations.RunSQL(NEW_REVISION_FUNCTION, "DROP FUNCTION ondol_new_revision()"),
        migrations.RunSQL(
            "INSERT INTO kernel_revision (topic, value) VALUES ('market', gen_random_uuid())", migrations.RunSQL.noop
        ),
    ]
