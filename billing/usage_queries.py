"""Reads of usage for faces, by its three kinds; scoped by actor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from billing.metering.meters import METERS, Meter, amount_of
from billing.models import UsageInterval, UsageKind
from billing.rating import month_bounds
from marketplace.kernel.actors import Actor
from marketplace.kernel.clock import floor_to_second, seconds_between
from marketplace.kernel.errors import ValidationFailed
from marketplace.tenants.access import require_permission

INTERVALS_PER_FILE_MAX: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSums:
    """Device-seconds by kind."""

    metered: int
    excused: int
    unknown: int

    @property
    def total(self) -> int:
        """All three."""
        return self.metered + self.excused + self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceUsage:
    """One instance's device-seconds in a month."""

    instance_id: UUID
    name: str
    project: str
    sums: KindSums


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthUsage:
    """A tenant's device-seconds in a month up to `as_of`.

    Attributes:
        instances: The page that was asked for, most used first.
    """

    month: date
    as_of: datetime
    sums: KindSums
    instances: Sequence[InstanceUsage]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterUsage:
    """What one meter counted in a month, by kind, in its amount unit."""

    meter: Meter
    sums: KindSums


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """What a reader asks for; None = all.

    Attributes:
        since, until: Half-open; an interval that lies in it at least partly is found.
    """

    since: datetime | None = None
    until: datetime | None = None
    kind: UsageKind | None = None
    meter: Meter | None = None
    project_id: UUID | None = None
    instance_id: UUID | None = None


class UsageTooLong(ValidationFailed):
    """More intervals than one file holds; nothing was written."""

    code = "usage_too_long"
    remedy = _("Ask for a shorter time, one project or one meter.")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalPart:
    """The part of a usage interval that lies in the asked time, with its amount so far."""

    interval: UsageInterval
    started_at: datetime
    ended_at: datetime | None
    seconds: int
    amount: int
    amount_unit: str


_BY_INSTANCE: Final = """
WITH parts AS (
    SELECT u.instance_id, u.kind, u.quantity * extract(epoch FROM
        least(coalesce(u.ended_at, %(now)s), %(until)s, %(now)s) - greatest(u.started_at, %(since)s))::bigint AS seconds
    FROM billing_usageinterval u
    WHERE u.tenant_id = %(tenant)s AND u.superseded_by_id IS NULL AND u.meter = 'device'
        AND %(since)s < %(now)s AND u.started_at < least(%(until)s, %(now)s) AND (u.ended_at IS NULL OR u.ended_at > %(since)s)
        AND (%(projects)s::uuid[] IS NULL OR u.project_id = ANY(%(projects)s))
), sums AS (
    SELECT instance_id, coalesce(sum(seconds) FILTER (WHERE kind = 'metered'), 0) AS metered,
        coalesce(sum(seconds) FILTER (WHERE kind = 'excused'), 0) AS excused,
        coalesce(sum(seconds) FILTER (WHERE kind = 'unknown'), 0) AS unknown
    FROM parts GROUP BY instance_id
)
SELECT s.instance_id, i.name, p.name, s.metered, s.excused, s.unknown,
    sum(s.metered) OVER (), sum(s.excused) OVER (), sum(s.unknown) OVER ()
FROM sums s JOIN instances_instance i ON i.id = s.instance_id JOIN tenants_project p ON p.id = i.project_id
ORDER BY s.metered + s.excused + s.unknown DESC, s.instance_id LIMIT %(limit)s OFFSET %(offset)s
"""


def read_month_usage(*, actor: Actor, month: date, now: datetime, limit: int, offset: int = 0) -> MonthUsage:
    """What the tenant's instances used in a month, by instance and kind, up to `now`; one query.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    since, until = month_bounds(month)
    at = floor_to_second(now)
    values: dict[str, Any] = {
        "tenant": actor.tenant_scope, "since": since, "until": until, "now": at, "limit": limit + 1, "offset": offset,
        "projects": None if actor.project_ids is None else list(actor.project_ids),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_BY_INSTANCE, values)
        rows = cursor.fetchall()
    sums = KindSums(metered=0, excused=0, unknown=0)
    if rows:
        sums = KindSums(metered=int(rows[0][6]), excused=int(rows[0][7]), unknown=int(rows[0][8]))
    return MonthUsage(
        month=month,
        as_of=at,
        sums=sums,
        instances=[
            InstanceUsage(
                instance_id=row[0],
                name=row[1],
                project=row[2],
                sums=KindSums(metered=int(row[3]), excused=int(row[4]), unknown=int(row[5])),
            )
            for row in rows[:limit]
        ],
        has_more=len(rows) > limit,
    )


_BY_METER: Final = """
SELECT u.meter, u.kind, sum(u.quantity::numeric * CASE WHEN u.meter = ANY(%(counted)s) THEN 1 ELSE extract(epoch FROM
    least(coalesce(u.ended_at, %(now)s), %(until)s, %(now)s) - greatest(u.started_at, %(since)s))::bigint END)
