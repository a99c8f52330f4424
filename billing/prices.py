"""Prices: dated versions that never change once written, but for the end a successor gives them.

Each is for everyone, for a sector, or for one tenant; a tenant gets the most particular one in force.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from billing.models import PricePlan, PriceUnit, PriceVersion
from billing.rating import SHAPES, AgreedPrice
from marketplace.inventory.models import Offer, OfferStatus, Site
from marketplace.kernel import ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import ValidationFailed
from marketplace.tenants.models import Sector, Tenant

MINIMUM_S_MAX: Final = 366 * 86_400
PRICE_MICROS_MAX: Final = 10**15
"""A thousand million won per unit: more is a slip of the keyboard."""


class PriceInvalid(ValidationFailed):
    """A price that cannot be published: not positive, in the past, overlapping, or of a shape that does not exist."""

    code = "price_invalid"


class PriceGap(ValidationFailed):
    """Ending this price would leave an offer on sale without one; nothing was changed."""

    code = "price_gap"
    remedy = _("Publish the price that follows, or take the offer off sale first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceDraft:
    """What a price would say; see models.PriceTerms.

    Attributes:
        offer_id, site_id: What is priced: an offer's devices, or storage at a site; one of both.
    """

    price_micros: int
    offer_id: UUID | None = None
    site_id: UUID | None = None
    plan: str = PricePlan.ON_DEMAND.value
    shape: str = "hourly"
    unit: str = PriceUnit.DEVICE.value
    unit_devices: int = 1
    held_price_micros: int | None = None
    minimum_s: int = 0
    minimum_won: int = 0
    sector: str = ""
    tenant_id: UUID | None = None

    @property
    def audience(self) -> str:
        """For whom, as one word."""
        if self.tenant_id is not None:
            return f"tenant:{self.tenant_id}"
        return f"sector:{self.sector}" if self.sector else "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """For whom prices are looked up."""

    tenant_id: UUID
    sector: str

    @property
    def audiences(self) -> tuple[str, str, str]:
        """The most particular first."""
        return f"tenant:{self.tenant_id}", f"sector:{self.sector}", "all"


def check_draft(draft: PriceDraft) -> None:
    """Refuse what could not be a price.

    Raises:
        PriceInvalid: Names the first wrong member by its JSON pointer.
    """
    is_storage = draft.site_id is not None
    checks = (
        (0 < draft.price_micros <= PRICE_MICROS_MAX, "/price", _("A price is more than 0.")),
        (draft.shape in SHAPES, "/shape", _("There is no such price shape.")),
        (draft.plan in PricePlan.values, "/plan", _("plan is on_demand, interruptible or monthly.")),
        (
            (draft.plan == PricePlan.MONTHLY) == (draft.shape == "monthly") or is_storage,
            "/shape",
            _("The plan fixed per month has a price per month, the others have one per hour."),
        ),
        ((draft.offer_id is None) == is_storage, "/offer", _("A price is for an offer or for a site's storage.")),
        ((draft.unit == PriceUnit.GIB) == is_storage, "/unit", _("Storage is priced per GiB, devices are not.")),
        (
            draft.unit_devices >= 1 and (draft.unit == PriceUnit.SERVER or draft.unit_devices == 1),
            "/unit_devices",
            _("A server has at least one device; a device is one."),
        ),
        (
            draft.held_price_micros is None or draft.held_price_micros >= 0,
            "/held_price",
            _("The price for kept devices is not negative."),
        ),
        (0 <= draft.minimum_s <= MINIMUM_S_MAX, "/minimum_s", _("A minimum term is from 0 to 366 days.")),
        (draft.minimum_won >= 0, "/minimum_charge", _("A minimum charge is whole won, not negative.")),
        (not draft.sector or draft.sector in Sector.values, "/sector", _("There is no such sector.")),
        (
            not (draft.sector and draft.tenant_id),
            "/tenant",
            _("A price is for a sector or for a tenant, not for both."),
        ),
    )
    for is_fine, pointer, reason in checks:
        if not is_fine:
            raise PriceInvalid(reason=reason, pointer=pointer)


def publish_price(
    *, actor: Actor, offer_id: UUID, price_micros_per_device_hour: int, effective_from: datetime, now: datetime
) -> PriceVersion:
    """Publish an offer's price per device and hour for everyone; see `publish`."""
    draft = PriceDraft(offer_id=offer_id, price_micros=price_micros_per_device_hour)
    return publish(actor=actor, draft=draft, effective_from=effective_from, now=now)


