"""A look ahead that everybody may read, and offers that are sold by reservation only."""

from django.db import migrations, models

from marketplace.kernel.row_security import SecureSharedTable


class Migration(migrations.Migration):
    """One row of a new table, one column with a default."""

    dependencies = [("inventory", "0008_self_metering")]

    operations = [
        migrations.AddField(
            model_name="offer",
            name="access",
            field=models.CharField(
                choices=[("open", "Everyone"), ("reservation", "By reservation only")], default="open", max_length=12
            ),
        ),
        migrations.RunSQL("ALTER TABLE inventory_offer ALTER COLUMN access SET DEFAULT 'open'", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="Outlook",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("body", models.JSONField()),
                ("computed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="inventory_outlook_once")],
            },
        ),
        SecureSharedTable("inventory_outlook", staff="SELECT, INSERT, UPDATE"),
    ]
