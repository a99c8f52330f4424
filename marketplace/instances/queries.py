"""Reads of instances for faces, scoped by actor: another tenant's instance does not exist here."""

from uuid import UUID

from django.db import connection
from django.db.models import Prefetch, QuerySet

from marketplace.instances.models import Allocation, Instance, PlacementDecision, Transition
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound


def list_instances(*, actor: Actor) -> QuerySet[Instance]:
    """The instances the actor may see, newest first, with project; filters and limits are the caller's."""
    rows = Instance.objects.filter(tenant_id=actor.tenant_scope).select_related("project")
    if actor.project_ids is not None:
        rows = rows.filter(project_id__in=actor.project_ids)
    return rows.order_by("-id")


def with_places(rows: QuerySet[Instance]) -> QuerySet[Instance]:
    """The rows with their terms, and allocations with place and price; two more queries whatever their number."""
    allocations = Allocation.objects.select_related("stock__node__cluster__site", "term")
    return rows.prefetch_related("terms", Prefetch("allocations", queryset=allocations))


def get_instance(*, actor: Actor, instance_id: UUID) -> Instance:
    """One instance.

    Raises:
        NotFound: Unknown or not the actor's.
    """
    instance = list_instances(actor=actor).filter(id=instance_id).first()
    if instance is None:
        raise NotFound
    return instance


def list_transitions(*, actor: Actor, instance_id: UUID) -> QuerySet[Transition]:
    """The instance's moves, oldest first; empty when it is not the actor's."""
    visible = list_instances(actor=actor).filter(id=instance_id).values("id")
    return Transition.objects.filter(instance_id__in=visible).order_by("id")


def list_decisions(*, actor: Actor, instance_id: UUID) -> QuerySet[PlacementDecision]:
    """The instance's placement decisions, newest first; empty when it is not the actor's."""
    visible = list_instances(actor=actor).filter(id=instance_id).values("id")
    return PlacementDecision.objects.filter(instance_id__in=visible).order_by("-id")


def find_live_allocation(*, actor: Actor, instance_id: UUID) -> Allocation | None:
    """Devices promised now, with node, cluster, site, offer and price; None while none are."""
    visible = list_instances(actor=actor).filter(id=instance_id).values("id")
    return (
        Allocation.objects.filter(instance_id__in=visible, released_at__isnull=True)
        .select_related("stock__node__cluster__site", "stock__accelerator", "term__offer", "term__seller")
        .first()
    )


def count_queued_before(*, instance: Instance) -> int:
    """How many queued instances of all tenants come before this one.

    A database function sees the whole queue and lets out only the number, never another tenant's row.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT count_queued_before(%s, %s)", [instance.queued_at, instance.id])
        return int(cursor.fetchone()[0])
