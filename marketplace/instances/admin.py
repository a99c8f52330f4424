"""Instances in the operator's console."""

from django.contrib import admin

from marketplace.instances.models import Allocation, Instance, PlacementDecision, Transition
from marketplace.kernel.records import RecordAdmin


@admin.register(Instance)
class InstanceAdmin(RecordAdmin):
    """All instances; filter by state to see the queue and what is stuck."""

    list_display = (
        "name",
        "tenant",
        "project",
        "state",
        "state_reason",
        "goal",
        "devices",
        "attempt",
        "state_changed_at",
    )
    list_select_related = ("tenant", "project")
    list_filter = ("state", "goal", "state_reason")
    search_fields = ("id", "name")
    ordering = ("-id",)


@admin.register(Allocation)
class AllocationAdmin(RecordAdmin):
    """Promised devices."""

    list_display = ("instance", "stock", "devices", "attempt", "allocated_at", "released_at")
    list_select_related = ("instance", "stock__node")
    ordering = ("-id",)


@admin.register(Transition)
class TransitionAdmin(RecordAdmin):
    """Every move that happened."""

    list_display = (
        "instance",
        "from_state",
        "to_state",
        "reason",
        "trigger",
        "actor_name",
        "occurred_at",
        "recorded_at",
    )
    list_select_related = ("instance",)
    list_filter = ("to_state", "reason")
    ordering = ("-id",)


@admin.register(PlacementDecision)
class PlacementDecisionAdmin(RecordAdmin):
    """Why an instance runs where it runs, or waits."""

    list_display = ("instance", "outcome", "reason", "decided_at")
    list_select_related = ("instance",)
    list_filter = ("outcome", "reason")
    ordering = ("-id",)
