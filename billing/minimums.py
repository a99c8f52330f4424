"""What an instance that ended still owes by its agreed minimum term and charge. Written as charges; repeatable."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, Sum

from billing.charging import DEVICE_METERS, list_agreed_prices, record_charges, take_off
from billing.metering.rules import Cause
from billing.models import Charge, ChargeKind, UsageInterval, UsageKind
from billing.rating import AgreedPrice, Meter, month_of
from billing.rating.minimum import find_missing_minimum
from billing.rating.usage import price_at
from marketplace.instances.models import Instance, InstanceTerm
from marketplace.instances.states import FAULTS, Fault, Reason, State
from marketplace.kernel.clock import floor_to_second, seconds_between
from marketplace.kernel.money import MICROS_PER_WON, NUMERATOR_PER_WON

SECOND = timedelta(seconds=1)


def charge_minimum(*, instance: Instance) -> list[Charge]:
    """Charge what is missing to the minimums of an ended instance, or correct it when its usage changed later.

    Nothing is owed where the instance never ran, or where our or the provider's fault ended it; nothing is decided while a second
    is unknown. Seconds that count are metered and excused ones: an outage is not the customer's choice.

    Requires an open transaction of a staff actor that holds the instance's row lock.
    """
    if instance.state != State.ENDED or instance.ended_at is None:
        return []
    rows = list(
        UsageInterval.objects.filter(
            instance=instance, meter=Meter.DEVICE, superseded_by__isnull=True, term__isnull=False
        )
        .select_related("term")
        .order_by("started_at")
    )
    metered = [row for row in rows if row.kind == UsageKind.METERED]
    if any(row.ended_at is None or row.kind == UsageKind.UNKNOWN for row in rows):
        return []
    last = metered[-1] if metered else None
    already = Charge.objects.filter(instance=instance, kind=ChargeKind.MINIMUM)
    if last is None or last.term is None or last.ended_at is None:
        return _replace(instance, wanted=[], already=list(already), offer_id=None)
    prices = list_agreed_prices(terms=[last.term])[last.term.id]
    price = price_at(prices=prices, at=last.ended_at - SECOND)
    if not price.minimum_s and not price.minimum_won and not already.exists():
        return []
    is_owed = FAULTS.get(Reason(instance.state_reason), Fault.NOBODY) is not Fault.PROVIDER
    wanted = _missing(instance, last.term, price, rows) if is_owed else []
    return _replace(instance, wanted=wanted, already=list(already), offer_id=last.term.offer_id)


def _missing(instance: Instance, term: InstanceTerm, price: AgreedPrice, rows: list[UsageInterval]) -> list[Charge]:
    """The charge of the missing term, and that of the missing charge."""
    ended_at = max(row.ended_at for row in rows if row.ended_at is not None)
    # Of the devices alone: storage has a price of its own, without a minimum.
    usage = Charge.objects.filter(
        instance=instance, kind__in=[ChargeKind.USAGE, ChargeKind.CORRECTION], meter__in=DEVICE_METERS
    )
    charged = usage.aggregate(sum=Sum("numerator"))["sum"]
    used_s = sum(
        seconds_between(start=row.started_at, end=row.ended_at)
        for row in rows
        if row.rank == 0 and row.ended_at is not None and row.reason != Cause.FAILED_START
    )
    devices = instance.total_devices
    missing = find_missing_minimum(
        price=price, devices=devices, used_s=used_s, charged_numerator=int(charged or 0), ended_at=ended_at
    )
    parts = []
    if missing.term_numerator:
        units = price.units(devices)
        parts.append(
            {
                "shape": price.shape, "price_micros": price.price_micros, "numerator": missing.term_numerator,
                "unit_seconds": units * missing.missing_s, "device_seconds": devices * missing.missing_s,
            }
        )  # fmt: skip
    if missing.charge_numerator:
        reached = price.minimum_won * NUMERATOR_PER_WON - missing.charge_numerator
        parts.append(
            {
                "shape": "minimum", "price_micros": price.minimum_won * MICROS_PER_WON,
                "numerator": missing.charge_numerator, "unit_seconds": 0, "device_seconds": 0, "base_numerator": reached,
            }
        )  # fmt: skip
    return [
        Charge(
            tenant_id=instance.tenant_id,
            kind=ChargeKind.MINIMUM,
            instance=instance,
            seller_id=term.seller_id,
            billing_profile_id=instance.project.billing_profile_id,
            price_version_id=price.price_version_id,
            unit=price.unit,
            price_micros_per_device_hour=price.micros_per_device_hour,
            devices=devices,
            started_at=floor_to_second(ended_at) - SECOND,
            ended_at=ended_at,
            month=month_of(ended_at - SECOND),
            **part,
        )
        for part in parts
    ]


def _replace(instance: Instance, *, wanted: list[Charge], already: list[Charge], offer_id: UUID | None) -> list[Charge]:
    """Write what is wanted less what stands: each charge that no longer holds is taken off by one of its own."""
    standing = _standing(already)
    fresh = [row for row in wanted if _essence(row) not in standing]
    kept = {_essence(row) for row in wanted}
    gone = [row for key, row in standing.items() if key not in kept]
    charges = [*(take_off(row, kind=ChargeKind.MINIMUM) for row in gone), *fresh]
    return record_charges(charges=charges, instance=instance, offer_id=offer_id)


def _standing(already: list[Charge]) -> dict[tuple[object, ...], Charge]:
    """Charges that no other one has taken off."""
    times: dict[tuple[object, ...], int] = {}
    for row in already:
        times[_essence(row)] = times.get(_essence(row), 0) + (1 if row.numerator > 0 else -1)
    return {_essence(row): row for row in already if row.numerator > 0 and times[_essence(row)] > 0}


def _essence(row: Charge) -> tuple[object, ...]:
    """What tells one sum from another, whether it was charged or taken off."""
    return row.shape, row.price_micros, abs(row.unit_seconds), abs(int(row.numerator)), row.ended_at


def list_ended_with_minimum(*, since: datetime) -> list[UUID]:
    """Instances that ended since an instant and had agreed to a minimum: finds what a lost hint would have."""
    has_minimum = Q(terms__price__minimum_s__gt=0) | Q(terms__price__minimum_won__gt=0)
    rows = Instance.objects.filter(has_minimum, state=State.ENDED, ended_at__gte=since)
    return list(rows.distinct().order_by("id").values_list("id", flat=True))
