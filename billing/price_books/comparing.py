"""What a price book would change: each price beside the one that would hold without it, and whose running cost would move."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from billing.charging import list_agreed_prices
from billing.models import PriceBook, PriceBookEntry, PriceVersion
from billing.price_books.writing import to_draft
from billing.price_changes import list_concerned_versions, needs_consent
from billing.prices import to_agreed
from billing.rating import AgreedPrice
from billing.rating.preview import month_numerator
from marketplace.instances.models import Allocation
from marketplace.kernel.money import won_from_numerator
from marketplace.tenants.models import Tenant

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A price of the book, and the one that its audience would pay without it when the book begins.

    Attributes:
        change_basis_points: How much dearer, in hundredths of a percent; None where there is nothing to compare with.
    """

    entry: PriceBookEntry
    new: AgreedPrice
    current: AgreedPrice | None

    @property
    def change_basis_points(self) -> int | None:
        """Of the price per device and hour, whatever the shapes."""
        if self.current is None:
            return None
        before = self.current.micros_per_device_hour
        return (self.new.micros_per_device_hour - before) * BASIS_POINTS // before


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """What an organization's running instances cost in a month, at the prices agreed now and at the book's; VAT apart.

    Attributes:
        consents: Instances whose price would rise: it then stays unless the organization agrees.
    """

    tenant: Tenant
    instances: int
    devices: int
    before_won: int
    after_won: int
    consents: int

    @property
    def change_won(self) -> int:
        """A month of 730 hours."""
        return self.after_won - self.before_won


def compare(*, book: PriceBook) -> list[Comparison]:
    """Every price of the book beside what it follows; two queries and one for tenants."""
    entries = list(
        book.entries.select_related("offer__accelerator", "offer__site", "site").order_by(
            "offer__code", "site__code", "plan", "audience"
        )
    )
    sectors = dict(Tenant.objects.filter(id__in=[entry.tenant_id for entry in entries]).values_list("id", "sector"))
    versions = list(
        PriceVersion.objects.filter(
            Q(effective_to__isnull=True) | Q(effective_to__gt=book.effective_from),
            Q(offer__in=[entry.offer_id for entry in entries if entry.offer_id])
            | Q(site__in=[entry.site_id for entry in entries if entry.site_id]),
            effective_from__lt=book.effective_from,
        )
    )
    return [
        Comparison(
            entry=entry,
            new=to_agreed(to_draft(entry), id_=entry.id),
            current=_find_current(entry, versions, sectors.get(entry.tenant_id or entry.id, "")),
        )
        for entry in entries
    ]


def _find_current(entry: PriceBookEntry, versions: Iterable[PriceVersion], sector: str) -> AgreedPrice | None:
    audiences = [entry.audience, f"sector:{sector or entry.sector}", "all"]
    found = [
        row
        for row in versions
        if (row.offer_id, row.site_id, row.plan) == (entry.offer_id, entry.site_id, entry.plan)
        and row.audience in audiences
    ]
    best = min(found, key=lambda row: audiences.index(row.audience), default=None)
    return None if best is None else to_agreed(best, id_=best.id)


def list_movers(*, book: PriceBook) -> list[Mover]:
    """Organizations whose running cost would move, most first; three queries for each price of the book."""
    sums: dict[UUID, Mover] = {}
    for entry in book.entries.filter(offer__isnull=False):
        new = to_agreed(to_draft(entry), id_=entry.id)
        for allocation, old in _list_running(entry):
            if allocation.devices % new.unit_devices:
                continue
            _add(sums, allocation, old=old, new=new)
    return sorted(sums.values(), key=lambda mover: (-abs(mover.change_won), mover.tenant.name))


def _list_running(entry: PriceBookEntry) -> Sequence[tuple[Allocation, AgreedPrice]]:
    if entry.offer_id is None:
        return []
    versions = list_concerned_versions(
        offer_id=entry.offer_id, plan=entry.plan, tenant_id=entry.tenant_id, sector=entry.sector
    )
    rows = Allocation.objects.select_related("term", "instance__tenant").filter(
        released_at__isnull=True, term__offer_id=entry.offer_id, term__price_version_id__in=versions.values("id")
    )
    if entry.tenant_id is not None:
        rows = rows.filter(instance__tenant_id=entry.tenant_id)
    if entry.sector:
        rows = rows.filter(instance__tenant__sector=entry.sector)
    found = list(rows)
    agreed = list_agreed_prices(terms={row.term for row in found})
    return [(row, agreed[row.term_id][-1]) for row in found]


def _add(sums: dict[UUID, Mover], allocation: Allocation, *, old: AgreedPrice, new: AgreedPrice) -> None:
    tenant = allocation.instance.tenant
    before = sums.get(tenant.id, Mover(tenant=tenant, instances=0, devices=0, before_won=0, after_won=0, consents=0))
    is_first = allocation.rank == 0
    sums[tenant.id] = Mover(
        tenant=tenant,
        instances=before.instances + is_first,
        devices=before.devices + allocation.devices,
        before_won=before.before_won + won_from_numerator(month_numerator(price=old, devices=allocation.devices)),
        after_won=before.after_won + won_from_numerator(month_numerator(price=new, devices=allocation.devices)),
        consents=before.consents + (is_first and needs_consent(old=old, new=new)),
    )
