"""What is known of an instance's runs: transitions, the health of its nodes, sightings after silences."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q

from billing.metering.rules import EndedBy, Run, SeenAgain, Spell, Trouble
from marketplace.instances.models import Allocation, Instance, RankRun, RunSighting, Transition
from marketplace.instances.states import FAULTS, Fault, Reason, State
from marketplace.inventory.models import Outage, OutageKind
from marketplace.kernel.clock import floor_to_second

RECONCILER: Final = "reconciler"
"""The trigger of moves that a cluster caused; every other one is somebody's wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRun:
    """A run and the transitions that it was read from."""

    opened_by: UUID
    closed_by: UUID | None
    attempt: int
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known beyond the transitions of one attempt.

    Attributes:
        seen: By rank.
        skews: Clock skews of its nodes in milliseconds, with the stretch of time.
    """

    spells: Sequence[Spell]
    seen: dict[int, list[SeenAgain]]
    skews: Sequence[tuple[datetime, datetime | None, int]]


def find_runs(transitions: Sequence[Transition]) -> list[SourceRun]:
    """The stays in `running`, and the attempts that failed to start by our or the provider's fault, in order.

    Args:
        transitions: Of one instance, in order of id.
    """
    runs: list[SourceRun] = []
    opened: Transition | None = None
    placed: Transition | None = None
    for transition in transitions:
        if transition.to_state == State.PROVISIONING:
            placed = transition
        elif transition.to_state == State.RUNNING:
            opened, placed = transition, None
        elif opened is not None and transition.from_state == State.RUNNING:
            runs.append(_run(opened, transition))
            opened = None
        elif placed is not None and transition.from_state == State.PROVISIONING:
            if FAULTS.get(Reason(transition.reason)) is Fault.PROVIDER:
                runs.append(_failed_start(placed, transition))
            placed = None
    if opened is not None:
        runs.append(_run(opened, None))
    return runs


def _run(opened: Transition, closed: Transition | None) -> SourceRun:
    run = Run(started_at=opened.occurred_at, opened_at=opened.recorded_at)
    if closed is not None:
        run = replace(run, ended_at=closed.occurred_at, ended_by=_ended_by(closed), end_known_at=closed.recorded_at)
    return SourceRun(opened_by=opened.id, closed_by=closed.id if closed else None, attempt=opened.attempt, run=run)


def _ended_by(closed: Transition) -> EndedBy:
    if closed.trigger != RECONCILER:
        return EndedBy.CUSTOMER
    if closed.reason == Reason.POD_LOST and closed.reported_at is None:
        return EndedBy.VANISHED
    return EndedBy.CLUSTER


def _failed_start(placed: Transition, closed: Transition) -> SourceRun:
    return SourceRun(
        opened_by=placed.id,
        closed_by=closed.id,
        attempt=placed.attempt,
        run=Run(
            started_at=floor_to_second(placed.occurred_at),
            opened_at=placed.recorded_at,
            ended_at=floor_to_second(closed.occurred_at),
            ended_by=EndedBy.FAILED_START,
            end_known_at=closed.recorded_at,
        ),
    )


def as_rank(*, instance: Instance, source: SourceRun, rank: int) -> SourceRun:
    """The run as one rank of a gang had it: until the gang's end, or its own."""
    if instance.nodes == 1:
        return source
    own = RankRun.objects.filter(instance=instance, attempt=source.attempt, rank=rank).values_list(
        "ended_at", flat=True
    )
    ended_at = own.first()
    if ended_at is None or (source.run.ended_at is not None and source.run.ended_at <= ended_at):
        return source
    return replace(source, run=replace(source.run, ended_at=ended_at, ended_by=EndedBy.CLUSTER, end_known_at=ended_at))


def read_evidence(*, instance: Instance, attempt: int, allocations: Sequence[Allocation]) -> Evidence:
    """Everything known of the nodes, clusters and sites of one attempt; a gang stands still when one of its nodes does.

    Args:
        allocations: Of the attempt, with `stock__node__cluster` loaded.
    """
    nodes = {allocation.stock.node for allocation in allocations}
    clusters = {node.cluster for node in nodes}
    about = (
        Q(node__in=nodes)
        | Q(node__isnull=True, cluster__in=clusters)
        | Q(cluster__isnull=True, site_id__in={cluster.site_id for cluster in clusters})
    )
    since = min((allocation.allocated_at for allocation in allocations), default=None)
    rows = Outage.objects.filter(about, withdrawn_at__isnull=True)
    if since is not None:
        rows = rows.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=since))
    found = list(rows)
    seen: dict[int, list[SeenAgain]] = {}
    for sighting in RunSighting.objects.filter(instance=instance, attempt=attempt):
        seen.setdefault(sighting.rank, []).append(
            SeenAgain(seen_at=sighting.seen_at, running_since=sighting.running_since)
        )
    return Evidence(
        spells=[_spell(row) for row in found if row.kind != OutageKind.CLOCK_SKEW],
        seen=seen,
        skews=[
            (row.started_at, row.ended_at, int(row.evidence["skew_ms"]))
            for row in found
            if row.kind == OutageKind.CLOCK_SKEW
        ],
    )


def _spell(row: Outage) -> Spell:
    return Spell(
        trouble=Trouble(row.kind), started_at=row.started_at, ended_at=row.ended_at, relisted_at=row.relisted_at
    )


def skew_within(*, evidence: Evidence, started_at: datetime, ended_at: datetime | None) -> int | None:
    """The largest clock skew of the nodes during an interval, in milliseconds; None when their clocks were right."""
    found = [
        skew
        for since, until, skew in evidence.skews
        if (ended_at is None or since < ended_at) and (until is None or until > started_at)
    ]
    return max(found, key=abs, default=None)
