"""The feed of events is read per tenant."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("instances", "0009_schedules"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="transition",
            name="instances_t_xid_77e70b_idx",
        ),
        migrations.AddIndex(
            model_name="transition",
            index=models.Index(fields=["tenant_id", "xid", "id"], name="instances_feed_of_tenant"),
        ),
    ]
