"""Whose word the usage of promised devices is billed by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("instances", "0010_feed_of_tenant"),
    ]

    operations = [
        migrations.AddField(
            model_name="allocation",
            name="metered_by",
            field=models.CharField(
                choices=[("ondol", "Ondol, by watching the cluster"), ("site", "The site, by usage events")],
                default="ondol",
                max_length=8,
            ),
        ),
    ]
