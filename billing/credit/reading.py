"""Reads of credit for faces, scoped by actor."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet, Sum, Window

from billing.credit.state import CreditState, read_state
from billing.models import CreditAccount, CreditMovement, TopUp
from billing.spend import read_burns, read_held
from marketplace.inventory.models import Seller
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound
from marketplace.tenants.access import require_permission
from marketplace.tenants.models import BillingProfile


def list_credit(*, actor: Actor, now: datetime) -> Sequence[CreditState]:
    """The tenant's credit with each seller, the one that ends first, first; confined actors see their projects' payers.

    Raises:
        Forbidden: The actor may not read credit.
    """
    accounts = list(_visible(actor).select_related("billing_profile", "seller"))
    if not accounts:
        return []
    burns = read_burns(tenant_id=actor.tenant_scope, now=now)
    held = read_held(tenant_id=actor.tenant_scope, burns=burns)
    states = [read_state(account=account, now=now, burns=burns, held=held) for account in accounts]
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


def list_accounts_for_operators(*, now: datetime) -> Sequence[CreditState]:
    """Every tenant's credit, as operators see it; at most 200, the newest first."""
    accounts = CreditAccount.objects.select_related("billing_profile", "seller", "tenant").order_by("-id")[:200]
    return [read_state(account=account, now=now) for account in accounts]


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
