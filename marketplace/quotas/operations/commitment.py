"""What is promised in total against what there is: the stock, and the shares above a tenant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import F, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import NodeStock
from marketplace.quotas.models import Meter, Quota, ScopeKind, SelectorKind, Share, ShareScope
from marketplace.quotas.operations.path import LineKey
from marketplace.tenants.models import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """One total.

    Attributes:
        promised: Permanent limits of all tenants under it for the same selector and meter, with the one in question.
        available: What may be promised.
        free: Devices that nobody has now; only of the stock.
        is_stock: Of devices rather than a share; may be exceeded on purpose.
    """

    label: Promise
    promised: int
    available: int
    is_stock: bool
    free: int | None = None

    @property
    def is_exceeded(self) -> bool:
        """More promised than there is."""
        return self.promised > self.available


def judge_commitment(*, line: LineKey, limit: int) -> Sequence[Commitment]:
    """What a tenant's new limit would do to the totals above it. For staff; locks nothing."""
    same = Quota.objects.filter(
        scope_kind=ScopeKind.TENANT, selector_kind=line.selector_kind, selector=line.selector, meter=line.meter
    ).exclude(tenant_id=line.tenant_id)
    sector = Tenant.objects.values_list("sector", flat=True).get(id=line.tenant_id)
    found = []
    if line.meter == Meter.DEVICES:
        found.append(_judge_stock(line, promised=_sum(same.values_list("limit", flat=True)) + limit))
    shares = Share.objects.filter(
        selector_kind=line.selector_kind, selector=line.selector, meter=line.meter, revoked_at__isnull=True,
        effective_from__isnull=True, sector__in=["", sector],
    )  # fmt: skip
    for share in shares:
        is_platform = share.scope_kind == ShareScope.PLATFORM
        below = same if is_platform else same.filter(tenant__sector=sector)
        found.append(
            Commitment(
                label=_("the platform's share") if is_platform else _("the sector's share"),
                promised=_sum(below.values_list("limit", flat=True)) + limit,
                available=share.limit * share.overcommit_percent // 100,
                is_stock=False,
            )
        )
    return found


def _judge_stock(line: LineKey, *, promised: int) -> Commitment:
    stock = NodeStock.objects.filter(node__removed_at__isnull=True)
    if line.selector_kind == SelectorKind.ACCELERATOR:
        stock = stock.filter(accelerator__code=line.selector)
    elif line.selector_kind == SelectorKind.KIND:
        stock = stock.filter(accelerator__kind=line.selector)
    sums = stock.aggregate(
        capacity=Sum(F("allocatable_devices") - F("foreign_devices")), allocated=Sum("allocated_devices")
    )
    capacity = sums["capacity"] or 0
    return Commitment(
        label=_("the stock"),
        promised=promised,
        available=capacity,
        is_stock=True,
        free=max(0, capacity - (sums["allocated"] or 0)),
    )


def _sum(values: Iterable[int]) -> int:
    return sum(values)
