"""The exceptions from row-level security, in one file: users, sessions and Django's own tables.

Sign-in must find a user, and a session its data, before any tenant is known; these tables hold nothing of a tenant's.
"""

from django.db import migrations

from marketplace.kernel.row_security import SecureSharedTable


class Migration(migrations.Migration):
    """Grants on tables without a tenant."""

    dependencies = [
        ("accounts", "0001_initial"),
        ("sessions", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        SecureSharedTable("accounts_user", web="SELECT, UPDATE", staff="SELECT, INSERT, UPDATE"),
        SecureSharedTable("django_session", web="SELECT, INSERT, UPDATE, DELETE"),
        SecureSharedTable("django_admin_log", web=""),
        *[
            SecureSharedTable(table, web="SELECT")
            for table in (
                "accounts_user_groups",
                "accounts_user_user_permissions",
                "auth_group",
                "auth_group_permissions",
                "auth_permission",
                "django_content_type",
            )
        ],
    ]
