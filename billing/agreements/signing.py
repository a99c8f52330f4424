"""Writing agreements: a commitment or a discount is signed once and never changed."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.marking import mark_agreed
from billing.models import Commitment, Discount
from billing.prices import PRICE_MICROS_MAX
from billing.rating import SHAPES, Unit, month_of
from billing.rating.discount import BASIS_POINTS
from marketplace.inventory.models import Offer
from marketplace.inventory.queries import read_selling_terms
from marketplace.kernel import ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import ValidationFailed
from marketplace.tenants.models import BillingProfile, Tenant

TERM_DAYS_MAX: Final = 5 * 366
UNITS_MAX: Final = 10_000
CAP_WON_MAX: Final = 10**15


class AgreementInvalid(ValidationFailed):
    """What cannot be agreed: in the past, not positive, without a price or a seller; nothing was written."""

    code = "agreement_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentDraft:
    """What a commitment would say; see models.Commitment.

    Attributes:
        unit_devices: 1 for a device; the devices of a server.
    """

    billing_profile_id: UUID
    offer_id: UUID
    units: int
    price_micros: int
    started_at: datetime
    ended_at: datetime
    shape: str = "hourly"
    unit: str = Unit.DEVICE.value
    unit_devices: int = 1
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountDraft:
    """What a discount would say; see models.Discount."""

    billing_profile_id: UUID
    basis_points: int
    first_month: date
    last_month: date
    offer_id: UUID | None = None
    cap_won: int | None = None
    reference: str = ""


def sign_commitment(*, actor: Actor, draft: CommitmentDraft, now: datetime, reason: str) -> Commitment:
    """Agree on a number of devices for a term. Audited.

    Raises:
        AgreementInvalid: Names the first wrong member.

    Locks the tenant, so that what one payer agrees queues up, then its budgets and credit accounts.
    """
    _refuse_first(
        (
            (1 <= draft.units <= UNITS_MAX, "/units", _("units is a whole number from 1 to 10,000.")),
            (0 < draft.price_micros <= PRICE_MICROS_MAX, "/price", _("A price is more than 0.")),
            (draft.shape in SHAPES, "/shape", _("There is no such price shape.")),
            (draft.unit in (Unit.DEVICE, Unit.SERVER), "/unit", _("A commitment is for devices or for servers.")),
            (
                draft.unit_devices >= 1 and (draft.unit == Unit.SERVER or draft.unit_devices == 1),
                "/unit_devices",
                _("A server has at least one device; a device is one."),
            ),
            (draft.started_at >= now, "/started_at", _("A term cannot begin in the past.")),
            (
                draft.started_at.microsecond == 0 and draft.ended_at.microsecond == 0,
                "/started_at",
                _("A term begins and ends with a second."),
            ),
            (
                timedelta(0) < draft.ended_at - draft.started_at <= timedelta(days=TERM_DAYS_MAX),
                "/ended_at",
                _("A term ends after it begins, within five years."),
            ),
        )
    )
    profile = _lock_payer(draft.billing_profile_id)
    mark_agreed(tenant_id=profile.tenant_id, now=now)
    offer = Offer.objects.select_related("site").filter(id=draft.offer_id).first()
    if offer is None:
        raise AgreementInvalid(reason=_("There is no such offer."), pointer="/offer")
    selling = read_selling_terms(provider_ids={offer.site.provider_id}, now=now).get(offer.site.provider_id)
    if selling is None:
        raise AgreementInvalid(reason=_("Nobody sells this offer now."), pointer="/offer")
    row = Commitment.objects.create(
        id=ids.new_id(),
        tenant_id=profile.tenant_id,
        billing_profile=profile,
        offer=offer,
        seller_id=selling.seller_id,
        shape=draft.shape,
        unit=draft.unit,
        unit_devices=draft.unit_devices,
        units=draft.units,
        price_micros=draft.price_micros,
        started_at=draft.started_at,
        ended_at=draft.ended_at,
        reference=draft.reference,
        reason=reason,
        signed_by=actor.name,
        signed_at=now,
    )
    record_act(
        actor=actor, action="commitment.signed", object_type="com", object_id=row.id, tenant_id=row.tenant_id, now=now,
        reason=reason, changes={"units": row.units, "price_micros": row.price_micros, "offer": offer.code},
    )  # fmt: skip
    return row


def grant_discount(*, actor: Actor, draft: DiscountDraft, now: datetime, reason: str) -> Discount:
    """Agree on a part of the price off for whole months. Audited.

    Raises:
        AgreementInvalid: Names the first wrong member; discounts of a payer never come to more than the whole price.

    Locks the tenant, then its budgets and credit accounts.
    """
    _refuse_first(
        (
            (1 <= draft.basis_points <= BASIS_POINTS, "/percent", _("A discount is more than 0 and at most 100 %.")),
            (
                draft.cap_won is None or 0 < draft.cap_won <= CAP_WON_MAX,
                "/cap",
                _("A cap is a whole number of won, more than 0."),
            ),
            (
                draft.first_month.day == 1 and draft.last_month.day == 1,
                "/first_month",
                _("A discount holds for whole months."),
            ),
            (draft.first_month >= month_of(now), "/first_month", _("A term cannot begin in the past.")),
            (
                draft.first_month <= draft.last_month <= draft.first_month + timedelta(days=TERM_DAYS_MAX),
                "/last_month",
                _("A term ends after it begins, within five years."),
            ),
        )
    )
    profile = _lock_payer(draft.billing_profile_id)
    mark_agreed(tenant_id=profile.tenant_id, now=now)
    if draft.offer_id is not None and not Offer.objects.filter(id=draft.offer_id).exists():
        raise AgreementInvalid(reason=_("There is no such offer."), pointer="/offer")
    others = Discount.objects.filter(
        billing_profile=profile, first_month__lte=draft.last_month, last_month__gte=draft.first_month
    )
    if sum(others.values_list("basis_points", flat=True)) + draft.basis_points > BASIS_POINTS:
        raise AgreementInvalid(
            reason=_("With the other discounts of these months it is more than all."), pointer="/percent"
        )
    row = Discount.objects.create(
        id=ids.new_id(),
        tenant_id=profile.tenant_id,
        billing_profile=profile,
        offer_id=draft.offer_id,
        basis_points=draft.basis_points,
        first_month=draft.first_month,
        last_month=draft.last_month,
        cap_won=draft.cap_won,
        reference=draft.reference,
        reason=reason,
        signed_by=actor.name,
        signed_at=now,
    )
    record_act(
        actor=actor, action="discount.granted", object_type="dsc", object_id=row.id, tenant_id=row.tenant_id, now=now,
        reason=reason, changes={"basis_points": row.basis_points, "cap_won": row.cap_won},
    )  # fmt: skip
    return row


def _lock_payer(billing_profile_id: UUID) -> BillingProfile:
    profile = BillingProfile.objects.filter(id=billing_profile_id).first()
    if profile is None:
        raise AgreementInvalid(reason=_("There is no such billing profile."), pointer="/billing_profile")
    Tenant.objects.select_for_update(no_key=True).get(id=profile.tenant_id)
    return profile


def _refuse_first(checks: tuple[tuple[bool, str, str | Promise], ...]) -> None:
    for is_fine, pointer, reason in checks:
        if not is_fine:
            raise AgreementInvalid(reason=reason, pointer=pointer)
