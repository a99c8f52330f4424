"""What a tenant has spent and spends, exactly: charges, and open usage up to an instant. The numbers of credit, budgets and runway.

Without VAT and without rounding. A balance is compared with these sums, never with a rounded one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Sum

from billing.agreements.pending import Pending, read_pending
from billing.charging import list_agreed_prices
from billing.models import Charge, SpendHold, UsageInterval, UsageKind
from billing.rating import AgreedPrice, month_bounds, month_of, rate_now, rate_usage
from marketplace.instances.models import Instance, InstanceTerm
from marketplace.instances.states import HOLDS_QUOTA
from marketplace.kernel.clock import floor_to_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """One open usage interval up to an instant, or what an agreement adds to usage and has not been charged yet.

    Attributes:
        instance_id, project_id: None for a commitment's fee.
        numerator_by_month: What it has cost so far, by month in Seoul.
        numerator_per_second: What each further second costs.
        rate_changes_at: When another agreed price begins.
    """

    instance_id: UUID | None
    project_id: UUID | None
    billing_profile_id: UUID
    seller_id: UUID
    numerator_by_month: Mapping[date, int]
    numerator_per_second: int
    rate_changes_at: datetime | None = None

    @property
    def numerator(self) -> int:
        """So far, in all months."""
        return sum(self.numerator_by_month.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one wanted instance still keeps: its hold or estimate less what it has used since."""

    instance_id: UUID
    project_id: UUID
    billing_profile_id: UUID
    seller_id: UUID
    hold_numerator: int
    estimate_numerator: int


def read_burns(*, tenant_ids: Collection[UUID], now: datetime) -> list[Burn]:
    """The tenants' open, metered usage up to `now`, with what agreements add; four queries where nothing is agreed.

    What is unknown or excused costs nothing.
    """
    rows = list(
        UsageInterval.objects.filter(
            tenant_id__in=tenant_ids,
            ended_at__isnull=True,
            superseded_by__isnull=True,
            kind=UsageKind.METERED,
            term__isnull=False,
            instance__isnull=False,
        ).select_related("term", "project")
    )
    terms = {row.term_id: row.term for row in rows if row.term is not None}
    prices = list_agreed_prices(terms=terms.values())
    burns = [_burn(row, row.term, prices[row.term.id], now) for row in rows if row.term is not None]
    pending = read_pending(tenant_ids=tenant_ids, load=lambda: (rows, prices), now=now)
    return [*burns, *_agreed(pending)]


def _agreed(pending: Sequence[Pending]) -> list[Burn]:
    projects: dict[UUID, UUID] = dict(
        Instance.objects.filter(id__in=[item.instance_id for item in pending if item.instance_id]).values_list(
            "id", "project_id"
        )
        if pending
        else ()
    )
    return [
        Burn(
            instance_id=item.instance_id,
            project_id=projects[item.instance_id] if item.instance_id else None,
            billing_profile_id=item.billing_profile_id,
            seller_id=item.seller_id,
            numerator_by_month=item.numerator_by_month,
            numerator_per_second=item.numerator_per_second,
            rate_changes_at=item.rate_changes_at,
        )
        for item in pending
    ]


def _burn(row: UsageInterval, term: InstanceTerm, prices: Sequence[AgreedPrice], now: datetime) -> Burn:
    parts: dict[date, int] = {}
    until = floor_to_second(now)
    if until > row.started_at:
        pieces = rate_usage(
            prices=prices, devices=row.quantity, started_at=row.started_at, ended_at=until, meter=row.meter
        )
        for piece in pieces:
            parts[piece.month] = parts.get(piece.month, 0) + piece.numerator
    return Burn(
        instance_id=term.instance_id,
        project_id=row.project_id,
        billing_profile_id=row.project.billing_profile_id,
        seller_id=term.seller_id,
        numerator_by_month=parts,
        numerator_per_second=rate_now(prices=prices, devices=row.quantity, at=now, meter=row.meter),
        rate_changes_at=min((price.since for price in prices if price.since and price.since > now), default=None),
    )


def read_uninvoiced(*, billing_profile_ids: Collection[UUID]) -> dict[tuple[UUID, UUID], dict[date, int]]:
    """Exact sums of charges that no invoice has yet, by (payer, seller) and month; one query."""
    rows = (
        Charge.objects.filter(billing_profile_id__in=billing_profile_ids, invoice_line__isnull=True)
        .values_list("billing_profile_id", "seller_id", "month")
        .annotate(exact=Sum("numerator"))
    )
    found: dict[tuple[UUID, UUID], dict[date, int]] = {}
    for billing_profile_id, seller_id, month, exact in rows:
        found.setdefault((billing_profile_id, seller_id), {})[month] = int(exact)
    return found


def read_charged(*, tenant_id: UUID, month: date | None) -> dict[UUID | None, int]:
    """Exact sums of charges by project, of one month or of all time (None); what belongs to no instance stands under None."""
    rows = Charge.objects.filter(tenant_id=tenant_id)
    if month is not None:
        rows = rows.filter(month=month)
    summed = rows.values_list("instance__project_id").annotate(exact=Sum("numerator"))
    return {project_id: int(exact) for project_id, exact in summed}


def read_held(*, tenant_ids: Collection[UUID], burns: Sequence[Burn]) -> list[Held]:
    """What the tenants' wanted instances still keep; two queries.

    Args:
        burns: Their open usage at the same instant.
    """
    rows = list(
        SpendHold.objects.filter(
            tenant_id__in=tenant_ids,
            released_at__isnull=True,
            instance__state__in=[state.value for state in HOLDS_QUOTA],
        )
    )
    charged = sum_charges_of(instance_ids={row.instance_id for row in rows})
    running: dict[UUID | None, int] = {}
    for burn in burns:
        running[burn.instance_id] = running.get(burn.instance_id, 0) + burn.numerator
    return [
        Held(
            instance_id=row.instance_id,
            project_id=row.project_id,
            billing_profile_id=row.billing_profile_id,
            seller_id=row.seller_id,
            hold_numerator=max(0, int(row.hold_numerator) - used),
            estimate_numerator=max(0, int(row.estimate_numerator) - used),
        )
        for row in rows
        for used in [charged.get(row.instance_id, 0) - int(row.charged_before) + running.get(row.instance_id, 0)]
    ]


def sum_charges_of(*, instance_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Exact sums of charges by instance; one query."""
    rows = (
        Charge.objects.filter(instance_id__in=list(instance_ids))
        .values_list("instance_id")
        .annotate(exact=Sum("numerator"))
    )
    return {instance_id: int(exact) for instance_id, exact in rows if instance_id is not None}


def find_rate_change(*, burns: Iterable[Burn], now: datetime) -> datetime | None:
    """When a present rate no longer holds: another agreed price begins, or a month with another number of days; None = never."""
    burns = list(burns)
    if not burns:
        return None
    changes = [burn.rate_changes_at for burn in burns if burn.rate_changes_at is not None]
    return min([*changes, month_bounds(month_of(now))[1]])
