"""What would an act on stock do, and to whom? Read before it is done, so that whoever acts knows; and what is on a node now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from marketplace.instances.models import Allocation
from marketplace.instances.occupants import list_live_allocations_at
from marketplace.instances.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class OnNode:
    """An instance's devices on one node.

    Attributes:
        is_moved: It would be stopped and queued again by a drain; what is on its way out already ends anyway.
    """

    instance_id: UUID
    name: str
    tenant_id: UUID
    tenant: str
    project: str
    state: str
    node: str
    accelerator: str
    devices: int
    since: datetime
    is_moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Whom an act concerns.

    Attributes:
        on_nodes: What is there now, by organization.
        instances: How many instances run or start there.
        tenants: Names of the organizations they belong to; these get a notice where the act tells customers.
    """

    on_nodes: tuple[OnNode, ...]
    instances: int
    tenants: tuple[str, ...]


def read_effect(*, place: Q) -> Effect:
    """Who has devices on the nodes now; one query. Needs a staff actor.

    Args:
        place: A condition on allocations, as `journeys.maintain.place_of` makes.
    """
    return _sum_up([_describe(row) for row in list_live_allocations_at(place=place)])


def _sum_up(found: Sequence[OnNode]) -> Effect:
    moved = [item for item in found if item.is_moved]
    return Effect(
        on_nodes=tuple(found),
        instances=len({item.instance_id for item in moved}),
        tenants=_once(item.tenant for item in moved),
    )


def _describe(row: Allocation) -> OnNode:
    instance = row.instance
    return OnNode(
        instance_id=instance.id,
        name=instance.name,
        tenant_id=instance.tenant_id,
        tenant=instance.tenant.name,
        project=instance.project.name,
        state=instance.state,
        node=row.stock.node.name,
        accelerator=row.stock.accelerator.code,
        devices=row.devices,
        since=row.allocated_at,
        is_moved=instance.state in (State.PROVISIONING, State.RUNNING),
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
