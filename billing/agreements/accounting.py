"""Writes what agreements come to, as charges: once a day, and before a month is closed. Only the difference is written."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from itertools import groupby
from uuid import UUID

from django.db.models import Q

from billing.agreements.due import Due, Payer, find_due, list_fees_charged
from billing.charging import record_charges
from billing.models import Charge, Commitment, Discount
from billing.rating import day_of, month_before, month_bounds, month_of
from marketplace.instances.models import Instance
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.clock import KST


def account_due(*, actor: Actor, now: datetime) -> int:
    """Bring every payer's agreements up to last midnight in Seoul who was not today; charges written.

    Safe to repeat and to run twice at once. Opens a transaction for each payer.
    """
    today = day_of(now)
    with as_actor(actor):
        stale = Q(accounted_on__isnull=True) | Q(accounted_on__lt=today)
        payers = {
            *Commitment.objects.filter(stale, started_at__lt=now, ended_at__gte=now - timedelta(days=62)).values_list(
                "billing_profile_id", flat=True
            ),
            *Discount.objects.filter(
                stale, first_month__lte=today, last_month__gte=month_before(month_before(month_of(now)))
            ).values_list("billing_profile_id", flat=True),
        }
    until = datetime.combine(today, time(), tzinfo=KST)
    written = 0
    for payer in sorted(payers):
        with as_actor(actor):
            written += account_payer(billing_profile_id=payer, until=until, today=today)
    return written


def list_payers_with_agreements(*, month: date, tenant_ids: Sequence[UUID] | None = None) -> list[UUID]:
    """Billing profiles with an agreement in a month."""
    first, following = month_bounds(month)
    commitments = Commitment.objects.filter(started_at__lt=following, ended_at__gt=first)
    discounts = Discount.objects.filter(first_month__lte=month, last_month__gte=month)
    if tenant_ids is not None:
        commitments = commitments.filter(tenant_id__in=list(tenant_ids))
        discounts = discounts.filter(tenant_id__in=list(tenant_ids))
    found = {
        *commitments.values_list("billing_profile_id", flat=True),
        *discounts.values_list("billing_profile_id", flat=True),
    }
    return sorted(found)


def account_payer(*, billing_profile_id: UUID, until: datetime, today: date, months: Sequence[date] = ()) -> int:
    """Charge what a payer's agreements come to up to an instant, less what was charged; how many charges were written.

    Args:
        today: Kept with the agreements, so that the daily sweep asks once.
        months: Further months in which usage may have changed; the present and the last one always are looked at.

    Locks the payer's agreements by id. Requires an open transaction of a staff actor.
    """
    commitments = list(
        Commitment.objects.select_for_update(no_key=True, of=("self",))
        .filter(billing_profile_id=billing_profile_id, started_at__lt=until)
        .order_by("id")
    )
    discounts = list(
        Discount.objects.select_for_update(no_key=True, of=("self",))
        .filter(billing_profile_id=billing_profile_id, first_month__lte=day_of(until))
        .order_by("id")
    )
    if not commitments and not discounts:
        return 0
    payer = Payer(
        billing_profile_id=billing_profile_id,
        tenant_id=(commitments or discounts)[0].tenant_id,
        commitments=commitments,
        discounts=discounts,
    )
    written = 0
    for month in _months(commitments, until, months):
        due = find_due(payer=payer, month=month, until=until)
        written += _write(payer, due)
    for model, rows in ((Commitment, commitments), (Discount, discounts)):
        model.objects.filter(id__in=[row.id for row in rows]).update(accounted_on=today)
    return written


def _months(commitments: Sequence[Commitment], until: datetime, more: Sequence[date]) -> list[date]:
    """Those that may have changed: the last two, those asked for, and those whose fee was not charged yet."""
    last = month_of(until - timedelta(seconds=1))
    charged = list_fees_charged(commitments) if commitments else {}
    unpaid = [charged[one.id] for one in commitments if charged[one.id] < min(one.ended_at, until)]
    first = min([month_before(last), *(month_of(at) for at in unpaid)])
    found = {last, *more}
    while last > first:
        last = month_before(last)
        found.add(last)
    return sorted(found)


def _write(payer: Payer, due: Iterable[Due]) -> int:
    instances = {
        row.id: row
        for row in Instance.objects.select_related("project").filter(
            id__in=[item.instance_id for item in due if item.instance_id is not None]
        )
    }
    written = 0

    def sort_key(item: Due) -> tuple[str, str]:
        return str(item.instance_id or ""), str(item.offer_id or "")

    for _key, group in groupby(sorted(due, key=sort_key), key=sort_key):
        items = list(group)
        instance_id = items[0].instance_id
        record_charges(
            charges=[_charge(item, payer) for item in items],
            instance=instances[instance_id] if instance_id is not None else None,
            offer_id=items[0].offer_id,
        )
        written += len(items)
    return written


def _charge(item: Due, payer: Payer) -> Charge:
    columns = asdict(item)
    return Charge(
        tenant_id=payer.tenant_id,
        billing_profile_id=payer.billing_profile_id,
        price_micros_per_device_hour=columns.pop("micros_per_device_hour"),
        **columns,
    )
