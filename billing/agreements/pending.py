"""What agreements add to what runs and was not accounted yet, exactly, up to an instant: for cost so far, credit and budgets.

Usage is charged on demand when it ends, and what a commitment covers is taken off once a day. In between a balance must not be
used up by what is covered; so the same sums are made here with what runs, without being written.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Sum

from billing.agreements.due import Due, OpenUse, Payer, find_due
from billing.models import Charge, ChargeKind, Commitment, Discount, UsageInterval
from billing.rating import AgreedPrice, month_before, month_of, rate_usage
from billing.runway import seconds_until
from marketplace.kernel.clock import floor_to_second
from marketplace.kernel.money import NUMERATOR_PER_WON

SECOND = timedelta(seconds=1)

OpenUsage = tuple[Sequence[UsageInterval], Mapping[UUID, Sequence[AgreedPrice]]]
"""Open usage with its term and project, and the agreed prices by term."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What agreements add for one instance, or for none.

    Attributes:
        numerator_by_month: So far and not charged yet; negative where something is taken off.
        numerator_per_second: What the next second adds.
        rate_changes_at: When a term begins or ends, or a cap is reached at the present rate.
    """

    billing_profile_id: UUID
    seller_id: UUID
    instance_id: UUID | None
    offer_id: UUID | None
    numerator_by_month: Mapping[date, int]
    numerator_per_second: int
    rate_changes_at: datetime | None = None


def read_pending(
    *,
    tenant_ids: Collection[UUID],
    load: Callable[[], OpenUsage],
    now: datetime,
) -> list[Pending]:
    """What tenants' agreements add; two queries where there are none, a few more for each payer that has some.

    Args:
        load: All open, metered usage of the tenants; called only where something is agreed.
    """
    payers = _read_payers(tenant_ids, now)
    if not payers:
        return []
    rows, prices = load()
    at = floor_to_second(now)
    found: list[Pending] = []
    for payer in payers:
        own = [row for row in rows if row.project.billing_profile_id == payer.billing_profile_id]
        months = {month_of(at), month_before(month_of(at)), *(month_of(row.started_at) for row in own)}
        before, after = (
            [
                item
                for month in sorted(months)
                for item in find_due(payer=payer, month=month, until=until, running=_open_uses(own, prices, until))
            ]
            for until in (at, at + SECOND)
        )
        found += _sum(payer, before, after, now=at)
    return found


def _read_payers(tenant_ids: Collection[UUID], now: datetime) -> list[Payer]:
    """With what may still be accounted: terms that end no earlier than the month before the last."""
    since = month_before(month_before(month_of(now)))
    commitments = list(
        Commitment.objects.filter(tenant_id__in=tenant_ids, ended_at__gte=now - timedelta(days=62)).order_by("id")
    )
    discounts = list(
        Discount.objects.filter(
            tenant_id__in=tenant_ids, first_month__lte=month_of(now), last_month__gte=since
        ).order_by("id")
    )
    profiles = sorted({(row.billing_profile_id, row.tenant_id) for row in (*commitments, *discounts)})
    return [
        Payer(
            billing_profile_id=profile,
            tenant_id=tenant_id,
            commitments=[row for row in commitments if row.billing_profile_id == profile],
            discounts=[row for row in discounts if row.billing_profile_id == profile],
        )
        for profile, tenant_id in profiles
    ]


def _open_uses(
    rows: Iterable[UsageInterval], prices: Mapping[UUID, Sequence[AgreedPrice]], until: datetime
) -> list[OpenUse]:
    return [
        OpenUse(
            instance_id=row.instance_id,
            offer_id=row.term.offer_id,
            seller_id=row.term.seller_id,
            price=piece.price,
            meter=row.meter,
            units=piece.units,
            started_at=piece.started_at,
            ended_at=piece.ended_at,
            month=piece.month,
            numerator=piece.numerator,
        )
        for row in rows
        if row.term is not None and row.instance_id is not None and row.started_at < until
        for piece in rate_usage(
            prices=prices[row.term.id], devices=row.quantity, started_at=row.started_at, ended_at=until, meter=row.meter
        )
    ]


_Key = tuple[UUID, UUID | None, UUID | None]


def _sum(payer: Payer, before: Sequence[Due], after: Sequence[Due], *, now: datetime) -> list[Pending]:
    """By seller, instance and offer; the rate is the difference of a second."""
    months: dict[_Key, dict[date, int]] = {}
    rates: dict[_Key, int] = {}
    for items, sign in ((before, -1), (after, 1)):
        for item in items:
            key = (item.seller_id, item.instance_id, item.offer_id)
            rates[key] = rates.get(key, 0) + sign * item.numerator
            if sign < 0:
                sums = months.setdefault(key, {})
                sums[item.month] = sums.get(item.month, 0) + item.numerator
    changes_at = _next_change(payer, before, after, now=now)
    return [
        Pending(
            billing_profile_id=payer.billing_profile_id,
            seller_id=key[0],
            instance_id=key[1],
            offer_id=key[2],
            numerator_by_month=months.get(key, {}),
            numerator_per_second=rate,
            rate_changes_at=changes_at,
        )
        for key, rate in rates.items()
    ]


def _next_change(payer: Payer, before: Sequence[Due], after: Sequence[Due], *, now: datetime) -> datetime | None:
    """The next instant at which a term begins or ends, or a cap is reached at the present rate."""
    edges = [edge for one in payer.commitments for edge in (one.started_at, one.ended_at) if edge > now]
    capped = {one.id: one.cap_won for one in payer.discounts if one.cap_won is not None}
    if capped:
        given = dict(
            Charge.objects.filter(agreement_id__in=list(capped), kind=ChargeKind.DISCOUNT)
            .values_list("agreement_id")
            .annotate(exact=Sum("numerator"))
        )
        for discount_id, cap_won in capped.items():
            pending, next_pending = (
                sum(item.numerator for item in items if item.agreement_id == discount_id) for items in (before, after)
            )
            left = cap_won * NUMERATOR_PER_WON + int(given.get(discount_id) or 0) + pending
            seconds = seconds_until(remaining_numerator=left, numerator_per_second=pending - next_pending)
            edges += [now + timedelta(seconds=seconds)] if seconds else []
    return min(edges, default=None)
