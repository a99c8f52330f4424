"""The tree around one tenant, read from the database as plain lines."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from marketplace.quotas.models import Meter, Quota, ScopeKind, SelectorKind, Share, ShareScope
from marketplace.quotas.operations.locking import read_periods
from marketplace.quotas.tree import Level, Line, Period, kind_of
from marketplace.tenants.models import Tenant

LEVELS: Final = {ScopeKind.TENANT: Level.TENANT, ScopeKind.PROJECT: Level.PROJECT, ScopeKind.MEMBER: Level.MEMBER}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineKey:
    """What names one line of a tenant."""

    tenant_id: UUID
    scope_kind: ScopeKind
    scope_id: UUID
    within_project_id: UUID | None = None
    selector_kind: SelectorKind
    selector: str
    meter: Meter

    def fields(self) -> dict[str, Any]:
        """Columns of `Quota`."""
        return {
            "tenant_id": self.tenant_id,
            "scope_kind": self.scope_kind,
            "scope_id": self.scope_id,
            "within_project_id": self.within_project_id,
            "selector_kind": self.selector_kind,
            "selector": self.selector,
            "meter": self.meter,
        }


def key_of(quota: Quota) -> LineKey:
    """The name of a stored line."""
    return LineKey(
        tenant_id=quota.tenant_id,
        scope_kind=ScopeKind(quota.scope_kind),
        scope_id=quota.scope_id,
        within_project_id=quota.within_project_id,
        selector_kind=SelectorKind(quota.selector_kind),
        selector=quota.selector,
        meter=Meter(quota.meter),
    )


def line_of(key: LineKey, *, base: int, periods: tuple[Period, ...], kinds: Mapping[str, str]) -> Line:
    """A tenant's line as plain data."""
    accelerator, kind = kind_of(selector_kind=key.selector_kind, selector=key.selector, kinds=kinds)
    return Line(
        level=LEVELS[key.scope_kind],
        owner_id=key.scope_id,
        project_id=key.within_project_id,
        accelerator=accelerator,
        kind=kind,
        meter=key.meter,
        base=base,
        periods=periods,
    )


def read_path(*, tenant: Tenant, kinds: Mapping[str, str], has_shares: bool) -> Sequence[Line]:
    """Every limit on the tenant's path: platform and sector, where asked for, then its own.

    Args:
        has_shares: Whether shares are read; a customer's role cannot see them.
    """
    shares = read_share_lines(sectors=[tenant.sector], kinds=kinds)[tenant.sector] if has_shares else []
    return [*shares, *read_tenant_lines(tenant_ids=[tenant.id], kinds=kinds)[tenant.id]]


def read_tenant_lines(*, tenant_ids: Iterable[UUID], kinds: Mapping[str, str]) -> Mapping[UUID, list[Line]]:
    """The lines of tenants, by tenant; two queries for any number."""
    quotas = list(Quota.objects.filter(tenant_id__in=list(tenant_ids)))
    periods = read_periods(quota_ids=[quota.id for quota in quotas])
    found: defaultdict[UUID, list[Line]] = defaultdict(list)
    for quota in quotas:
        line = line_of(key_of(quota), base=quota.base_limit, periods=periods[quota.id], kinds=kinds)
        found[quota.tenant_id].append(line)
    return found


def read_share_lines(*, sectors: Iterable[str], kinds: Mapping[str, str]) -> Mapping[str, list[Line]]:
    """The platform's and the sector's lines, by sector."""
    wanted = list(sectors)
    rows = Share.objects.filter(
        Q(scope_kind=ShareScope.PLATFORM) | Q(sector__in=wanted), revoked_at__isnull=True
    ).order_by("effective_from")
    grouped: defaultdict[tuple[str, str, str, str, str], list[Share]] = defaultdict(list)
    for row in rows:
        grouped[row.scope_kind, row.sector, row.selector_kind, row.selector, row.meter].append(row)
    found: defaultdict[str, list[Line]] = defaultdict(list)
    for (scope_kind, sector, selector_kind, selector, meter), group in grouped.items():
        accelerator, kind = kind_of(selector_kind=selector_kind, selector=selector, kinds=kinds)
        line = Line(
            level=Level.PLATFORM if scope_kind == ShareScope.PLATFORM else Level.SECTOR,
            owner_id=None,
            accelerator=accelerator,
            kind=kind,
            meter=meter,
            base=next((row.limit for row in group if row.effective_from is None), None),
            periods=tuple(
                Period(limit=row.limit, starts_at=row.effective_from, ends_at=row.effective_to)
                for row in group
                if row.effective_from is not None and row.effective_to is not None
            ),
        )
        for name in wanted if scope_kind == ShareScope.PLATFORM else [sector]:
            found[name].append(line)
    return found