def publish(
    *, actor: Actor, draft: PriceDraft, effective_from: datetime, now: datetime, reason: str = ""
) -> PriceVersion:
    """Publish a price from an instant on; the version in force of the same plan and audience then ends there. Audited.

    So there is neither a gap nor an overlap; the database excludes the latter.

    Args:
        effective_from: Not before `now`: a price never changes for time that has passed.

    Raises:
        PriceInvalid: Not a price, in the past, or no later than a version already published.

    Locks the offer or site row, so that two publishers queue up.
    """
    _lock_priced(draft)
    check_publishable(draft=draft, effective_from=effective_from, now=now)
    current = _same_versions(draft).filter(effective_to__isnull=True).first()
    if current is not None:
        PriceVersion.objects.filter(id=current.id, effective_to__isnull=True).update(effective_to=effective_from)
    version = PriceVersion.objects.create(
        **_columns(draft), audience=draft.audience, effective_from=effective_from, id=ids.new_id()
    )
    record_act(
        actor=actor,
        action="price.published",
        object_type="prc",
        object_id=version.id,
        now=now,
        tenant_id=draft.tenant_id,
        reason=reason,
        changes={"price_micros": [current.price_micros if current else None, draft.price_micros]},
    )
    return version


def check_publishable(*, draft: PriceDraft, effective_from: datetime, now: datetime) -> None:
    """Refuse what `publish` would refuse; writes and locks nothing.

    Raises:
        PriceInvalid: As `publish`.
    """
    check_draft(draft)
    if effective_from < now:
        raise PriceInvalid(reason=_("A price cannot begin in the past."), pointer="/effective_from")
    if draft.tenant_id is not None and not Tenant.objects.filter(id=draft.tenant_id).exists():
        raise PriceInvalid(reason=_("There is no such organization."), pointer="/tenant")
    later = Q(effective_from__gte=effective_from) | Q(effective_to__gt=effective_from)
    if _same_versions(draft).filter(later).exists():
        raise PriceInvalid(reason=_("A later price is already published."), pointer="/effective_from")


def _same_versions(draft: PriceDraft) -> QuerySet[PriceVersion]:
    return PriceVersion.objects.filter(_same_thing(draft), plan=draft.plan, audience=draft.audience)


def end_price(*, actor: Actor, price_version_id: UUID, at: datetime, now: datetime, reason: str) -> None:
    """End a price without a successor: buyers fall back to the more general one. Audited.

    Raises:
        PriceInvalid: In the past, or already ended.
        PriceGap: It is everyone's on-demand price of an offer on sale.
    """
    version = PriceVersion.objects.select_for_update(no_key=True, of=("self",)).get(id=price_version_id)
    if at < now or at <= version.effective_from:
        raise PriceInvalid(reason=_("A price cannot end in the past."), pointer="/effective_to")
    if version.effective_to is not None:
        raise PriceInvalid(reason=_("A later price is already published."), pointer="/effective_to")
    is_last_resort = version.audience == "all" and version.plan == PricePlan.ON_DEMAND
    if is_last_resort and version.offer is not None and version.offer.status == OfferStatus.ACTIVE:
        raise PriceGap(reason=_("The offer would be on sale without a price."), pointer="/effective_to")
    PriceVersion.objects.filter(id=version.id, effective_to__isnull=True).update(effective_to=at)
    record_act(
        actor=actor, action="price.ended", object_type="prc", object_id=version.id, now=now, reason=reason,
        tenant_id=version.tenant_id, changes={"effective_to": at.isoformat()},
    )  # fmt: skip


