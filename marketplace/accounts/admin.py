"""People in the operator's console."""

from django.contrib import admin
from django.http import HttpRequest

from marketplace.accounts.models import User
from marketplace.kernel.records import RecordAdmin


@admin.register(User)
class UserAdmin(RecordAdmin):
    """Users, without their password hashes."""

    list_display = ("email", "name", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active")
    search_fields = ("email", "name")
    exclude = ("password", "groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """All but the password hash."""
        return [name for name in super().get_readonly_fields(request, obj) if name != "password"]
