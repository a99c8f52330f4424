"""The only writer of charges: closed usage × agreed prices → charges, and the days' sums beside them.

Whoever closes an interval calls `charge_interval` in the same transaction. Prices are those agreed when renting, and those of
announced changes that hold (`billing.price_changes`), each from its own instant on.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from django.db import connection

from billing.models import ChangeAnswer, Charge, ChargeKind, TermChange, UsageInterval, UsageKind
from billing.prices import Buyer, find_storage_price
from billing.rating import (
    SHAPES,
    AgreedPrice,
    Meter,
    Piece,
    cut_at_days,
    day_of,
    rate_usage,
    read_snapshot,
)
from marketplace.instances.models import Instance, InstanceTerm
from marketplace.kernel import ids
from marketplace.kernel.clock import seconds_between
from marketplace.tenants.models import Tenant

SECOND: Final = timedelta(seconds=1)
DEVICE_METERS: Final = frozenset({Meter.DEVICE, Meter.HELD})


def charge_interval(*, interval: UsageInterval) -> list[Charge]:
    """Write the charges of a closed interval that is metered and has an agreed price; none for others. Once, by its key.

    Storage costs what the site's storage cost its buyer when the instance's terms were agreed. Addresses and egress have no price.

    Raises:
        ValueError: The interval is open: an open one has no price yet.

    Requires an open transaction of a staff actor that holds the instance's row lock.
    """
    if interval.kind != UsageKind.METERED or interval.term is None or interval.instance_id is None:
        # Neither what is excused nor what is unknown, and nothing without an agreed price.
        return []
    if interval.ended_at is None:
        message = "an open interval is not charged"
        raise ValueError(message)
    if Charge.objects.filter(usage_interval=interval, kind=ChargeKind.USAGE).exists():
        return []
    prices = _list_prices(interval.term, meter=interval.meter)
    if not prices:
        return []
    instance = Instance.objects.select_related("project").get(id=interval.instance_id)
    pieces = rate_usage(
        prices=prices,
        devices=interval.quantity,
        started_at=interval.started_at,
        ended_at=interval.ended_at,
        meter=interval.meter,
    )
    charges = [_charge(piece, interval=interval, term=interval.term, instance=instance) for piece in pieces]
    return record_charges(charges=charges, instance=instance, offer_id=_offer_of(interval.term, meter=interval.meter))


def _list_prices(term: InstanceTerm, *, meter: str) -> tuple[AgreedPrice, ...]:
    """What holds for a meter under a term; nothing where the meter has no price."""
    if meter in DEVICE_METERS:
        return list_agreed_prices(terms=[term])[term.id]
    if meter != Meter.VOLUME:
        return ()
    tenant = Tenant.objects.get(id=term.tenant_id)
    buyer = Buyer(tenant_id=tenant.id, sector=tenant.sector)
    price = find_storage_price(site_id=term.offer.site_id, buyer=buyer, now=term.agreed_at)
    return () if price is None else (price,)


def _offer_of(term: InstanceTerm, *, meter: str) -> UUID | None:
    """What a report by accelerator shows it under; storage belongs to none."""
    return term.offer_id if meter in DEVICE_METERS else None


def reverse_charges(*, interval: UsageInterval) -> list[Charge]:
    """Take off what a superseded interval was charged, by corrections of the same months; once. The charges themselves stay.

    Requires an open transaction of a staff actor that holds the instance's row lock.
    """
    if interval.term is None or interval.instance_id is None:
        return []
    if Charge.objects.filter(usage_interval=interval, kind=ChargeKind.CORRECTION).exists():
        return []
    rows = Charge.objects.filter(usage_interval=interval, kind=ChargeKind.USAGE).order_by("started_at")
    reversed_ = [take_off(charge, kind=ChargeKind.CORRECTION) for charge in rows]
    instance = Instance.objects.select_related("project").get(id=interval.instance_id)
    return record_charges(charges=reversed_, instance=instance, offer_id=_offer_of(interval.term, meter=interval.meter))


def take_off(charge: Charge, *, kind: ChargeKind) -> Charge:
    """A new charge, not saved, that takes a stored one off again; the given one may not be used afterwards."""
    charge.id, charge.kind, charge.invoice_line_id = ids.new_id(), kind, None
    charge.unit_seconds, charge.device_seconds = -charge.unit_seconds, -charge.device_seconds
    charge.numerator, charge.base_numerator = -charge.numerator, -charge.base_numerator
    charge._state.adding = True  # noqa: SLF001 - Django's way to copy a row
    return charge


def record_charges(*, charges: Sequence[Charge], instance: Instance | None, offer_id: UUID | None) -> list[Charge]:
    """Append charges and add them to the sums of their days.

    Args:
        instance: Whose they are, with its project; None for what belongs to no instance.
        offer_id: What was used, for reports by accelerator and site.

    Requires an open transaction of a staff actor.
    """
    for charge in charges:
        charge.offer_id = offer_id
    written = Charge.objects.bulk_create(charges)
    sums: dict[tuple[UUID, date, str, UUID], tuple[int, int]] = {}
    for charge in written:
        for day, numerator, device_seconds in spread_over_days(charge):
            source = charge.instance_id or charge.agreement_id
            key = (charge.tenant_id, day, charge.kind, source or charge.tenant_id)
            before = sums.get(key, (0, 0))
            sums[key] = (before[0] + numerator, before[1] + device_seconds)
    _add_to_days(sums, instance=instance, offer_id=offer_id)
    return written


def spread_over_days(charge: Charge) -> list[tuple[date, int, int]]:
    """A charge's numerator and device-seconds by day in Seoul; they add up to the charge's.

    What is no product of time (a minimum, a discount) belongs to the day in which it ends.
    """
    seconds = seconds_between(start=charge.started_at, end=charge.ended_at)
    if charge.kind not in (ChargeKind.USAGE, ChargeKind.CORRECTION) or seconds <= 0:
        return [(day_of(charge.ended_at - SECOND), int(charge.numerator), charge.device_seconds)]
    units, devices = charge.unit_seconds // seconds, charge.device_seconds // seconds
    sign = -1 if units < 0 else 1
    return [
        (
            day_of(start),
            sign
            * SHAPES[charge.shape].accrue(
                price_micros=charge.price_micros, units=abs(units), started_at=start, ended_at=end
            ),
            devices * seconds_between(start=start, end=end),
        )
        for start, end in cut_at_days(started_at=charge.started_at, ended_at=charge.ended_at)
    ]


_ADD: Final = """
INSERT INTO billing_costday
    (id, tenant_id, source_id, instance_id, project_id, offer_id, kind, day, cost_centre, numerator, device_seconds)
