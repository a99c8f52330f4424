"""The prices of offers: dated versions that never change once written, but for the end a successor gives them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from billing.models import PricePlan, PriceVersion
from marketplace.inventory.models import Offer
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import ValidationFailed


class PriceInvalid(ValidationFailed):
    """A price that cannot be published: not positive, in the past, or before one already scheduled."""

    code = "price_invalid"


def publish_price(
    *, actor: Actor, offer_id: UUID, price_micros_per_device_hour: int, effective_from: datetime, now: datetime
) -> PriceVersion:
    """Publish an offer's price from an instant on; the version in force then ends there. Audited.

    Args:
        price_micros_per_device_hour: Millionths of a won per device-hour, VAT apart; positive.
        effective_from: Not before `now`: a price never changes for time that has passed.

    Raises:
        PriceInvalid: Not positive, in the past, or no later than a version already published.

    Locks the offer row, so that two publishers queue up.
    """
    if price_micros_per_device_hour <= 0:
        raise PriceInvalid(reason=_("A price is more than 0."), pointer="/price_per_device_hour")
    if effective_from < now:
        raise PriceInvalid(reason=_("A price cannot begin in the past."), pointer="/effective_from")
    Offer.objects.select_for_update(no_key=True).get(id=offer_id)
    current = PriceVersion.objects.filter(offer_id=offer_id, effective_to__isnull=True).first()
    if current is not None:
        if current.effective_from >= effective_from:
            raise PriceInvalid(reason=_("A later price is already published."), pointer="/effective_from")
        PriceVersion.objects.filter(id=current.id, effective_to__isnull=True).update(effective_to=effective_from)
    version = PriceVersion.objects.create(
        offer_id=offer_id,
        price_micros=price_micros_per_device_hour,
        price_micros_per_device_hour=price_micros_per_device_hour,
        effective_from=effective_from,
    )
    before = current.price_micros_per_device_hour if current else None
    record_act(
        actor=actor,
        action="price.published",
        object_type="prc",
        object_id=version.id,
        now=now,
        changes={"price_micros_per_device_hour": [before, price_micros_per_device_hour]},
    )
    return version


def list_prices_in_force(*, offer_ids: Iterable[UUID], now: datetime) -> Mapping[UUID, PriceVersion]:
    """The version in force for each offer that has one; one query."""
    rows = PriceVersion.objects.filter(
        Q(effective_to__isnull=True) | Q(effective_to__gt=now),
        offer_id__in=list(offer_ids),
        effective_from__lte=now,
        plan=PricePlan.ON_DEMAND,
        audience="all",
    )
    return {row.offer_id: row for row in rows if row.offer_id is not None}
