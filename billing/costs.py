"""What has been spent so far, current to the second, and by whom: the days' sums and what is running now. Reads only, by actor.

Closed usage is in the sums of its days (`CostDay`); open usage is rated here, at the agreed prices, up to `now`. So the answer
reads a few rows per instance and day, never every usage interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet

from billing.agreements.pending import OpenUsage, Pending, read_pending
from billing.charging import list_agreed_prices
from billing.metering.meters import Meter
from billing.models import UsageInterval, UsageKind
from billing.rating import cut_at_days, day_of, month_bounds, month_of, rate_now, rate_usage
from marketplace.instances.models import Instance
from marketplace.inventory.models import Offer
from marketplace.kernel.actors import Actor
from marketplace.kernel.money import won_from_numerator
from marketplace.tenants.access import require_permission


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCost:
    """What has been spent so far, VAT apart.

    Attributes:
        numerator: Exact; closed usage and the open one up to `as_of`.
        numerator_per_second: How much is added each second while it runs; 0 when nothing does.
    """

    numerator: int
    numerator_per_second: int
    device_seconds: int
    as_of: datetime

    @property
    def won(self) -> int:
        """Rounded for showing; the invoice rounds once per line."""
        return won_from_numerator(self.numerator)

    @property
    def micros_per_hour(self) -> int:
        """The present rate, in millionths of a won per hour."""
        return self.numerator_per_second


class Dimension(StrEnum):
    """What a report groups by."""

    PROJECT = "project"
    COST_CENTRE = "cost_centre"
    ACCELERATOR = "accelerator"
    PERSON = "person"


@dataclass(slots=True, kw_only=True)
class CostRow:
    """One group of a report; an empty label is the bucket for what is assigned to nobody."""

    label: str
    numerator: int = 0
    device_seconds: int = 0

    @property
    def won(self) -> int:
        """Rounded for showing."""
        return won_from_numerator(self.numerator)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """A month's cost by group and by day; both add up to the exact total, which alone is rounded for it.

    Attributes:
        days: Numerator of every day that is over or has begun.
    """

    month: date
    dimension: Dimension
    rows: tuple[CostRow, ...]
    days: tuple[tuple[date, int], ...]
    total: RunningCost


def read_running_cost(*, actor: Actor, instance: Instance, now: datetime) -> RunningCost:
    """What an instance has cost from its beginning up to `now`, with what agreements take off; five queries.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    closed = _sum_days("source_id = %(instance)s", {"tenant": actor.tenant_scope, "instance": instance.id})
    cost = _add_open(_list_open(actor).filter(instance=instance), closed, since=None, now=now)
    return _add_pending(cost, [item for item in _read_pending(actor, now) if item.instance_id == instance.id])


def read_month_to_date(*, actor: Actor, now: datetime, project_id: UUID | None = None) -> RunningCost:
    """What the tenant, or one of its projects, has spent since the month began in Seoul; five queries where nothing is agreed.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    start, following = month_bounds(month_of(now))
    where, values = _month_filter(actor, month_of(now), project_id)
    rows = _list_open(actor)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    cost = _add_open(rows, _sum_days(where, values), since=start, now=min(now, following))
    return _add_pending(cost, _of_projects(actor, _read_pending(actor, now), project_id), month=month_of(now))


def report_costs(
    *, actor: Actor, month: date, dimension: Dimension, now: datetime, project_id: UUID | None = None
) -> CostReport:
    """A month by project, cost centre, accelerator or person, the dearest first; what is running is in it up to `now`.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    where, values = _month_filter(actor, month, project_id)
    tally = _Tally()
    with connection.cursor() as cursor:
        cursor.execute(_BY_GROUP.format(label=_LABELS[dimension], where=where), values)
        for label, day, numerator, device_seconds in cursor.fetchall():
            tally.add(label=label or "", day=day, numerator=int(numerator), device_seconds=int(device_seconds))
    per_second = _report_open(tally, actor=actor, month=month, dimension=dimension, now=now, only=project_id)
    total = RunningCost(
        numerator=sum(row.numerator for row in tally.groups.values()),
        numerator_per_second=per_second,
        device_seconds=sum(row.device_seconds for row in tally.groups.values()),
        as_of=now,
    )
    rows = sorted(tally.groups.values(), key=lambda row: (-row.numerator, row.label))
    return CostReport(
        month=month,
        dimension=dimension,
        rows=tuple(rows),
        days=_fill_days(tally.days, month=month, now=now),
        total=total,
    )


@dataclass(frozen=True, slots=True)
class _Closed:
    numerator: int = 0
    device_seconds: int = 0


