"""Agreements as their payer and operators see them: what is agreed, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Sum

from billing.models import Charge, ChargeKind, Commitment, Discount
from billing.rating import month_of
from marketplace.kernel.actors import Actor
from marketplace.kernel.money import won_from_numerator
from marketplace.tenants.access import require_permission

SHOWN_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCommitment:
    """A commitment this month.

    Attributes:
        fee_won, covered_won: Accounted this month, up to the last midnight.
        used_percent: Of the committed device-seconds accounted this month; None while none are.
    """

    row: Commitment
    fee_won: int
    covered_won: int
    used_percent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDiscount:
    """A discount with what it has given in all, positive."""

    row: Discount
    given_won: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreements:
    """What is agreed, the newest first."""

    commitments: tuple[ShownCommitment, ...]
    discounts: tuple[ShownDiscount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedForOffer:
    """What a payer has agreed for one offer, in force at an instant."""

    commitments: tuple[Commitment, ...]
    discounts: tuple[Discount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedForPayer:
    """What a payer has agreed, in force at an instant."""

    commitments: tuple[Commitment, ...]
    discounts: tuple[Discount, ...]

    def of_offer(self, offer_id: UUID) -> AgreedForOffer:
        """What concerns one offer."""
        return AgreedForOffer(
            commitments=tuple(row for row in self.commitments if row.offer_id == offer_id),
            discounts=tuple(row for row in self.discounts if row.offer_id in (None, offer_id)),
        )


def list_agreed_for(*, billing_profile_id: UUID, now: datetime) -> AgreedForPayer:
    """A payer's agreements in force; two queries, under the actor's row security."""
    commitments = Commitment.objects.filter(
        billing_profile_id=billing_profile_id, started_at__lte=now, ended_at__gt=now
    )
    discounts = Discount.objects.filter(
        billing_profile_id=billing_profile_id, first_month__lte=month_of(now), last_month__gte=month_of(now)
    )
    return AgreedForPayer(commitments=tuple(commitments.order_by("id")), discounts=tuple(discounts.order_by("id")))


def list_own_agreements(*, actor: Actor, now: datetime) -> Agreements:
    """The tenant's agreements.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    return list_agreements(tenant_id=actor.tenant_scope, now=now)


def list_agreements(*, tenant_id: UUID | None, now: datetime) -> Agreements:
    """Agreements of a tenant, or of all; at most four queries."""
    commitments = Commitment.objects.select_related(
        "tenant", "billing_profile", "offer__accelerator", "offer__site"
    ).order_by("-id")
    discounts = Discount.objects.select_related(
        "tenant", "billing_profile", "offer__accelerator", "offer__site"
    ).order_by("-id")
    if tenant_id is not None:
        commitments, discounts = commitments.filter(tenant_id=tenant_id), discounts.filter(tenant_id=tenant_id)
    committed, discounted = list(commitments[:SHOWN_MAX]), list(discounts[:SHOWN_MAX])
    sums = _sum_commitments(committed, now)
    given = dict(
        Charge.objects.filter(kind=ChargeKind.DISCOUNT, agreement_id__in=[row.id for row in discounted])
        .values_list("agreement_id")
        .annotate(exact=Sum("numerator"))
    )
    return Agreements(
        commitments=tuple(_show(row, sums) for row in committed),
        discounts=tuple(
            ShownDiscount(row=row, given_won=-won_from_numerator(int(given.get(row.id, 0)))) for row in discounted
        ),
    )


_Sums = dict[tuple[UUID | None, str], tuple[int, int]]


def _sum_commitments(rows: list[Commitment], now: datetime) -> _Sums:
    found = (
        Charge.objects.filter(
            agreement_id__in=[row.id for row in rows],
            kind__in=[ChargeKind.COMMITMENT, ChargeKind.COVERED],
            month=month_of(now),
        )
        .values_list("agreement_id", "kind")
        .annotate(exact=Sum("numerator"), units=Sum("unit_seconds"))
    )
    return {(agreement_id, kind): (int(exact), int(units)) for agreement_id, kind, exact, units in found}


def _show(row: Commitment, sums: _Sums) -> ShownCommitment:
    fee, committed = sums.get((row.id, ChargeKind.COMMITMENT), (0, 0))
    covered, used = sums.get((row.id, ChargeKind.COVERED), (0, 0))
    return ShownCommitment(
        row=row,
        fee_won=won_from_numerator(fee),
        covered_won=-won_from_numerator(covered),
        used_percent=-used * 100 // committed if committed else None,
    )
