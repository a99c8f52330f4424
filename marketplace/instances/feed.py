"""What happened to a tenant's instances, as a feed that can be followed and loses nothing."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from marketplace.instances.models import Transition
from marketplace.instances.queries import list_instances
from marketplace.kernel.actors import Actor
from marketplace.kernel.feeds import horizon


class Position(NamedTuple):
    """A place between two rows of the feed: after the row with this transaction and id."""

    xid: int
    id: UUID


def list_moves(
    *,
    actor: Actor,
    after: Position | None,
    limit: int,
    instance_id: UUID | None = None,
    states: Sequence[str] = (),
) -> Sequence[Transition]:
    """Moves of the actor's instances in the order in which they were committed to the feed, at most `limit`.

    A move whose transaction may still have older company is held back until that has ended, so a reader who goes on from the last
    row it saw misses none. `occurred_at` is not in this order: a cluster may report late.

    Args:
        states: Only moves into these; empty for all.
    """
    rows: QuerySet[Transition] = Transition.objects.filter(tenant_id=actor.tenant_scope, xid__lt=horizon())
    if after is not None:
        rows = rows.extra(where=["(xid, instances_transition.id) > (%s, %s)"], params=[after.xid, after.id])
    if instance_id is not None:
        rows = rows.filter(instance_id=instance_id)
    if actor.project_ids is not None:
        rows = rows.filter(instance_id__in=list_instances(actor=actor).order_by().values("id"))
    if states:
        rows = rows.filter(to_state__in=states)
    return list(rows.order_by("xid", "id")[:limit])
