"""What is on a node now, of every tenant; for clearing it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from marketplace.instances.models import Allocation
from marketplace.instances.states import State


class Occupant(NamedTuple):
    """An instance on a node that is to be cleared."""

    instance_id: UUID
    tenant_id: UUID
    attempt: int
    name: str
    state: str
    started_at: datetime | None
    node: str


def list_occupants(*, place: Q) -> Sequence[Occupant]:
    """Instances that are on the nodes now, by id; each once, however many of the nodes it has. Needs a staff actor.

    Args:
        place: A condition on allocations.
    """
    rows = (
        Allocation.objects.filter(
            place, released_at__isnull=True, instance__state__in=[State.PROVISIONING, State.RUNNING]
        )
        .order_by("instance_id", "rank")
        .values_list(
            "instance_id", "tenant_id", "attempt", "instance__name", "instance__state", "instance__started_at",
            "stock__node__name",
        )
    )  # fmt: skip
    found: dict[UUID, Occupant] = {}
    for row in rows:
        found.setdefault(row[0], Occupant(*row))
    return list(found.values())


def list_live_allocations_at(*, place: Q) -> QuerySet[Allocation]:
    """Devices in use on the nodes, whatever their instance does, with its organization and project. Needs a staff actor."""
    rows = Allocation.objects.filter(place, released_at__isnull=True).select_related(
        "instance__tenant", "instance__project", "stock__node", "stock__accelerator"
    )
    return rows.order_by("instance__tenant__name", "instance__name", "rank")
