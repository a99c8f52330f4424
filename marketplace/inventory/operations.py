"""Writes of the market's side: providers, sites, the catalogue, offers; by operators, audited. Certificates: `assurance`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import (
    Accelerator,
    Offer,
    OfferAccess,
    OfferStatus,
    Outlook,
    Provider,
    Seller,
    SellingMode,
    SellingTerm,
    Site,
    Zone,
)
from marketplace.kernel.actors import Actor, savepoint
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, ValidationFailed


class OfferInvalid(ValidationFailed):
    """An offer whose shape no node could have, or of a provider that nobody sells for."""

    code = "offer_invalid"


class SellingTermInvalid(ValidationFailed):
    """A selling term that begins before the one in force."""

    code = "selling_term_invalid"


def define_seller(*, actor: Actor, legal_name: str, business_number: str, now: datetime, **details: str) -> Seller:
    """Add or correct a legal entity that supplies. Safe to repeat."""
    seller, _created = Seller.objects.update_or_create(
        business_number=business_number, defaults={"legal_name": legal_name, **details}
    )
    record_act(actor=actor, action="seller.defined", object_type="sel", object_id=seller.id, now=now)
    return seller


def define_provider(
    *, actor: Actor, code: str, name_ko: str, name_en: str, now: datetime, operator_nationality: str = "KR"
) -> Provider:
    """Add or rename a provider. Safe to repeat."""
    provider, _created = Provider.objects.update_or_create(
        code=code, defaults={"name_ko": name_ko, "name_en": name_en, "operator_nationality": operator_nationality}
    )
    record_act(actor=actor, action="provider.defined", object_type="prv", object_id=provider.id, now=now)
    return provider


def set_selling_term(
    *, actor: Actor, provider_id: UUID, mode: SellingMode, seller_id: UUID, effective_from: datetime, now: datetime
) -> SellingTerm:
    """Say from when on and under which seller a provider's capacity is sold; ends the term in force there.

    Raises:
        SellingTermInvalid: It begins no later than the term in force.

    Locks the provider row.
    """
    Provider.objects.select_for_update(no_key=True).get(id=provider_id)
    current = SellingTerm.objects.filter(provider_id=provider_id, effective_to__isnull=True).first()
    if current is not None:
        if current.effective_from >= effective_from:
            raise SellingTermInvalid(reason=_("A later term is already set."), pointer="/effective_from")
        current.effective_to = effective_from
        current.save(update_fields=["effective_to"])
    term = SellingTerm.objects.create(
        provider_id=provider_id, mode=mode, seller_id=seller_id, effective_from=effective_from
    )
    record_act(actor=actor, action="selling_term.set", object_type="prv", object_id=provider_id, now=now)
    return term


def define_site(
    *,
    actor: Actor,
    provider_id: UUID,
    code: str,
    name_ko: str,
    name_en: str,
    now: datetime,
    jurisdiction: str = "KR",
    zone: Zone = Zone.GENERAL,
    is_network_separated: bool = False,
    reserved_sectors: Sequence[str] = (),
) -> Site:
    """Add or change a site. Safe to repeat."""
    site, _created = Site.objects.update_or_create(
        code=code,
        defaults={
            "provider_id": provider_id,
            "name_ko": name_ko,
            "name_en": name_en,
            "jurisdiction": jurisdiction,
            "zone": zone,
            "is_network_separated": is_network_separated,
            "reserved_sectors": list(reserved_sectors),
        },
    )
    record_act(actor=actor, action="site.defined", object_type="sit", object_id=site.id, now=now)
    return site


def define_accelerator(*, actor: Actor, code: str, fields: Mapping[str, Any], now: datetime) -> Accelerator:
    """Add or correct a catalogue row. Safe to repeat; audited only when something changed."""
    accelerator, created = Accelerator.objects.get_or_create(code=code, defaults=dict(fields))
    changed = {
        name: [getattr(accelerator, name), value]
        for name, value in fields.items()
        if getattr(accelerator, name) != value
    }
    if not created and changed:
        for name, value in fields.items():
            setattr(accelerator, name, value)
        accelerator.save(update_fields=list(fields))
    if created or changed:
        record_act(
            actor=actor,
            action="accelerator.defined",
            object_type="acc",
            object_id=accelerator.id,
            now=now,
            changes=changed,
        )
    return accelerator


def create_offer(
    *,
    actor: Actor,
    code: str,
    accelerator_id: UUID,
    site_id: UUID,
    cpu_millis_per_device: int,
    memory_mib_per_device: int,
    devices_max: int,
    now: datetime,
    status: OfferStatus = OfferStatus.ACTIVE,
) -> Offer:
    """Put an accelerator of a site on sale.

    Raises:
        OfferInvalid: The code is taken, or an instance could have more devices than a node of this accelerator has.
    """
    accelerator = Accelerator.objects.get(id=accelerator_id)
    if not 1 <= devices_max <= accelerator.devices_per_node_max:
        raise OfferInvalid(reason=_("An instance cannot have more devices than a node."), pointer="/devices_max")
    try:
        with savepoint():
            offer = Offer.objects.create(
                code=code,
                accelerator=accelerator,
                site_id=site_id,
                cpu_millis_per_device=cpu_millis_per_device,
                memory_mib_per_device=memory_mib_per_device,
                devices_max=devices_max,
                status=status,
            )
    except IntegrityError as error:
        raise OfferInvalid(reason=_("The code is already taken."), pointer="/code") from error
    record_act(actor=actor, action="offer.created", object_type="off", object_id=offer.id, now=now)
    return offer


def set_offer_access(*, actor: Actor, offer_id: UUID, access: OfferAccess, reason: str, now: datetime) -> Offer:
    """Sell an offer to everyone, or by reservation only; what is rented or waits already keeps its terms. Audited. Repeatable.

    Raises:
        NotFound: No such offer.

    Locks the offer row.
    """
    offer = Offer.objects.select_for_update(no_key=True).filter(id=offer_id).first()
    if offer is None:
        raise NotFound
    before = offer.access
    if before != access:
        offer.access = access
        offer.save(update_fields=["access"])
        record_act(
            actor=actor, action="offer.access_set", object_type="off", object_id=offer.id, reason=reason, now=now,
            changes={"access": [before, access.value]},
        )  # fmt: skip
    return offer


def keep_outlook(*, body: Mapping[str, Any], now: datetime) -> bool:
    """Replace the outlook, unless a later one is there already; whether it was replaced. Safe to repeat."""
    Outlook.objects.bulk_create([Outlook(body={}, computed_at=now - timedelta(days=365))], ignore_conflicts=True)
    return bool(Outlook.objects.filter(computed_at__lte=now).update(body=dict(body), computed_at=now))
