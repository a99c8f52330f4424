"""Transitions → usage intervals → charges, one instance at a time under its row lock; may be repeated any number of times.

A transition into `running` opens an interval; the next one out of it closes it. Both instants were clamped and floored when they
were recorded (architecture.md, step 5). A run that crosses the end of a month in Seoul becomes one interval per month.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from django.db import connection

from billing.charging import charge_interval
from billing.models import UsageInterval
from billing.rating import cut_at_months
from marketplace.instances.models import Allocation, Instance, RankRun, Transition
from marketplace.instances.states import State
from marketplace.kernel.clock import seconds_between

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stay in `running`.

    Attributes:
        ended_at: None while it runs.
    """

    opened_by: UUID
    closed_by: UUID | None
    attempt: int
    started_at: datetime
    ended_at: datetime | None


def find_runs(transitions: Sequence[Transition]) -> list[Run]:
    """The stays in `running`, in order; the transitions of one instance are given in order of id. Pure."""
    runs: list[Run] = []
    opened: Transition | None = None
    for transition in transitions:
        if transition.to_state == State.RUNNING:
            opened = transition
        elif opened is not None and transition.from_state == State.RUNNING:
            runs.append(_run(opened, transition))
            opened = None
    if opened is not None:
        runs.append(_run(opened, None))
    return runs


def _run(opened: Transition, closed: Transition | None) -> Run:
    return Run(
        opened_by=opened.id,
        closed_by=closed.id if closed else None,
        attempt=opened.attempt,
        started_at=opened.occurred_at,
        ended_at=closed.occurred_at if closed else None,
    )


def meter_instance(*, instance_id: UUID, now: datetime) -> int:
    """Bring an instance's usage and charges up to its transitions; the number of charges written.

    Repeatable: what stands is left alone. Months that are over at `now` are cut and charged also while the run goes on.

    Locks the instance. Requires an open transaction of a staff actor.
    """
    instance = (
        Instance.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project")
        .filter(id=instance_id)
        .first()
    )
    if instance is None:
        return 0
    transitions = list(Transition.objects.filter(instance_id=instance_id).order_by("id"))
    return sum(_meter_run(instance, run, now=now) for run in find_runs(transitions))


def _meter_run(instance: Instance, run: Run, *, now: datetime) -> int:
    """Every rank of a gang is metered from the start of the gang to its end, or to the rank's own end."""
    allocations = Allocation.objects.select_related("term").filter(instance=instance, attempt=run.attempt)
    ends = _read_rank_ends(instance, run) if instance.nodes > 1 else {}
    return sum(
        _meter_rank(instance, allocation, _shorten(run, ends.get(allocation.rank)), now=now)
        for allocation in allocations.order_by("rank")
    )


def _read_rank_ends(instance: Instance, run: Run) -> dict[int, datetime]:
    ended = RankRun.objects.filter(instance=instance, attempt=run.attempt, ended_at__isnull=False)
    return {rank: ended_at for rank, ended_at in ended.values_list("rank", "ended_at") if ended_at is not None}


def _shorten(run: Run, rank_end: datetime | None) -> Run:
    """The run as one rank had it."""
    if rank_end is None or (run.ended_at is not None and run.ended_at <= rank_end):
        return run
    return replace(run, ended_at=rank_end)


def _meter_rank(instance: Instance, allocation: Allocation, run: Run, *, now: datetime) -> int:
    existing = {
        row.sequence: row
        for row in UsageInterval.objects.filter(
            opened_by=run.opened_by, rank=allocation.rank, superseded_by__isnull=True
        )
    }
    written = 0
    until = run.ended_at or now
    if run.ended_at is not None and run.ended_at <= run.started_at:
        _void(existing)
        return 0
    for sequence, (start, end) in enumerate(cut_at_months(started_at=run.started_at, ended_at=until)):
        is_last = end == until
        is_open = is_last and run.ended_at is None
        row = existing.get(sequence) or _open(instance, allocation, run, sequence=sequence, start=start)
        if row.ended_at is None and not is_open:
            row.ended_at = end
            row.closed_by = run.closed_by if is_last else None
            row.save(update_fields=["ended_at", "closed_by"])
            charge_interval(interval=row)
            written += 1
    if run.ended_at is not None:
        _settle_late_end(existing, ended_at=run.ended_at)
    return written


def _settle_late_end(existing: Mapping[int, UsageInterval], *, ended_at: datetime) -> None:
    """News of an end that lies before a month's cut which the close has made already.

    The part that was opened for the next month is void. What the closed month was charged too much is not taken back here, since
    charges never change: it is named in the log for a correction.
    """
    _void({sequence: row for sequence, row in existing.items() if row.started_at >= ended_at})
    for row in existing.values():
        if row.ended_at is not None and row.ended_at > ended_at:
            seconds = seconds_between(start=max(ended_at, row.started_at), end=row.ended_at)
            log.error("usage_charged_beyond_its_end", usage_interval=str(row.id), device_seconds=seconds * row.devices)


def _void(existing: Mapping[int, UsageInterval]) -> None:
    """Intervals that turned out to hold no second supersede themselves; only open ones."""
    for row in existing.values():
        UsageInterval.objects.filter(id=row.id, ended_at__isnull=True).update(superseded_by=row.id)


def _open(instance: Instance, allocation: Allocation, run: Run, *, sequence: int, start: datetime) -> UsageInterval:
    return UsageInterval.objects.create(
        tenant_id=instance.tenant_id,
        instance=instance,
        term=allocation.term,
        rank=allocation.rank,
        devices=allocation.devices,
        started_at=start,
        opened_by=run.opened_by,
        sequence=sequence,
    )


_UNMETERED = """
SELECT DISTINCT t.instance_id FROM instances_transition t
LEFT JOIN billing_usageinterval u ON u.opened_by = t.id
WHERE t.to_state = 'running' AND NOT EXISTS (
    SELECT 1 FROM instances_transition e
    WHERE u.id IS NULL AND e.instance_id = t.instance_id AND e.attempt = t.attempt AND e.from_state = 'running'
        AND e.occurred_at <= t.occurred_at
) AND (
    u.id IS NULL
    OR (u.ended_at IS NULL AND u.superseded_by_id IS NULL AND EXISTS (
        SELECT 1 FROM instances_transition c
        WHERE c.instance_id = t.instance_id AND c.attempt = t.attempt AND c.from_state = 'running'
    ))
)
LIMIT 5000
"""
"""At one row per run and ten seconds per sweep, 5,000 is far above what clusters can start."""


def list_unmetered() -> list[UUID]:
    """Instances with a run that no usage interval stands for yet, or whose ended run's interval is still open.

    A run that ended within its first second is no usage and is not found.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNMETERED)
        return [row[0] for row in cursor.fetchall()]
