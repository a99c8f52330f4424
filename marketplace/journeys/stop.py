"""Stop, start or end an instance."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from billing.holds import SpendDemand, find_payable_sellers, take_hold
from marketplace.instances.models import Instance
from marketplace.instances.operations import lock_instance, resume, want_stop_or_end
from marketplace.instances.queries import get_instance
from marketplace.instances.quota_demands import demand_of, read_accelerators
from marketplace.instances.states import Action, Goal
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound
from marketplace.quotas.operations import take_quota
from marketplace.tenants.access import require_good_standing, require_permission


def request_action(*, actor: Actor, instance_id: UUID, action: Action, now: datetime) -> Instance:
    """Accept what a customer wants of an instance; the pods follow within seconds.

    Repeating a stop or end that is under way raises InvalidState; the API's Idempotency-Key replays the first answer.

    Raises:
        NotFound: Unknown or not the actor's.
        Forbidden: The actor may not write instances.
        InvalidState, DeletionProtected: Not possible now.
        TenantSuspended, QuotaExceeded, BudgetExceeded, InsufficientBalance: For a start.

    Locks quota rows, then the instance.
    """
    require_permission(actor=actor, permission="instances.write")
    get_instance(actor=actor, instance_id=instance_id)
    match action:
        case Action.STOP:
            instance = want_stop_or_end(actor=actor, instance_id=instance_id, goal=Goal.STOP, now=now)
        case Action.END:
            instance = want_stop_or_end(actor=actor, instance_id=instance_id, goal=Goal.END, now=now)
        case Action.START:
            instance = _start(actor=actor, instance_id=instance_id, now=now)
        case _:
            assert_never(action)
    if instance is None:
        raise NotFound
    return instance


def _start(*, actor: Actor, instance_id: UUID, now: datetime) -> Instance:
    """Take quota again and queue the instance on its stored terms."""
    instance = get_instance(actor=actor, instance_id=instance_id)
    require_good_standing(tenant=instance.tenant)
    demand = demand_of(instance=instance, accelerators=read_accelerators(instance=instance))
    take_quota(demand=demand, holder_id=instance.id, now=now)
    spend = _spend_again(instance)
    sellers = find_payable_sellers(demand=spend, must_all=True, now=now)
    locked = lock_instance(instance_id=instance_id)
    if locked is None:
        raise NotFound
    resumed = resume(actor=actor, instance=locked, now=now)
    take_hold(demand=spend, sellers=sellers, instance_id=instance_id, now=now)
    return resumed


def _spend_again(instance: Instance) -> SpendDemand:
    """What it would cost on its stored terms; each of their sellers may be chosen, so each one's credit is asked."""
    dearest: dict[UUID, int] = {}
    for term in instance.terms.all():
        price = term.price_micros_per_device_hour * instance.total_devices
        dearest[term.seller_id] = max(dearest.get(term.seller_id, 0), price)
    return SpendDemand(
        project=instance.project, micros_per_hour_by_seller=dearest, max_duration_s=instance.max_duration_s
    )
