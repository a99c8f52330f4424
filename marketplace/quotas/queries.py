"""Reads of quotas for faces, scoped by actor."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from marketplace.kernel.actors import Actor
from marketplace.quotas.models import Quota, QuotaRequest, RequestStatus, Share


def list_quotas(*, actor: Actor) -> QuerySet[Quota]:
    """The limits of the actor's tenant with their use, tenant first, then projects; empty for an actor without a tenant."""
    return Quota.objects.filter(tenant_id=actor.tenant_scope).order_by("-scope_kind", "selector_kind", "selector", "id")


def is_more_being_decided(*, actor: Actor) -> bool:
    """Whether the operator is deciding on more quota for the actor's tenant."""
    deciding = (RequestStatus.OPEN, RequestStatus.AWAITING_SECOND)
    return QuotaRequest.objects.filter(tenant_id=actor.tenant_scope, status__in=deciding).exists()


def read_shares_in_force(*, now: datetime) -> Sequence[Share]:
    """For each sector, selector and meter the share that holds at `now`: the period's, else the permanent one. For staff."""
    return _choose_in_force(_shares_at(now))


def lock_shares_in_force(*, now: datetime) -> Sequence[Share]:
    """As `read_shares_in_force`, locked in order of id until the open transaction ends."""
    return _choose_in_force(_shares_at(now).select_for_update(no_key=True))


def _shares_at(now: datetime) -> QuerySet[Share]:
    holds = Q(effective_from__isnull=True) | Q(effective_from__lte=now, effective_to__gt=now)
    return Share.objects.filter(holds, revoked_at__isnull=True).order_by("id")


def _choose_in_force(rows: QuerySet[Share]) -> Sequence[Share]:
    chosen: dict[tuple[str, ...], Share] = {}
    for row in sorted(rows, key=lambda share: share.effective_from is not None):
        chosen[row.scope_kind, row.sector, row.selector_kind, row.selector, row.meter] = row
    return list(chosen.values())