def _sum_days(where: str, values: dict[str, Any]) -> _Closed:
    with connection.cursor() as cursor:
        cursor.execute(_SUM.format(where=where), values)
        numerator, device_seconds = cursor.fetchone()
    return _Closed(int(numerator), int(device_seconds))


_SUM: Final = """
SELECT coalesce(sum(c.numerator), 0),
    coalesce(sum(c.device_seconds) FILTER (WHERE c.kind IN ('usage', 'correction')), 0)
FROM billing_costday c WHERE c.tenant_id = %(tenant)s AND {where}
"""
_BY_GROUP: Final = """
SELECT {label}, c.day, sum(c.numerator),
    coalesce(sum(c.device_seconds) FILTER (WHERE c.kind IN ('usage', 'correction')), 0)
FROM billing_costday c
LEFT JOIN tenants_project p ON p.id = c.project_id
LEFT JOIN inventory_offer o ON o.id = c.offer_id
LEFT JOIN inventory_accelerator a ON a.id = o.accelerator_id
LEFT JOIN instances_instance i ON i.id = c.instance_id
WHERE c.tenant_id = %(tenant)s AND {where}
GROUP BY 1, 2
"""
_LABELS: Final = {
    Dimension.PROJECT: "p.name",
    Dimension.COST_CENTRE: "c.cost_centre",
    Dimension.ACCELERATOR: "a.vendor || ' ' || a.model",
    Dimension.PERSON: "i.created_by_name",
}


def _month_filter(actor: Actor, month: date, project_id: UUID | None) -> tuple[str, dict[str, Any]]:
    _start, following = month_bounds(month)
    where = "c.day >= %(first)s AND c.day < %(following)s"
    values: dict[str, Any] = {"tenant": actor.tenant_scope, "first": month, "following": day_of(following)}
    if project_id is not None:
        where += " AND c.project_id = %(project)s"
        values["project"] = project_id
    if actor.project_ids is not None:
        where += " AND c.project_id = ANY(%(projects)s)"
        values["projects"] = list(actor.project_ids)
    return where, values


def _read_pending(actor: Actor, now: datetime) -> list[Pending]:
    """What agreements add for the whole tenant: what covers one project's use depends on the others'."""

    def load() -> OpenUsage:
        rows = list(_open_of_tenant(actor))
        terms = {row.term.id: row.term for row in rows if row.term is not None}
        return rows, list_agreed_prices(terms=terms.values())

    return read_pending(tenant_ids=[actor.tenant_scope], load=load, now=now)


def _of_projects(actor: Actor, items: Sequence[Pending], project_id: UUID | None) -> list[Pending]:
    """Those of one project, and of those that the actor may see; a commitment's fee is no project's."""
    if not items or (project_id is None and actor.project_ids is None):
        return list(items)
    rows = Instance.objects.filter(id__in=[item.instance_id for item in items if item.instance_id])
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    if actor.project_ids is not None:
        rows = rows.filter(project_id__in=actor.project_ids)
    seen = set(rows.values_list("id", flat=True))
    return [item for item in items if item.instance_id in seen]


def _add_pending(cost: RunningCost, items: Sequence[Pending], *, month: date | None = None) -> RunningCost:
    """With what agreements add, in one month or in all."""
    return replace(
        cost,
        numerator=cost.numerator
        + sum(
            numerator
            for item in items
            for of_month, numerator in item.numerator_by_month.items()
            if month in (None, of_month)
        ),
        numerator_per_second=cost.numerator_per_second + sum(item.numerator_per_second for item in items),
    )


def _list_open(actor: Actor) -> QuerySet[UsageInterval]:
    rows = _open_of_tenant(actor)
    return rows if actor.project_ids is None else rows.filter(project_id__in=actor.project_ids)


def _open_of_tenant(actor: Actor) -> QuerySet[UsageInterval]:
    return UsageInterval.objects.filter(
        tenant_id=actor.tenant_scope,
        ended_at__isnull=True,
        superseded_by__isnull=True,
        kind=UsageKind.METERED,
        meter__in=[Meter.DEVICE, Meter.HELD_DEVICE],
        term__isnull=False,
    ).select_related("term", "project")


