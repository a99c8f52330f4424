"""The quota tree as operators see it: shares with what is allocated of them, and one organization with everything below it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.journeys.admit.shares import open_book
from marketplace.quotas.models import Quota, QuotaPeriod, Share
from marketplace.quotas.operations import LineKey, ShareEdit
from marketplace.quotas.queries import list_periods_of_tenant, list_quotas_of_tenant, list_shares
from marketplace.tenants.models import Tenant
from marketplace.tenants.queries import get_tenant_for_operator, list_names, list_names_in_tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareUse:
    """A share and what is allocated of it now."""

    share: Share
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedQuota:
    """A line and whose it is."""

    quota: Quota
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantTree:
    """One organization.

    Attributes:
        targets: (kind, id, name) of projects and members, for whom a limit can be set.
    """

    tenant: Tenant
    lines: Sequence[NamedQuota]
    periods: Sequence[QuotaPeriod]
    targets: Sequence[tuple[str, UUID, str]]


def read_share_use(*, now: datetime) -> Sequence[ShareUse]:
    """Every share that holds or will, the platform's first. For staff."""
    shares = [share for share in list_shares() if share.effective_to is None or share.effective_to > now]
    if not shares:
        return []
    book = open_book(shares)
    return [ShareUse(share=share, used=book.used_of(share_id=share.id)) for share in shares]


def read_use_of(*, edit: ShareEdit, now: datetime) -> int | None:
    """What is allocated now of what a share is to count; None where it does not hold now. For staff."""
    begins, ends = edit.effective_from, edit.effective_to
    if begins is not None and ends is not None and not begins <= now < ends:
        return None
    share = Share(**edit.line(), limit=edit.limit, enforcement=edit.enforcement)
    return open_book([share]).used_of(share_id=share.id)


def read_line_names(*, lines: Iterable[LineKey]) -> Mapping[UUID, str]:
    """Names of the organizations, projects and people that lines are for; three queries for any number. For staff."""
    wanted = list(lines)
    tenant_ids = {line.tenant_id for line in wanted}
    targets = {line.scope_id for line in wanted}
    return list_names(tenant_ids=tenant_ids, target_ids=targets)


def read_tenant_tree(*, tenant_id: UUID, now: datetime) -> TenantTree:
    """One organization's lines with names. For staff.

    Raises:
        NotFound: Unknown.
    """
    tenant = get_tenant_for_operator(tenant_id=tenant_id)
    targets = list_names_in_tenant(tenant_id=tenant_id)
    names = {tenant.id: tenant.name, **{target_id: name for _kind, target_id, name in targets}}
    return TenantTree(
        tenant=tenant,
        lines=[
            NamedQuota(quota=quota, name=names.get(quota.scope_id, "–"))
            for quota in list_quotas_of_tenant(tenant_id=tenant_id)
        ],
        periods=list(list_periods_of_tenant(tenant_id=tenant_id, now=now)),
        targets=targets,
    )
