"""Reads of credit for faces, scoped by actor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Case, F, Q, QuerySet, Sum, When, Window

from billing.credit.state import CreditState, read_states
from billing.models import CreditAccount, CreditMovement, CreditStage, TopUp
from marketplace.inventory.models import Seller
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound
from marketplace.tenants.access import require_permission
from marketplace.tenants.models import BillingProfile

ACCOUNTS_PER_PAGE: Final = 50
_URGENCY: Final = (CreditStage.GRACE, CreditStage.LOW, CreditStage.EXHAUSTED, CreditStage.ENOUGH)
"""What ends soon can still be helped; what is used up has stopped already."""


def list_credit(*, actor: Actor, now: datetime) -> Sequence[CreditState]:
    """The tenant's credit with each seller, the one that ends first, first; confined actors see their projects' payers.

    Raises:
        Forbidden: The actor may not read credit.
    """
    accounts = list(_visible(actor).select_related("billing_profile", "seller"))
    if not accounts:
        return []
    states = read_states(accounts=accounts, now=now)
    return sorted(states, key=lambda state: (state.runway.exhausts_at is None, state.runway.exhausts_at or now))


def list_movements(*, actor: Actor, account_id: UUID) -> QuerySet[CreditMovement, CreditMovement]:
    """An account's movements, newest first, each with the balance after it (`balance_won`).

    Raises:
        Forbidden: The actor may not read credit.
        NotFound: Unknown or not the actor's.
    """
    account = _visible(actor).filter(id=account_id).first()
    if account is None:
        raise NotFound
    balance = Window(Sum("amount_won"), order_by=F("id").asc())
    return CreditMovement.objects.filter(account=account).annotate(balance_won=balance).order_by("-id")


def _visible(actor: Actor) -> QuerySet[CreditAccount]:
    require_permission(actor=actor, permission="credit.read")
    rows = CreditAccount.objects.filter(tenant_id=actor.tenant_scope)
    if actor.project_ids is not None:
        rows = rows.filter(billing_profile__projects__id__in=actor.project_ids).distinct()
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage:
    """Some accounts, and where the next ones begin; None = there are no more."""

    states: Sequence[CreditState]
    next_offset: int | None


def list_accounts_for_operators(*, now: datetime, search: str = "", offset: int = 0) -> AccountPage:
    """Tenants' credit, whoever comes to an end first, first; twelve queries a page.

    Args:
        search: A part of the organization's or the payer's name.
    """
    rows = CreditAccount.objects.select_related("billing_profile", "seller", "tenant")
    if search:
        rows = rows.filter(Q(tenant__name__icontains=search) | Q(billing_profile__name__icontains=search))
    urgency = Case(*(When(stage=stage, then=place) for place, stage in enumerate(_URGENCY)), default=len(_URGENCY))
    ordered = rows.order_by(urgency, F("next_crossing_at").asc(nulls_last=True), "tenant__name", "id")
    page = list(ordered[offset : offset + ACCOUNTS_PER_PAGE + 1])
    return AccountPage(
        states=read_states(accounts=page[:ACCOUNTS_PER_PAGE], now=now),
        next_offset=offset + ACCOUNTS_PER_PAGE if len(page) > ACCOUNTS_PER_PAGE else None,
    )


def list_waiting_top_ups() -> QuerySet[TopUp]:
    """Top-ups that a second operator decides about, the oldest first."""
    rows = TopUp.objects.filter(booked_at__isnull=True, declined_at__isnull=True)
    return rows.select_related("account__tenant", "account__seller", "account__billing_profile").order_by("entered_at")


def list_payers() -> QuerySet[BillingProfile]:
    """Billing profiles that credit can be recorded for, by tenant's name."""
    return BillingProfile.objects.select_related("tenant").order_by("tenant__name", "name")[:1000]


def list_sellers() -> QuerySet[Seller]:
    """Sellers that credit can be recorded with, by name."""
    return Seller.objects.order_by("legal_name")[:200]
