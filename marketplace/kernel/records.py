"""Read-only records for the operator's console: every admin list builds on this."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class RecordAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """Shows rows and changes none: each write of the console is an action that calls an operation with a reason."""

    list_per_page = 50
    show_full_result_count = False
    actions_on_top = True

    def get_readonly_fields(self, _request: HttpRequest, _obj: Any = None) -> list[str]:
        """Every field is shown as text."""
        return [field.name for field in self.opts.concrete_fields]

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Never by form."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Never by form."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_view_permission(self, request: HttpRequest, _obj: Model | None = None) -> bool:
        """Platform staff may look at everything."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Platform staff see every section."""
        return self.has_view_permission(request)