def _add_open(rows: QuerySet[UsageInterval], closed: _Closed, *, since: datetime | None, now: datetime) -> RunningCost:
    numerator, device_seconds, per_second = closed.numerator, closed.device_seconds, 0
    for item in _rate_open(list(rows), since=since, now=now):
        per_second += item.numerator_per_second
        numerator += sum(part[1] for part in item.parts)
        device_seconds += sum(part[2] for part in item.parts)
    return RunningCost(numerator=numerator, numerator_per_second=per_second, device_seconds=device_seconds, as_of=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """An open interval: its day parts as (day, numerator, device-seconds), and what the next second adds."""

    interval: UsageInterval
    numerator_per_second: int
    parts: list[tuple[date, int, int]] = field(default_factory=list)


def _rate_open(rows: Sequence[UsageInterval], *, since: datetime | None, now: datetime) -> list[_Running]:
    terms = {row.term.id: row.term for row in rows if row.term is not None}
    agreed = list_agreed_prices(terms=terms.values()) if terms else {}
    found = []
    for row in rows:
        prices = agreed[row.term_id] if row.term_id is not None else ()
        started_at = max(row.started_at, since) if since else row.started_at
        whole_now = now.replace(microsecond=0)
        parts = [
            (day_of(start), piece.numerator, piece.device_seconds)
            for start, end in cut_at_days(started_at=started_at, ended_at=whole_now)
            if (end - start) >= timedelta(seconds=1)
            for piece in rate_usage(
                prices=prices, devices=row.quantity, started_at=start, ended_at=end, meter=row.meter
            )
        ]
        per_second = rate_now(prices=prices, devices=row.quantity, at=now, meter=row.meter)
        found.append(_Running(interval=row, numerator_per_second=per_second, parts=parts))
    return found


@dataclass(frozen=True, slots=True)
class _Tally:
    """Sums by group and by day."""

    groups: dict[str, CostRow] = field(default_factory=dict)
    days: dict[date, int] = field(default_factory=dict)

    def add(self, *, label: str, day: date, numerator: int, device_seconds: int) -> None:
        row = self.groups.setdefault(label, CostRow(label=label))
        row.numerator += numerator
        row.device_seconds += device_seconds
        self.days[day] = self.days.get(day, 0) + numerator


def _report_open(
    tally: _Tally,
    *,
    actor: Actor,
    month: date,
    dimension: Dimension,
    now: datetime,
    only: UUID | None,
) -> int:
    """Add what is running to a report of the present month; what the next second adds."""
    start, following = month_bounds(month)
    if not start <= now < following:
        return 0
    rows = (
        _list_open(actor)
        .filter(Q(project_id=only) if only else Q())
        .annotate(
            accelerator_vendor=F("term__offer__accelerator__vendor"),
            accelerator_model=F("term__offer__accelerator__model"),
            person=F("instance__created_by_name"),
            project_name=F("project__name"),
            cost_centre=F("project__cost_centre"),
        )
    )
    per_second = 0
    for item in _rate_open(list(rows), since=start, now=now):
        row: Any = item.interval
        label = {
            Dimension.PROJECT: row.project_name,
            Dimension.COST_CENTRE: row.cost_centre,
            Dimension.ACCELERATOR: f"{row.accelerator_vendor} {row.accelerator_model}",
            Dimension.PERSON: row.person,
        }[dimension]
        per_second += item.numerator_per_second
        for day, numerator, device_seconds in item.parts:
            tally.add(label=label or "", day=day, numerator=numerator, device_seconds=device_seconds)
    return per_second + _report_pending(tally, actor=actor, dimension=dimension, month=month, now=now, only=only)


def _report_pending(
    tally: _Tally, *, actor: Actor, dimension: Dimension, month: date, now: datetime, only: UUID | None
) -> int:
    """Add what agreements add to what runs, on today; what the next second adds."""
    items = _of_projects(actor, _read_pending(actor, now), only)
    labels: dict[UUID, dict[str, str]] = {
        row.id: {
            Dimension.PROJECT: row.project.name,
            Dimension.COST_CENTRE: row.project.cost_centre,
            Dimension.PERSON: row.created_by_name,
        }
        for row in Instance.objects.select_related("project").filter(
            id__in=[item.instance_id for item in items if item.instance_id]
        )
    } if items else {}  # fmt: skip
    models = {
        row.id: f"{row.accelerator.vendor} {row.accelerator.model}"
        for row in Offer.objects.select_related("accelerator").filter(id__in=[item.offer_id for item in items])
    } if items else {}  # fmt: skip
    for item in items:
        if dimension is Dimension.ACCELERATOR:
            label = models.get(item.offer_id, "") if item.offer_id else ""
        else:
            label = labels[item.instance_id][dimension] if item.instance_id else ""
        numerator = item.numerator_by_month.get(month, 0)
        if numerator:
            tally.add(label=label, day=day_of(now), numerator=numerator, device_seconds=0)
    return sum(item.numerator_per_second for item in items)


def _fill_days(days: dict[date, int], *, month: date, now: datetime) -> tuple[tuple[date, int], ...]:
    _start, following = month_bounds(month)
    last = min(day_of(now), day_of(following) - timedelta(days=1))
    count = max(0, (last - month).days + 1)
    return tuple((day, days.get(day, 0)) for day in (month + timedelta(days=index) for index in range(count)))
