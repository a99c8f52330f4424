"""Usage events → usage intervals and charges; one instance at a time, within `meter_instance`.

A told stretch becomes one row for each month it touches; a withdrawal supersedes them and takes their charges off. Each event is
taken into account once (`applied_at`), in the transaction that writes what comes of it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from billing.charging import charge_interval, reverse_charges
from billing.metering.meters import Meter
from billing.models import UsageEvent, UsageEventType, UsageInterval
from billing.rating import cut_at_months
from marketplace.instances.models import Instance
from marketplace.kernel import ids


def list_unapplied_events(*, instance_id: UUID) -> list[UsageEvent]:
    """Events of an instance that the meter has not taken into account yet, in the order in which they came; one query."""
    rows = UsageEvent.objects.filter(instance_id=instance_id, applied_at__isnull=True)
    return list(rows.select_related("allocation__term").order_by("id"))


def list_told(*, allocation_id: UUID) -> list[tuple[datetime, datetime]]:
    """The stretches of device time of one promise that stand as told; one query."""
    rows = UsageEvent.objects.filter(
        allocation_id=allocation_id, meter=Meter.DEVICE, type=UsageEventType.REPORTED, withdrawn_by__isnull=True
    )
    return list(rows.values_list("started_at", "ended_at"))


def take_back(*, events: Sequence[UsageEvent]) -> int:
    """Supersede what was told and is withdrawn now; the number of corrections."""
    withdrawn = [event.withdraws_id for event in events if event.withdraws_id is not None]
    if not withdrawn:
        return 0
    rows = list(UsageInterval.objects.filter(opened_by__in=withdrawn, superseded_by__isnull=True))
    written = 0
    for row in rows:
        # Void: what comes instead, if anything does, is told by events of its own.
        UsageInterval.objects.filter(id=row.id).update(superseded_by=row.id)
        written += len(reverse_charges(interval=row))
    return written


def record_told(*, instance: Instance, events: Iterable[UsageEvent], now: datetime) -> int:
    """Write and charge the intervals of told usage, and remember the events as applied; the number of charges."""
    events = list(events)
    rows = [row for event in events if _stands(event) for row in _rows_of(event, instance)]
    UsageInterval.objects.bulk_create(rows)
    written = sum(len(charge_interval(interval=row)) for row in rows)
    UsageEvent.objects.filter(id__in=[event.id for event in events], applied_at__isnull=True).update(applied_at=now)
    return written


def _stands(event: UsageEvent) -> bool:
    return event.type == UsageEventType.REPORTED and event.withdrawn_by_id is None


def _rows_of(event: UsageEvent, instance: Instance) -> list[UsageInterval]:
    return [
        UsageInterval(
            id=ids.new_id(),
            tenant_id=event.tenant_id,
            project=instance.project,
            subject_kind=Instance.TYPE_PREFIX,
            subject_id=instance.id,
            instance=instance,
            term=event.allocation.term,
            rank=event.rank,
            meter=event.meter,
            kind=event.kind,
            reason=event.reason,
            quantity=event.quantity,
            started_at=start,
            ended_at=end,
            opened_by=event.id,
            closed_by=event.id,
        )
        for start, end in cut_at_months(started_at=event.started_at, ended_at=event.ended_at)
    ]
