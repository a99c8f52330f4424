"""Reads of quotas for faces, scoped by actor."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound
from marketplace.quotas.models import (
    PENDING_STATUSES,
    Quota,
    QuotaAttachment,
    QuotaPeriod,
    QuotaRequest,
    QuotaRequestEvent,
    RequestOrigin,
    RequestStatus,
    ScopeKind,
    Share,
)


def list_quotas(*, actor: Actor) -> QuerySet[Quota]:
    """The limits of the actor's tenant with their use, tenant first, then projects; empty for an actor without a tenant.

    One confined to projects sees the tenant's, theirs and their own as a member.
    """
    rows = Quota.objects.filter(tenant_id=actor.tenant_scope)
    if actor.project_ids is not None:
        rows = rows.filter(
            Q(scope_kind=ScopeKind.TENANT)
            | Q(scope_kind=ScopeKind.PROJECT, scope_id__in=actor.project_ids)
            | Q(scope_kind=ScopeKind.MEMBER, scope_id=actor.user_scope)
        )
    return rows.order_by("-scope_kind", "selector_kind", "selector", "id")


def list_periods(*, actor: Actor, now: datetime) -> QuerySet[QuotaPeriod]:
    """The tenant's periods that hold or will, in order."""
    rows = QuotaPeriod.objects.filter(tenant_id=actor.tenant_scope, revoked_at__isnull=True, effective_to__gt=now)
    return rows.order_by("effective_from")


def list_requests(*, actor: Actor) -> QuerySet[QuotaRequest]:
    """The tenant's own requests, newest first; what operators proposed among themselves is not shown."""
    rows = QuotaRequest.objects.filter(tenant_id=actor.tenant_scope, origin=RequestOrigin.CUSTOMER)
    return rows.order_by("-id")


def list_pending_limits(*, actor: Actor) -> Mapping[UUID, int]:
    """The limit that a pending request of the tenant asks for, by quota; two queries."""
    lines = {
        (row.scope_kind, row.scope_id, row.within_project_id, row.selector_kind, row.selector, row.meter): row.id
        for row in Quota.objects.filter(tenant_id=actor.tenant_scope)
    }
    found: dict[UUID, int] = {}
    for row in list_requests(actor=actor).filter(status__in=PENDING_STATUSES):
        key = (row.scope_kind, row.scope_id, row.within_project_id, row.selector_kind, row.selector, row.meter)
        if key in lines:
            found[lines[key]] = row.wanted_limit
    return found


def get_request(*, actor: Actor, request_id: UUID) -> QuotaRequest:
    """One of them.

    Raises:
        NotFound: Unknown, or another tenant's.
    """
    request = list_requests(actor=actor).filter(id=request_id).first()
    if request is None:
        raise NotFound
    return request


def get_attachment(*, actor: Actor, attachment_id: UUID) -> QuotaAttachment:
    """A paper of one of the tenant's requests.

    Raises:
        NotFound: Unknown, or another tenant's.
    """
    paper = QuotaAttachment.objects.filter(id=attachment_id, tenant_id=actor.tenant_scope).first()
    if paper is None:
        raise NotFound
    return paper


def list_papers(*, request: QuotaRequest) -> QuerySet[QuotaAttachment]:
    """A visible request's papers without their content."""
    return request.attachments.defer("content").order_by("id")


def list_events(*, request: QuotaRequest) -> QuerySet[QuotaRequestEvent]:
    """A visible request's history, oldest first."""
    return request.events.order_by("id")


def list_pending_for_operators() -> QuerySet[QuotaRequest]:
    """What waits for an operator, oldest first. For staff."""
    waiting = (RequestStatus.OPEN, RequestStatus.AWAITING_SECOND)
    return QuotaRequest.objects.select_related("tenant").filter(status__in=waiting).order_by("asked_at", "id")


def list_decided_for_operators() -> QuerySet[QuotaRequest]:
    """What was decided or sent back, newest first. For staff."""
    waiting = (RequestStatus.OPEN, RequestStatus.AWAITING_SECOND)
    return QuotaRequest.objects.select_related("tenant").exclude(status__in=waiting).order_by("-changed_at", "-id")


def get_for_operator(*, request_id: UUID) -> QuotaRequest:
    """Any request. For staff.

    Raises:
        NotFound: Unknown.
    """
    request = QuotaRequest.objects.select_related("tenant").filter(id=request_id).first()
    if request is None:
        raise NotFound
    return request


def get_attachment_for_operator(*, attachment_id: UUID) -> QuotaAttachment:
    """Any paper. For staff.

    Raises:
        NotFound: Unknown.
    """
    paper = QuotaAttachment.objects.filter(id=attachment_id).first()
    if paper is None:
        raise NotFound
    return paper


def find_quota_of(*, request: QuotaRequest) -> Quota | None:
    """The line that a request is about, as it stands."""
    return Quota.objects.filter(
        tenant_id=request.tenant_id, scope_kind=request.scope_kind, scope_id=request.scope_id,
        within_project_id=request.within_project_id, selector_kind=request.selector_kind, selector=request.selector,
        meter=request.meter,
    ).first()  # fmt: skip


def list_quotas_of_tenant(*, tenant_id: UUID) -> QuerySet[Quota]:
    """Every line of a tenant, from the top. For staff."""
    rows = Quota.objects.filter(tenant_id=tenant_id)
    return rows.order_by("-scope_kind", "scope_id", "selector_kind", "selector", "meter", "id")


def list_tenant_lines() -> QuerySet[Quota]:
    """The organizations' own lines by name. For staff."""
    return (
        Quota.objects.select_related("tenant")
        .filter(scope_kind=ScopeKind.TENANT)
        .order_by("tenant__name", "tenant_id", "selector_kind", "selector", "meter")
    )


def list_every_line() -> QuerySet[Quota]:
    """All lines of all tenants, for a file. For staff."""
    return Quota.objects.select_related("tenant").order_by("tenant__name", "tenant_id", "-scope_kind", "id")


def list_shares() -> QuerySet[Share]:
    """Shares that were not revoked, the platform's first. For staff."""
    rows = Share.objects.filter(revoked_at__isnull=True)
    return rows.order_by("scope_kind", "sector", "selector_kind", "selector", "meter", "effective_from")


def list_periods_of_tenant(*, tenant_id: UUID, now: datetime) -> QuerySet[QuotaPeriod]:
    """A tenant's periods that hold or will. For staff."""
    rows = QuotaPeriod.objects.select_related("quota").filter(tenant_id=tenant_id, revoked_at__isnull=True)
    return rows.filter(effective_to__gt=now).order_by("effective_from")


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