FROM billing_usageinterval u
WHERE u.tenant_id = %(tenant)s AND u.superseded_by_id IS NULL AND u.meter <> 'device'
    AND %(since)s < %(now)s AND u.started_at < least(%(until)s, %(now)s) AND (u.ended_at IS NULL OR u.ended_at > %(since)s)
    AND (%(projects)s::uuid[] IS NULL OR u.project_id = ANY(%(projects)s))
GROUP BY 1, 2 ORDER BY 1, 2
"""


def read_other_meters(*, actor: Actor, month: date, now: datetime) -> list[MeterUsage]:
    """What the tenant used in a month beside running devices, by meter and kind; one query.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    since, until = month_bounds(month)
    values: dict[str, Any] = {
        "tenant": actor.tenant_scope, "since": since, "until": until, "now": floor_to_second(now),
        "counted": [meter.value for meter, rule in METERS.items() if not rule.is_timed],
        "projects": None if actor.project_ids is None else list(actor.project_ids),
    }  # fmt: skip
    sums: dict[str, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_BY_METER, values)
        for meter, kind, amount in cursor.fetchall():
            sums.setdefault(meter, {"metered": 0, "excused": 0, "unknown": 0})[kind] = int(amount)
    return [MeterUsage(meter=Meter(meter), sums=KindSums(**found)) for meter, found in sums.items()]


def list_intervals(*, actor: Actor, wanted: UsageFilter) -> QuerySet[UsageInterval]:
    """The tenant's usage intervals that stand and are asked for, of every meter and kind, newest first.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    rows = UsageInterval.objects.filter(tenant_id=actor.tenant_scope, superseded_by__isnull=True)
    if actor.project_ids is not None:
        rows = rows.filter(project_id__in=actor.project_ids)
    if wanted.since is not None:
        rows = rows.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=wanted.since))
    if wanted.until is not None:
        rows = rows.filter(started_at__lt=wanted.until)
    for column in ("kind", "meter", "project_id", "instance_id"):
        value = getattr(wanted, column)
        if value is not None:
            rows = rows.filter(**{column: value})
    return rows.select_related("instance", "project", "term").order_by("-id")


def list_unpaid_parts(*, actor: Actor, month: date, now: datetime, limit: int) -> list[IntervalPart]:
    """What of a month is excused or unknown, and why; newest first."""
    since, until = month_bounds(month)
    rows = list_intervals(actor=actor, wanted=UsageFilter(since=since, until=until)).exclude(kind=UsageKind.METERED)
    return [cut_part(row, since=since, until=until, now=now) for row in rows.order_by("-started_at")[:limit]]


def iterate_parts(*, actor: Actor, wanted: UsageFilter, now: datetime) -> Iterator[IntervalPart]:
    """Every interval that is asked for, oldest first, cut to the asked time; for a file.

    Raises:
        UsageTooLong: More than 50,000.
    """
    rows = list_intervals(actor=actor, wanted=wanted).order_by("started_at", "id")
    if rows.count() > INTERVALS_PER_FILE_MAX:
        raise UsageTooLong(reason=_("A file holds at most 50,000 intervals."), pointer="?until")
    for row in rows.iterator(chunk_size=2_000):
        yield cut_part(row, since=wanted.since, until=wanted.until, now=now)


def cut_part(row: UsageInterval, *, since: datetime | None, until: datetime | None, now: datetime) -> IntervalPart:
    """The part of an interval that lies in [since, until), up to `now` while it goes on."""
    start = max(row.started_at, since) if since else row.started_at
    end = row.ended_at if until is None or row.ended_at is None else min(row.ended_at, until)
    at = floor_to_second(now)
    reached = end if end is not None else max(start, min(until, at) if until else at)
    seconds = seconds_between(start=start, end=reached)
    meter = Meter(row.meter)
    return IntervalPart(
        interval=row,
        started_at=start,
        ended_at=end,
        seconds=seconds,
        amount=amount_of(meter=meter, quantity=row.quantity, seconds=seconds),
        amount_unit=METERS[meter].amount_unit,
    )
