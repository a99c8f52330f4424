"""Quotas in the operator's console."""

from django.contrib import admin

from marketplace.kernel.records import RecordAdmin
from marketplace.quotas.models import Quota


@admin.register(Quota)
class QuotaAdmin(RecordAdmin):
    """Limits and their use."""

    list_display = ("tenant", "scope_kind", "selector_kind", "selector", "meter", "used", "limit", "enforcement")
    list_select_related = ("tenant",)
    list_filter = ("scope_kind", "meter")
