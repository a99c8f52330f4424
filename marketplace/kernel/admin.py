"""The audit log and leases in the operator's console."""

from django.contrib import admin

from marketplace.kernel.models import AuditEntry, Lease
from marketplace.kernel.records import RecordAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(RecordAdmin):
    """Who did what, when, from where."""

    list_display = ("occurred_at", "action", "actor_name", "actor_kind", "object_type", "address", "request_id")
    list_filter = ("actor_kind", "action")
    search_fields = ("actor_name", "request_id", "object_id")
    ordering = ("-id",)


@admin.register(Lease)
class LeaseAdmin(RecordAdmin):
    """Which process is the active admitter and watcher."""

    list_display = ("name", "holder", "fencing_token", "expires_at")
