"""The whole agreed price is kept with the term."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add."""

    dependencies = [
        ("instances", "0006_assurance"),
    ]

    operations = [
        migrations.AddField(
            model_name="instanceterm",
            name="price",
            field=models.JSONField(default=dict),
        ),
    ]
