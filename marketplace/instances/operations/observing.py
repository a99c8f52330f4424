"""What clusters and clocks did to an instance.

These functions may be called any number of times, in any order and late: they look at the attempt and the state under the
instance's lock and do nothing when the news is old.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.db.models.functions import Greatest

from marketplace.instances import states
from marketplace.instances.models import Allocation, Instance, RankRun
from marketplace.instances.operations.moving import _move, condition, lock_instance
from marketplace.instances.states import Goal, Reason, State
from marketplace.inventory import stock
from marketplace.kernel import clock
from marketplace.kernel.hints import hint
from marketplace.kernel.notices import resolve_notice
from marketplace.quotas.operations import lock_held_quotas, release_quota


def record_started(
    *, instance_id: UUID, attempt: int, started_at: datetime, reported_at: datetime, now: datetime, rank: int = 0
) -> bool:
    """A main container runs since `started_at` (clamped and floored; `reported_at` as the cluster said): the meter starts.

    A gang runs, and its meter starts, when the last of its ranks does. Safe to repeat; False and nothing written for an older
    attempt or when it is not provisioning. Locks the instance.
    """
    instance = lock_instance(instance_id=instance_id)
    if instance is None or instance.attempt != attempt or instance.state != State.PROVISIONING:
        return False
    if instance.nodes > 1:
        latest = _record_rank_started(instance, rank=rank, started_at=started_at)
        if latest is None:
            return True
        started_at = latest
    instance.started_at = started_at
    instance.conditions["PodsReady"] = condition(status="True", reason="Running", now=now)
    _move(
        instance, to_state=State.RUNNING, trigger="reconciler", reason=Reason.STARTED, actor_name="reconciler",
        occurred_at=started_at, reported_at=reported_at, now=now, also=("started_at",),
    )  # fmt: skip
    return True


def _record_rank_started(instance: Instance, *, rank: int, started_at: datetime) -> datetime | None:
    """Keep that one rank of a gang runs; the start of the last one when all do, else None."""
    RankRun.objects.bulk_create(
        [
            RankRun(
                tenant_id=instance.tenant_id,
                instance=instance,
                attempt=instance.attempt,
                rank=rank,
                started_at=started_at,
            )
        ],
        ignore_conflicts=True,
    )
    starts = list(
        RankRun.objects.filter(instance=instance, attempt=instance.attempt).values_list("started_at", flat=True)
    )
    return max(starts) if len(starts) == instance.nodes else None


def record_rank_ended(
    *, instance_id: UUID, attempt: int, rank: int, ended_at: datetime, reported_at: datetime | None, now: datetime
) -> bool:
    """One rank of a gang finished its work; the gang goes on, and has completed when the last of them did.

    The rank's meter ends at `ended_at` (clamped and floored); its devices stay the gang's until the gang is over. Safe to repeat;
    False and nothing written for an older attempt or when it does not run. Locks the instance.
    """
    instance = lock_instance(instance_id=instance_id)
    if instance is None or instance.attempt != attempt or instance.state not in (State.PROVISIONING, State.RUNNING):
        return False
    runs = RankRun.objects.filter(instance=instance, attempt=attempt)
    runs.filter(rank=rank, ended_at__isnull=True).update(ended_at=Greatest(F("started_at"), Value(ended_at)))
    ends = list(runs.values_list("ended_at", flat=True))
    if len(ends) < instance.nodes or None in ends or instance.state != State.RUNNING:
        return True
    return begin_stopping(
        instance_id=instance_id,
        attempt=attempt,
        reason=Reason.COMPLETED,
        occurred_at=max(*(end for end in ends if end is not None), instance.started_at or ended_at),
        reported_at=reported_at,
        now=now,
    )


def begin_stopping(
    *,
    instance_id: UUID,
    attempt: int,
    reason: Reason,
    occurred_at: datetime,
    now: datetime,
    reported_at: datetime | None = None,
    detail: str = "",
    trigger: str = "reconciler",
) -> bool:
    """Something other than a customer ends the run: the meter ends at `occurred_at` (clamped and floored).

    Safe to repeat; False and nothing written for an older attempt or when it is neither provisioning nor running. Locks the
    instance. Devices and quota come back with `record_gone`.
    """
    instance = lock_instance(instance_id=instance_id)
    if instance is None or instance.attempt != attempt or instance.state not in (State.PROVISIONING, State.RUNNING):
        return False
    instance.conditions["PodsReady"] = condition(status="False", reason=reason.value, now=now, facts={"detail": detail})
    _move(
        instance, to_state=State.STOPPING, trigger=trigger, reason=reason, actor_name=trigger,
        occurred_at=occurred_at, reported_at=reported_at, detail=detail, now=now,
    )  # fmt: skip
    return True


def record_gone(*, instance_id: UUID, attempt: int, now: datetime, rank: int | None = None) -> State | None:
    """Pods of the attempt are gone: give their devices back; after the last one stop, end or queue again by what is wanted.

    Safe to repeat; None for an older attempt, when it is not stopping (nothing is written then), or while other ranks' pods are
    still there. Locks quota rows, node, instance, in this order.

    Args:
        rank: The rank whose pod is gone; None = all of them.
    """
    live = Allocation.objects.filter(instance_id=instance_id, attempt=attempt, released_at__isnull=True)
    allocations = list((live if rank is None else live.filter(rank=rank)).order_by("rank"))
    lock_held_quotas(holder_id=instance_id)
    stock.lock_nodes(stock_ids=[allocation.stock_id for allocation in allocations])
    instance = lock_instance(instance_id=instance_id)
    if instance is None or instance.attempt != attempt or instance.state != State.STOPPING:
        return None
    for allocation in allocations:
        if Allocation.objects.filter(id=allocation.id, released_at__isnull=True).update(released_at=now):
            stock.release_devices(
                stock_id=allocation.stock_id,
                devices=allocation.devices,
                cpu_millis=allocation.cpu_millis,
                memory_mib=allocation.memory_mib,
            )
    if live.exists():
        return None
    to_state = states.next_after_gone(
        goal=Goal(instance.goal),
        reason=Reason(instance.state_reason),
        has_volumes=False,
        attempts=instance.attempt,
        attempts_max=settings.ATTEMPTS_MAX,
    )
    _leave_stopping(instance, to_state=to_state, now=now)
    return to_state


def _leave_stopping(instance: Instance, *, to_state: State, now: datetime) -> None:
    reason = Reason(instance.state_reason)
    also: tuple[str, ...] = ()
    if instance.interrupt_at is not None:
        instance.interrupt_at = None
        instance.conditions.pop("Interruption", None)
        resolve_notice(key=f"interruption:{instance.id}", now=now)
        also = ("interrupt_at",)
    instance.conditions["CapacityAllocated"] = condition(status="False", reason="Released", now=now)
    if to_state is State.QUEUED:
        instance.queued_at = now
        also = (*also, "queued_at")
        instance.conditions["CapacityAllocated"] = condition(status="False", reason="Queued", now=now)
    else:
        release_quota(holder_id=instance.id, now=now)
        instance.conditions["QuotaReserved"] = condition(status="False", reason="Released", now=now)
    if to_state is State.ENDED:
        instance.ended_at = now
        also = (*also, "ended_at")
    _move(
        instance, to_state=to_state, trigger="reconciler", reason=reason, actor_name="reconciler", occurred_at=now, now=now,
        also=also,
    )  # fmt: skip
    if to_state is State.QUEUED:
        hint("instance.queued", instance.id)


OVERDUE_PER_SWEEP_MAX = 200
"""Instances one sweep stops; at five seconds a sweep, 2,400 a minute."""


def stop_overdue(*, now: datetime) -> int:
    """Begin to stop running instances that reached their maximum duration; how many. Safe to repeat.

    The meter ends at the instant the duration was reached, not when the sweep noticed. Locks each instance, in order of id.
    """
    overdue = (
        Instance.objects.filter(state=State.RUNNING, max_duration_s__isnull=False)
        .annotate(
            due_at=ExpressionWrapper(
                F("started_at") + F("max_duration_s") * timedelta(seconds=1), output_field=DateTimeField()
            )
        )
        .filter(due_at__lte=now)
        .order_by("id")
        .values_list("id", "attempt", "due_at")[:OVERDUE_PER_SWEEP_MAX]
    )
    stopped = 0
    for instance_id, attempt, due_at in overdue:
        stopped += begin_stopping(
            instance_id=instance_id,
            attempt=attempt,
            reason=Reason.MAX_DURATION_REACHED,
            occurred_at=clock.floor_to_second(due_at),
            now=now,
            trigger="expiry",
        )
    return stopped