def _lock_priced(draft: PriceDraft) -> None:
    if draft.offer_id is not None:
        Offer.objects.select_for_update(no_key=True).get(id=draft.offer_id)
    elif draft.site_id is not None:
        Site.objects.select_for_update(no_key=True).get(id=draft.site_id)


def _same_thing(draft: PriceDraft) -> Q:
    return Q(site_id=draft.site_id) if draft.offer_id is None else Q(offer_id=draft.offer_id)


def _columns(draft: PriceDraft) -> dict[str, object]:
    per_device_hour = None if draft.offer_id is None else to_agreed(draft, id_=ids.new_id()).micros_per_device_hour
    return {
        **{name: getattr(draft, name) for name in PriceDraft.__slots__},
        "price_micros_per_device_hour": per_device_hour,
    }


def to_agreed(price: PriceDraft | PriceVersion, *, id_: UUID) -> AgreedPrice:
    """The price as rating sees it."""
    return AgreedPrice(
        price_version_id=id_,
        plan=price.plan,
        shape=price.shape,
        unit=price.unit,
        unit_devices=price.unit_devices,
        price_micros=price.price_micros,
        held_price_micros=price.held_price_micros,
        minimum_s=price.minimum_s,
        minimum_won=price.minimum_won,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Every price that was, is or will be a buyer's, by offer, the most particular audience last."""

    versions: Mapping[UUID, Sequence[PriceVersion]]

    def in_force(self, *, offer_ids: Iterable[UUID], now: datetime) -> Mapping[UUID, Mapping[str, AgreedPrice]]:
        """For each offer the buyer's price in force by plan; reads nothing."""
        return {
            offer_id: {
                row.plan: to_agreed(row, id_=row.id)
                for row in self.versions[offer_id]
                if row.effective_from <= now and (row.effective_to is None or now < row.effective_to)
            }
            for offer_id in offer_ids
            if offer_id in self.versions
        }


def read_price_list(*, buyer: Buyer) -> PriceList:
    """The buyer's prices of every offer; one query."""
    rank = {audience: place for place, audience in enumerate(buyer.audiences)}
    rows = PriceVersion.objects.filter(offer__isnull=False, audience__in=buyer.audiences)
    found: dict[UUID, list[PriceVersion]] = {}
    for row in sorted(rows, key=lambda row: rank[row.audience], reverse=True):
        if row.offer_id is not None:
            found.setdefault(row.offer_id, []).append(row)
    return PriceList(versions=found)


def list_offers_priced_for(*, tenant_id: UUID, now: datetime) -> frozenset[UUID]:
    """Offers for which the organization has a price of its own in force; one query."""
    rows = PriceVersion.objects.filter(
        Q(effective_to__isnull=True) | Q(effective_to__gt=now),
        tenant_id=tenant_id,
        offer__isnull=False,
        effective_from__lte=now,
    )
    return frozenset(row.offer_id for row in rows if row.offer_id is not None)


def count_own_prices(*, offer_ids: Iterable[UUID], now: datetime) -> Mapping[UUID, int]:
    """For each offer how many organizations have a price of their own in force; one query. Needs a staff actor."""
    rows = PriceVersion.objects.filter(
        Q(effective_to__isnull=True) | Q(effective_to__gt=now),
        offer_id__in=list(offer_ids),
        tenant_id__isnull=False,
        effective_from__lte=now,
    )
    found: dict[UUID, set[UUID]] = {}
    for offer_id, tenant_id in rows.values_list("offer_id", "tenant_id"):
        if tenant_id is not None:
            found.setdefault(offer_id, set()).add(tenant_id)
    return {offer_id: len(tenants) for offer_id, tenants in found.items()}


def find_storage_price(*, site_id: UUID, buyer: Buyer, now: datetime) -> AgreedPrice | None:
    """The buyer's price per GiB of storage at a site; None where there is none."""
    rows = PriceVersion.objects.filter(
        Q(effective_to__isnull=True) | Q(effective_to__gt=now),
        site_id=site_id,
        effective_from__lte=now,
        audience__in=buyer.audiences,
    )
    best = min(rows, key=lambda row: buyer.audiences.index(row.audience), default=None)
    return None if best is None else to_agreed(best, id_=best.id)
