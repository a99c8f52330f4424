"""Unknown time for operators: what is open, what is at stake, and what a provider's statement would decide. Reads only.

A preview asks the metering rule twice, with the statement and without, and writes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from billing.charging import list_agreed_prices
from billing.metering.outages import list_concerned
from billing.metering.reading import as_rank, find_runs, read_evidence
from billing.metering.rules import Kind, Part, Spell, Trouble, classify, resolution_deadline
from billing.models import UsageInterval, UsageKind
from billing.rating import AgreedPrice, month_of, rate_usage
from marketplace.instances.models import Allocation, Instance, Transition
from marketplace.inventory.models import Cluster, MeteredBy, Outage, OutageKind
from marketplace.kernel.clock import floor_to_second, seconds_between
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.money import won_from_numerator

INTERVALS_READ_MAX: Final = 5_000
"""Two clusters' worth of instances; what is beyond is told, not summed."""
INSTANCES_PREVIEWED_MAX: Final = 300
"""At ~10 ms an instance, 3 s of a page."""


class PreviewTooLarge(ValidationFailed):
    """A statement that concerns more instances than a page can go through; nothing was written."""

    code = "preview_too_large"
    remedy = _("Record it in shorter pieces; each is applied to every instance that it concerns.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUnknown:
    """One unknown interval.

    Attributes:
        seconds: Device-seconds up to now.
        numerator: What they would cost if they were metered, exact.
        excused_at: When it becomes excused if nobody says more.
    """

    interval: UsageInterval
    cluster: Cluster
    seconds: int
    numerator: int
    excused_at: datetime

    @property
    def won(self) -> int:
        """Rounded for showing."""
        return won_from_numerator(self.numerator)


@dataclass(slots=True, kw_only=True)
class ClusterUnknown:
    """A cluster's open unknown time, added up."""

    cluster: Cluster
    since: datetime
    excused_at: datetime
    instances: set[UUID]
    seconds: int = 0
    numerator: int = 0

    @property
    def won(self) -> int:
        """Rounded for showing."""
        return won_from_numerator(self.numerator)


def list_open_unknown(*, now: datetime) -> list[OpenUnknown]:
    """Unknown time that nobody has decided, the oldest first; at most 5,000 intervals. Four queries. For operators."""
    rows = list(
        UsageInterval.objects.filter(kind=UsageKind.UNKNOWN, superseded_by__isnull=True, instance__isnull=False)
        .select_related("instance__tenant", "project", "term")
        .order_by("started_at", "id")[:INTERVALS_READ_MAX]
    )
    attempts = dict(Transition.objects.filter(id__in={row.opened_by for row in rows}).values_list("id", "attempt"))
    places: dict[tuple[UUID | None, int, int], Cluster] = {
        (row.instance_id, row.attempt, row.rank): row.stock.node.cluster
        for row in Allocation.objects.select_related("stock__node__cluster__site__provider").filter(
            instance_id__in={row.instance_id for row in rows}
        )
    }
    prices = list_agreed_prices(terms={row.term.id: row.term for row in rows if row.term is not None}.values())
    found = []
    for row in rows:
        cluster = places.get((row.instance_id, attempts.get(row.opened_by, 0), row.rank))
        if cluster is not None and row.term_id is not None:
            found.append(_open(row, cluster, prices[row.term_id], now=now))
    return found


def _open(row: UsageInterval, cluster: Cluster, prices: Sequence[AgreedPrice], *, now: datetime) -> OpenUnknown:
    end = row.ended_at or max(row.started_at, floor_to_second(now))
    seconds = seconds_between(start=row.started_at, end=end)
    return OpenUnknown(
        interval=row,
        cluster=cluster,
        seconds=row.quantity * seconds,
        numerator=_cost(prices, devices=row.quantity, started_at=row.started_at, ended_at=end),
        excused_at=resolution_deadline(month_of(row.started_at)),
    )


def _cost(prices: Sequence[AgreedPrice], *, devices: int, started_at: datetime, ended_at: datetime) -> int:
    if ended_at <= started_at:
        return 0
    pieces = rate_usage(prices=prices, devices=devices, started_at=started_at, ended_at=ended_at)
    return sum(piece.numerator for piece in pieces)


def sum_by_cluster(found: Iterable[OpenUnknown]) -> list[ClusterUnknown]:
    """Added up by cluster, the dearest first."""
    sums: dict[UUID, ClusterUnknown] = {}
    for item in found:
        total = sums.setdefault(
            item.cluster.id,
            ClusterUnknown(
                cluster=item.cluster, since=item.interval.started_at, excused_at=item.excused_at, instances=set()
            ),
        )
        total.since = min(total.since, item.interval.started_at)
        total.excused_at = min(total.excused_at, item.excused_at)
        if item.interval.instance_id is not None:
            total.instances.add(item.interval.instance_id)
        total.seconds += item.seconds
        total.numerator += item.numerator
    return sorted(sums.values(), key=lambda total: (-total.numerator, total.cluster.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Device-seconds by kind, and the exact cost of what is metered."""

    metered: int = 0
    excused: int = 0
    unknown: int = 0
    numerator: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a statement would change for one instance."""

    instance: Instance
    before: Verdicts
    after: Verdicts

    @property
    def won(self) -> int:
        """What the customer would pay more, or less; rounded for showing."""
        return won_from_numerator(self.after.numerator - self.before.numerator)


def preview_statement(
    *, kind: OutageKind, cluster_id: UUID, started_at: datetime, ended_at: datetime, now: datetime
) -> list[Change]:
    """What a statement about a cluster would change, by instance, the dearest first; instances it leaves alone are left out.

    Raises:
        PreviewTooLarge: It concerns more than 300 instances.
    """
    cluster = Cluster.objects.get(id=cluster_id)
    outage = Outage(kind=kind, site_id=cluster.site_id, cluster=cluster, started_at=started_at, ended_at=ended_at)
    concerned = list_concerned(outage=outage)
    if len(concerned) > INSTANCES_PREVIEWED_MAX:
        raise PreviewTooLarge(reason=_("It concerns more than 300 instances."), pointer="/started_at")
    spell = Spell(trouble=Trouble(kind), started_at=started_at, ended_at=ended_at)
    instances = Instance.objects.select_related("tenant", "project").in_bulk(concerned)
    changes = [_change(instances[instance_id], spell, cluster_id=cluster_id, now=now) for instance_id in concerned]
    changed = [change for change in changes if change.before != change.after]
    return sorted(changed, key=lambda change: (-abs(change.won), change.instance.id))


def _change(instance: Instance, spell: Spell, *, cluster_id: UUID, now: datetime) -> Change:
    before, after = Verdicts(), Verdicts()
    transitions = list(Transition.objects.filter(instance=instance).order_by("id"))
    for source in find_runs(transitions):
        allocations = list(
            Allocation.objects.select_related("term", "stock__node__cluster").filter(
                instance=instance, attempt=source.attempt
            )
        )
        evidence = read_evidence(instance=instance, attempt=source.attempt, allocations=allocations)
        is_there = any(row.stock.node.cluster_id == cluster_id for row in allocations)
        for allocation in allocations:
            if allocation.metered_by == MeteredBy.SITE:
                continue
            run = as_rank(instance=instance, source=source, rank=allocation.rank).run
            seen = evidence.seen.get(allocation.rank, ())
            with_it = [*evidence.spells, spell] if is_there else evidence.spells
            before = _add(before, classify(run=run, spells=evidence.spells, seen=seen, now=now), allocation, now=now)
            after = _add(after, classify(run=run, spells=with_it, seen=seen, now=now), allocation, now=now)
    return Change(instance=instance, before=before, after=after)


def _add(sums: Verdicts, parts: Sequence[Part], allocation: Allocation, *, now: datetime) -> Verdicts:
    prices = list_agreed_prices(terms=[allocation.term])[allocation.term.id]
    for part in parts:
        end = part.ended_at or max(part.started_at, floor_to_second(now))
        seconds = allocation.devices * seconds_between(start=part.started_at, end=end)
        sums = replace(sums, **{part.kind.value: getattr(sums, part.kind.value) + seconds})
        if part.kind is Kind.METERED:
            cost = _cost(prices, devices=allocation.devices, started_at=part.started_at, ended_at=end)
            sums = replace(sums, numerator=sums.numerator + cost)
    return sums
