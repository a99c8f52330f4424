"""What decisions looked at is kept by staff processes and read by every face; nobody edits it."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureSharedTable


class Migration(migrations.Migration):
    """Grants and append-only triggers."""

    dependencies = [("sovereignty", "0003_assurance")]

    operations = [
        SecureSharedTable("sovereignty_factssnapshot", staff="SELECT, INSERT"),
        AppendOnly("sovereignty_factssnapshot"),
    ]