VALUES {rows}
ON CONFLICT (source_id, day, kind, offer_id) DO UPDATE
SET numerator = billing_costday.numerator + EXCLUDED.numerator,
    device_seconds = billing_costday.device_seconds + EXCLUDED.device_seconds
"""


def _add_to_days(
    sums: Mapping[tuple[UUID, date, str, UUID], tuple[int, int]], *, instance: Instance | None, offer_id: UUID | None
) -> None:
    if not sums:
        return
    rows = [
        (
            ids.new_id(), tenant_id, source_id, instance.id if instance else None,
            instance.project_id if instance else None, offer_id, kind, day,
            instance.project.cost_centre if instance else "", numerator, device_seconds,
        )
        for (tenant_id, day, kind, source_id), (numerator, device_seconds) in sorted(sums.items(), key=str)
    ]  # fmt: skip
    one = f"({', '.join(['%s'] * len(rows[0]))})"
    with connection.cursor() as cursor:
        cursor.execute(_ADD.format(rows=", ".join([one] * len(rows))), [value for row in rows for value in row])


def list_agreed_prices(*, terms: Iterable[InstanceTerm]) -> dict[UUID, tuple[AgreedPrice, ...]]:
    """For each term the price agreed at rent, then each change that holds, in order; one query."""
    found: dict[UUID, tuple[AgreedPrice, ...]] = {
        term.id: (
            read_snapshot(
                term.price,
                price_version_id=term.price_version_id,
                price_micros_per_device_hour=term.price_micros_per_device_hour,
            ),
        )
        for term in terms
    }
    changes = TermChange.objects.filter(
        term_id__in=list(found), answer__in=[ChangeAnswer.AGREED, ChangeAnswer.NOT_NEEDED]
    ).order_by("effective_at", "id")
    for change in changes:
        price = read_snapshot(
            change.price,
            price_version_id=change.price_version_id,
            price_micros_per_device_hour=change.new_micros_per_device_hour,
            since=change.effective_at,
        )
        found[change.term_id] = (*found[change.term_id], price)
    return found


def _charge(piece: Piece, *, interval: UsageInterval, term: InstanceTerm, instance: Instance) -> Charge:
    return Charge(
        tenant_id=interval.tenant_id,
        kind=ChargeKind.USAGE,
        usage_interval=interval,
        instance=instance,
        seller_id=term.seller_id,
        billing_profile_id=instance.project.billing_profile_id,
        price_version_id=piece.price.price_version_id,
        meter=interval.meter,
        shape=piece.shape,
        unit=piece.price.unit,
        price_micros=piece.price_micros,
        price_micros_per_device_hour=_per_device_hour(piece, meter=interval.meter),
        devices=piece.devices if interval.meter in DEVICE_METERS else 0,
        unit_seconds=piece.unit_seconds,
        device_seconds=piece.device_seconds if interval.meter in DEVICE_METERS else 0,
        numerator=piece.numerator,
        started_at=piece.started_at,
        ended_at=piece.ended_at,
        month=piece.month,
    )


def _per_device_hour(piece: Piece, *, meter: str) -> int:
    if meter not in DEVICE_METERS:
        return 0
    return piece.price_micros if meter == Meter.HELD else piece.price.micros_per_device_hour
