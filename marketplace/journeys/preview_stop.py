"""What will a stop or an end do? Said before it happens: what ends, what still bills, what is lost, is a restart certain."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from marketplace.instances.models import Instance, InstanceTerm
from marketplace.instances.operations import InvalidState
from marketplace.instances.queries import count_queued_before, get_instance
from marketplace.instances.schedules import ScheduleAction
from marketplace.instances.states import Action, Goal, State, allowed_actions
from marketplace.journeys.stock_view import placement_terms, read_stock
from marketplace.kernel.actors import Actor
from marketplace.kernel.ids import new_id
from marketplace.scheduling.placement import Request, choose
from marketplace.scheduling.stock import StockView
from marketplace.tenants.access import require_permission


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPreview:
    """What an accepted stop or end does.

    Attributes:
        meter_ends: Whether a meter runs that ends with it.
        still_billed: What goes on being billed afterwards, as codes; nothing that is sold today outlives an instance.
        devices_returned: Devices that go back to the market, and their quota with them; none is held for a restart.
        can_restart: Whether the instance can be started again at all; an end is final.
        has_room_elsewhere: Whether as much as the instance has is free besides it now: a restart might start at once.
        waiting: Requests of everybody that wait now and would stand before a restart that cannot start at once.
        prices_micros: What a restart costs per device-hour: the terms agreed at rent stay.
        next_start_at: When a schedule starts it again.
        is_data_lost: What is stored in the container is lost, since no volume keeps it.
    """

    action: Action
    meter_ends: bool
    still_billed: tuple[str, ...]
    devices_returned: int
    can_restart: bool
    has_room_elsewhere: bool
    waiting: int
    prices_micros: tuple[int, ...]
    next_start_at: datetime | None
    is_data_lost: bool


def preview_stop(*, actor: Actor, instance_id: UUID, action: Action, now: datetime) -> StopPreview:
    """Look ahead; writes nothing.

    Raises:
        NotFound: Unknown or not the actor's.
        Forbidden: The actor may not read instances.
        InvalidState: The action is not possible now, or is not one that stops.
    """
    require_permission(actor=actor, permission="instances.read")
    instance = get_instance(actor=actor, instance_id=instance_id)
    allowed = allowed_actions(state=State(instance.state), goal=Goal(instance.goal))
    if action is Action.START or action not in allowed:
        raise InvalidState(facts={"state": instance.state, "action": action.value})
    terms = list(instance.terms.select_related("offer__accelerator"))
    can_restart = action is Action.STOP
    starts = instance.schedules.filter(
        action=ScheduleAction.START.value, removed_at__isnull=True, next_at__isnull=False
    )
    return StopPreview(
        action=action,
        meter_ends=instance.state == State.RUNNING,
        still_billed=(),
        devices_returned=0 if instance.state == State.STOPPED else instance.total_devices,
        can_restart=can_restart,
        has_room_elsewhere=can_restart and _has_room(instance, terms, now=now),
        waiting=count_queued_before(since=now, instance_id=instance.id) if can_restart else 0,
        prices_micros=tuple(sorted({term.price_micros_per_device_hour for term in terms})) if can_restart else (),
        next_start_at=starts.order_by("next_at").values_list("next_at", flat=True).first() if can_restart else None,
        is_data_lost=instance.started_at is not None,
    )


def _has_room(instance: Instance, terms: list[InstanceTerm], *, now: datetime) -> bool:
    """By the code that places, without what the instance itself would give back."""
    request = Request(
        instance_id=new_id(),
        devices=instance.devices,
        nodes=instance.nodes,
        tenant_id=instance.tenant_id,
        terms=placement_terms(terms),
    )
    accelerators = {term.offer.accelerator.code for term in terms}
    view = StockView(read_stock(now=now, silence=settings.CLUSTER_SILENCE, accelerators=accelerators))
    return choose(request=request, view=view, is_explained=False).placement is not None
