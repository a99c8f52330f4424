"""Staff make signing keys; every face reads them; nobody edits one."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureSharedTable


class Migration(migrations.Migration):
    """Grants and append-only triggers."""

    dependencies = [("kernel", "0004_signing_keys")]

    operations = [
        SecureSharedTable("kernel_signingkey", staff="SELECT, INSERT, UPDATE"),
        AppendOnly("kernel_signingkey", closing=["retired_at"]),
    ]
