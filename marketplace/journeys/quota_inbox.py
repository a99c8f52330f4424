"""What an operator looks at before deciding on a quota request: use, history, what is promised and free, and who else waits."""

from collections.abc import Sequence
from dataclasses import dataclass

from marketplace.instances.history import count_waiting
from marketplace.inventory.queries import list_accelerators
from marketplace.quotas.models import (
    Meter,
    Quota,
    QuotaAttachment,
    QuotaRequest,
    QuotaRequestEvent,
    ScopeKind,
    SelectorKind,
)
from marketplace.quotas.operations import Commitment, LineKey, judge_commitment
from marketplace.quotas.queries import (
    find_quota_of,
    list_decided_for_operators,
    list_events,
    list_papers,
    list_pending_for_operators,
)

SIMILAR_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """One request with what speaks for and against it.

    Attributes:
        quota: The line as it stands; None where it does not exist any more.
        commitments: Totals as they would be if all were granted.
        same_tenant, others_waiting: Other requests: decided ones of the tenant, pending ones for the same selector.
        queued: Waiting instances for the same accelerators: how many, their devices, of how many tenants.
    """

    request: QuotaRequest
    quota: Quota | None
    commitments: Sequence[Commitment]
    events: Sequence[QuotaRequestEvent]
    papers: Sequence[QuotaAttachment]
    same_tenant: Sequence[QuotaRequest]
    others_waiting: Sequence[QuotaRequest]
    queued: tuple[int, int, int]


def view_request(*, request: QuotaRequest) -> RequestView:
    """Read everything for one request; a fixed number of queries. For staff."""
    line = LineKey(
        tenant_id=request.tenant_id, scope_kind=ScopeKind(request.scope_kind), scope_id=request.scope_id,
        within_project_id=request.within_project_id, selector_kind=SelectorKind(request.selector_kind),
        selector=request.selector, meter=Meter(request.meter),
    )  # fmt: skip
    is_tenants = request.scope_kind == ScopeKind.TENANT
    same = {"selector_kind": request.selector_kind, "selector": request.selector, "meter": request.meter}
    others = list_pending_for_operators().filter(**same).exclude(id=request.id)
    return RequestView(
        request=request,
        quota=find_quota_of(request=request),
        commitments=judge_commitment(line=line, limit=request.wanted_limit) if is_tenants else (),
        events=list(list_events(request=request)),
        papers=list(list_papers(request=request)),
        same_tenant=list(list_decided_for_operators().filter(tenant_id=request.tenant_id)[:SIMILAR_MAX]),
        others_waiting=list(others[:SIMILAR_MAX]),
        queued=count_waiting(accelerators=_accelerators(request)),
    )


def _accelerators(request: QuotaRequest) -> list[str]:
    rows = list_accelerators()
    if request.selector_kind == SelectorKind.ACCELERATOR:
        return [request.selector]
    if request.selector_kind == SelectorKind.KIND:
        rows = rows.filter(kind=request.selector)
    return list(rows.values_list("code", flat=True))
