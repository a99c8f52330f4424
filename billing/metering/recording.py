"""Writes what the metering rule says: usage intervals and, for metered ones, charges; one instance at a time.

Repeatable any number of times: the rule is asked again with everything that is known now, and only the difference is written.
A row is opened, closed once, and otherwise superseded by another one; a superseded row that had a charge is reversed, so that what
was charged and what comes now add up to what is due.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.charging import charge_interval, reverse_charges
from billing.metering.meters import Meter
from billing.metering.reading import Evidence, SourceRun, as_rank, find_runs, read_evidence, skew_within
from billing.metering.reported import list_told, list_unapplied_events, record_told, take_back
from billing.metering.rules import EndedBy, Part, classify, cut_parts
from billing.metering.untold import find_untold
from billing.minimums import charge_minimum
from billing.models import UsageInterval
from marketplace.instances.models import Allocation, Instance, Transition
from marketplace.inventory.models import MeteredBy
from marketplace.kernel import ids


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What the rows of one run of one rank have in common."""

    instance: Instance
    allocation: Allocation
    source: SourceRun
    evidence: Evidence


def meter_instance(*, instance_id: UUID, now: datetime) -> int:
    """Bring an instance's usage and charges up to what is known of it; the number of charges and corrections written.

    Months that are over at `now` are cut and charged also while the run goes on.

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
    events = list_unapplied_events(instance_id=instance_id)
    # In this order, since the database excludes overlap: what is withdrawn goes, untold time gives way, told time comes.
    written = take_back(events=events)
    written += sum(_meter_run(instance, source, now=now) for source in find_runs(transitions))
    if events:
        written += record_told(instance=instance, events=events, now=now)
    return written + len(charge_minimum(instance=instance))


def _meter_run(instance: Instance, source: SourceRun, *, now: datetime) -> int:
    """Every rank of a gang is metered from the start of the gang to its end, or to the rank's own end."""
    allocations = list(
        Allocation.objects.select_related("term", "stock__node__cluster")
        .filter(instance=instance, attempt=source.attempt)
        .order_by("rank")
    )
    evidence = read_evidence(instance=instance, attempt=source.attempt, allocations=allocations)
    written = 0
    for allocation in allocations:
        own = as_rank(instance=instance, source=source, rank=allocation.rank)
        target = _Target(instance=instance, allocation=allocation, source=own, evidence=evidence)
        written += _write(target, _find_parts(target, now=now))
    return written


def _find_parts(target: _Target, *, now: datetime) -> list[Part]:
    """What a run's rows should say: all of its time, or where the site meters itself the time that it has not told."""
    allocation, run = target.allocation, target.source.run
    if allocation.metered_by == MeteredBy.ONDOL:
        seen = target.evidence.seen.get(allocation.rank, ())
        return classify(run=run, spells=target.evidence.spells, seen=seen, now=now)
    if run.ended_by is EndedBy.FAILED_START:
        return []
    return find_untold(run=run, told=list_told(allocation_id=allocation.id), now=now)


def _write(target: _Target, parts: Sequence[Part]) -> int:
    """Close, supersede and open rows until they say what the parts say; charges and corrections written."""
    rows = list(
        UsageInterval.objects.filter(
            opened_by=target.source.opened_by, rank=target.allocation.rank, superseded_by__isnull=True
        ).order_by("started_at")
    )
    wanted = {part.started_at: part for part in cut_parts(parts=parts, at=_edges(rows))}
    written = 0
    stale: list[UsageInterval] = []
    for row in rows:
        part = wanted.get(row.started_at)
        if part is None or not _says_the_same(row, part):
            stale.append(row)
        elif row.ended_at is None and part.ended_at is not None:
            written += _close(target, row, part)
    kept = {row.started_at for row in rows} - {row.started_at for row in stale}
    fresh = [_row_of(target, part) for start, part in sorted(wanted.items()) if start not in kept]
    return written + _replace(stale=stale, fresh=fresh)


def _edges(rows: Iterable[UsageInterval]) -> list[datetime]:
    return [edge for row in rows for edge in (row.started_at, row.ended_at) if edge is not None]


def _says_the_same(row: UsageInterval, part: Part) -> bool:
    """Whether the row stands, or only has to be closed; a closed row never opens again."""
    is_same_end = row.ended_at is None or row.ended_at == part.ended_at
    return is_same_end and (row.kind, row.reason) == (part.kind.value, part.cause.value)


def _close(target: _Target, row: UsageInterval, part: Part) -> int:
    row.ended_at = part.ended_at
    row.closed_by = target.source.closed_by if part.ended_at == target.source.run.ended_at else None
    fields = ["ended_at", "closed_by"]
    skew = skew_within(evidence=target.evidence, started_at=row.started_at, ended_at=row.ended_at)
    if skew is not None and row.clock_skew_ms is None:
        row.clock_skew_ms = skew
        fields.append("clock_skew_ms")
    row.save(update_fields=fields)
    return _charge(row)


def _row_of(target: _Target, part: Part) -> UsageInterval:
    instance, allocation = target.instance, target.allocation
    is_last = part.ended_at is not None and part.ended_at == target.source.run.ended_at
    return UsageInterval(
        id=ids.new_id(),
        tenant_id=instance.tenant_id,
        project=instance.project,
        subject_kind=Instance.TYPE_PREFIX,
        subject_id=instance.id,
        instance=instance,
        term=allocation.term,
        rank=allocation.rank,
        meter=Meter.DEVICE.value,
        kind=part.kind.value,
        reason=part.cause.value,
        quantity=allocation.devices,
        started_at=part.started_at,
        ended_at=part.ended_at,
        opened_by=target.source.opened_by,
        closed_by=target.source.closed_by if is_last else None,
        clock_skew_ms=skew_within(evidence=target.evidence, started_at=part.started_at, ended_at=part.ended_at),
    )


def _replace(*, stale: Sequence[UsageInterval], fresh: Sequence[UsageInterval]) -> int:
    """Supersede rows and insert those that come instead; the stale ones first, since the database excludes overlap.

    The foreign key to the successor is checked at commit, so the successor may be inserted after it is named.
    """
    written = 0
    for row in stale:
        successor = next((new for new in fresh if _overlap(row, new)), row)
        UsageInterval.objects.filter(id=row.id).update(superseded_by=successor.id)
        written += len(reverse_charges(interval=row))
    for row in fresh:
        row.save(force_insert=True)
        written += _charge(row)
    return written


def _overlap(left: UsageInterval, right: UsageInterval) -> bool:
    return (right.ended_at is None or left.started_at < right.ended_at) and (
        left.ended_at is None or right.started_at < left.ended_at
    )


def _charge(row: UsageInterval) -> int:
    return 0 if row.ended_at is None else len(charge_interval(interval=row))
