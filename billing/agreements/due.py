"""What a payer's agreements come to in a month, less what was charged for them already. Reads rows, writes nothing.

Asked with closed usage it is what `accounting` writes; asked with what runs as well it is what `pending` shows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from django.db.models import Max, Q, QuerySet, Sum

from billing.models import Charge, ChargeKind, Commitment, Discount
from billing.rating import AgreedPrice, Meter, Plan, month_bounds
from billing.rating.commitment import Capacity, Key, UsedSpan, accrue_fee, cover_in_turn
from billing.rating.discount import give

DISCOUNTED: Final = (ChargeKind.USAGE, ChargeKind.CORRECTION, ChargeKind.COVERED, ChargeKind.MINIMUM)
"""What a discount is a part of: use as it is paid for, never a commitment's fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A charge that an agreement adds; members as in models.Charge."""

    kind: ChargeKind
    agreement_id: UUID
    instance_id: UUID | None
    seller_id: UUID
    offer_id: UUID | None
    month: date
    started_at: datetime
    ended_at: datetime
    numerator: int
    price_version_id: UUID | None = None
    shape: str = "hourly"
    unit: str = "device"
    price_micros: int = 0
    micros_per_device_hour: int = 0
    devices: int = 0
    unit_seconds: int = 0
    device_seconds: int = 0
    basis_points: int | None = None
    base_numerator: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUse:
    """Use that is not charged yet, at one price within one month."""

    instance_id: UUID
    offer_id: UUID
    seller_id: UUID
    price: AgreedPrice
    meter: str
    units: int
    started_at: datetime
    ended_at: datetime
    month: date
    numerator: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """A billing profile with its agreements, each kind in order of id."""

    billing_profile_id: UUID
    tenant_id: UUID
    commitments: Sequence[Commitment] = field(default_factory=tuple)
    discounts: Sequence[Discount] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is asked: a payer's month up to an instant, with what runs in it."""

    payer: Payer
    month: date
    until: datetime
    running: Sequence[OpenUse]

    @property
    def first(self) -> datetime:
        """The month's first instant."""
        return month_bounds(self.month)[0]

    @property
    def end(self) -> datetime:
        """Where the month, or what is asked of it, ends."""
        return min(self.until, month_bounds(self.month)[1])


def find_due(*, payer: Payer, month: date, until: datetime, running: Sequence[OpenUse] = ()) -> list[Due]:
    """What a month's agreements add, up to an instant; at most six queries, none of them where nothing is agreed."""
    asked = _Asked(payer=payer, month=month, until=until, running=[use for use in running if use.month == month])
    if asked.end <= asked.first:
        return []
    due: list[Due] = []
    if payer.commitments:
        due += _commitments(asked)
    if discounts := [one for one in payer.discounts if one.first_month <= month <= one.last_month]:
        due += _discounts(asked, discounts, [*_as_bases(due), *_as_bases(asked.running)])
    return due


def list_fees_charged(commitments: Iterable[Commitment]) -> dict[UUID, datetime]:
    """Until when each commitment's fee was charged; its beginning where none was. One query."""
    found = (
        Charge.objects.filter(agreement_id__in=[one.id for one in commitments], kind=ChargeKind.COMMITMENT)
        .values_list("agreement_id")
        .annotate(last=Max("ended_at"))
    )
    charged = {agreement_id: last for agreement_id, last in found if agreement_id is not None}
    return {one.id: charged.get(one.id, one.started_at) for one in commitments}


def _commitments(asked: _Asked) -> list[Due]:
    charged = list_fees_charged(asked.payer.commitments)
    due = []
    for one in asked.payer.commitments:
        start, end = max(charged[one.id], asked.first), min(asked.end, one.ended_at)
        if start < end:
            due.append(_fee(one, asked.month, start, end))
    in_month = [one for one in asked.payer.commitments if one.started_at < asked.end and one.ended_at > asked.first]

    def sort_key(one: Commitment) -> tuple[str, ...]:
        return (str(one.offer_id), str(one.seller_id), one.unit, str(one.unit_devices))

    for _key, group in groupby(sorted(in_month, key=sort_key), key=sort_key):
        due += _covered(asked, sorted(group, key=lambda one: (one.started_at, one.id)))
    return due


def _fee(one: Commitment, month: date, start: datetime, end: datetime) -> Due:
    price = price_of(one)
    seconds = int((end - start) / timedelta(seconds=1))
    return Due(
        kind=ChargeKind.COMMITMENT,
        agreement_id=one.id,
        instance_id=None,
        seller_id=one.seller_id,
        offer_id=one.offer_id,
        month=month,
        started_at=start,
        ended_at=end,
        numerator=accrue_fee(price=price, devices=one.devices, started_at=start, ended_at=end),
        shape=one.shape,
        unit=one.unit,
        price_micros=one.price_micros,
        micros_per_device_hour=price.micros_per_device_hour,
        devices=one.devices,
        unit_seconds=one.units * seconds,
        device_seconds=one.devices * seconds,
    )


def price_of(one: Commitment) -> AgreedPrice:
    """The fee as a price."""
    return AgreedPrice(
        price_version_id=one.id,
        price_micros=one.price_micros,
        shape=one.shape,
        unit=one.unit,
        unit_devices=one.unit_devices,
    )


def _covered(asked: _Asked, same: Sequence[Commitment]) -> list[Due]:
    """What commitments of the same thing take off, the earlier one first."""
    spans = [*_closed_spans(asked, same[0]), *_running_spans(asked, same[0])]
    capacities = [
        Capacity(units=one.units, started_at=one.started_at, ended_at=min(one.ended_at, asked.end)) for one in same
    ]
    already = _covered_already(same, asked.month)
    due = []
    for one, found in zip(same, cover_in_turn(spans=spans, capacities=capacities), strict=True):
        before = already.get(one.id, {})
        for key in sorted({*found, *before}, key=str):
            seconds = found.get(key, 0) - before.get(key, 0)
            if seconds:
                own = [span for span in spans if span.key == key]
                due.append(_cover_due(asked, one, key=key, seconds=seconds, spans=own))
    return due


def _cover_due(asked: _Asked, one: Commitment, *, key: Key, seconds: int, spans: Sequence[UsedSpan]) -> Due:
    instance_id, price_version_id, price_micros = key
    start = max(asked.first, one.started_at, min((span.started_at for span in spans), default=asked.first))
    end = min(asked.end, one.ended_at, max((span.ended_at for span in spans), default=asked.end))
    return Due(
        kind=ChargeKind.COVERED,
        agreement_id=one.id,
        instance_id=instance_id,
        seller_id=one.seller_id,
        offer_id=one.offer_id,
        month=asked.month,
        started_at=start,
        ended_at=max(end, start + timedelta(seconds=1)),
        numerator=-price_micros * seconds,
        price_version_id=price_version_id,
        unit=one.unit,
        price_micros=price_micros,
        micros_per_device_hour=-(-price_micros // one.unit_devices),
        devices=one.devices,
        unit_seconds=-seconds,
        device_seconds=-seconds * one.unit_devices,
    )


def _closed_spans(asked: _Asked, kind: Commitment) -> list[UsedSpan]:
    """Charged on-demand use of the offer, in the unit that is committed; what was superseded is not use."""
    rows = Charge.objects.filter(
        Q(usage_interval__term__price__plan=Plan.ON_DEMAND.value) | Q(usage_interval__term__price__plan__isnull=True),
        kind=ChargeKind.USAGE,
        month=asked.month,
        billing_profile_id=asked.payer.billing_profile_id,
        tenant_id=asked.payer.tenant_id,
        seller_id=kind.seller_id,
        offer_id=kind.offer_id,
        meter=Meter.DEVICE,
        shape="hourly",
        unit=kind.unit,
        usage_interval__superseded_by__isnull=True,
    ).only(
        "instance_id", "price_version_id", "price_micros", "devices", "unit_seconds", "device_seconds", "started_at",
        "ended_at",
    )  # fmt: skip
    return [
        UsedSpan(
            instance_id=row.instance_id,
            price_version_id=row.price_version_id,
            price_micros=row.price_micros,
            units=row.devices // kind.unit_devices,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )
        for row in rows
        if row.instance_id is not None
        and row.price_version_id is not None
        and row.unit_seconds * kind.unit_devices == row.device_seconds
    ]


def _running_spans(asked: _Asked, kind: Commitment) -> list[UsedSpan]:
    return [
        UsedSpan(
            instance_id=use.instance_id,
            price_version_id=use.price.price_version_id,
            price_micros=use.price.price_micros,
            units=use.units,
            started_at=use.started_at,
            ended_at=use.ended_at,
        )
        for use in asked.running
        if (use.offer_id, use.seller_id) == (kind.offer_id, kind.seller_id)
        and (use.price.unit, use.price.unit_devices) == (kind.unit, kind.unit_devices)
        and (use.price.plan, use.price.shape, use.meter) == (Plan.ON_DEMAND, "hourly", Meter.DEVICE)
    ]


def _covered_already(same: Sequence[Commitment], month: date) -> dict[UUID, dict[Key, int]]:
    rows = (
        Charge.objects.filter(agreement_id__in=[one.id for one in same], kind=ChargeKind.COVERED, month=month)
        .values_list("agreement_id", "instance_id", "price_version_id", "price_micros")
        .annotate(seconds=Sum("unit_seconds"))
    )
    found: dict[UUID, dict[Key, int]] = {}
    for agreement_id, instance_id, version_id, micros, seconds in rows:
        if agreement_id is not None and instance_id is not None and version_id is not None:
            found.setdefault(agreement_id, {})[instance_id, version_id, micros] = -int(seconds)
    return found


@dataclass(frozen=True, slots=True, order=True)
class _Part:
    """What a discount is reckoned by, in the order in which a cap is used up."""

    instance: str
    seller: str
    offer: str


def _part(instance_id: UUID | None, seller_id: UUID, offer_id: UUID | None) -> _Part:
    return _Part(str(instance_id or ""), str(seller_id), str(offer_id or ""))


def _as_bases(items: Iterable[Due | OpenUse]) -> list[tuple[_Part, int]]:
    return [
        (_part(item.instance_id, item.seller_id, item.offer_id), item.numerator)
        for item in items
        if not isinstance(item, Due) or item.kind in DISCOUNTED
    ]


def _discounts(asked: _Asked, discounts: Sequence[Discount], more: Sequence[tuple[_Part, int]]) -> list[Due]:
    payer, month = asked.payer, asked.month
    bases = _charged(
        Charge.objects.filter(
            tenant_id=payer.tenant_id, billing_profile_id=payer.billing_profile_id, month=month, kind__in=DISCOUNTED
        )
    )
    for part, numerator in more:
        bases[part] = bases.get(part, 0) + numerator
    due = []
    for one in discounts:
        given = Charge.objects.filter(agreement_id=one.id, kind=ChargeKind.DISCOUNT)
        before = given.exclude(month=month).aggregate(sum=Sum("numerator"))["sum"]
        already = _charged(given.filter(month=month))
        reckoned = _charged(given.filter(month=month), column="base_numerator")
        costs = {part: bases[part] for part in sorted(bases) if one.offer_id is None or part.offer == str(one.offer_id)}
        now_given = give(
            costs=costs, basis_points=one.basis_points, cap_won=one.cap_won, given_before=-int(before or 0)
        )
        for part in sorted({*now_given, *already}):
            numerator = -now_given.get(part, 0) - already.get(part, 0)
            base = costs.get(part, 0) - reckoned.get(part, 0)
            if numerator:
                due.append(_discount_due(asked, one, part=part, numerator=numerator, base=base))
    return due


def _charged(rows: QuerySet[Charge], *, column: str = "numerator") -> dict[_Part, int]:
    summed = rows.values_list("instance_id", "seller_id", "offer_id").annotate(exact=Sum(column))
    return {_part(instance, seller, offer): int(exact) for instance, seller, offer, exact in summed}


def _discount_due(asked: _Asked, one: Discount, *, part: _Part, numerator: int, base: int) -> Due:
    return Due(
        kind=ChargeKind.DISCOUNT,
        agreement_id=one.id,
        instance_id=UUID(part.instance) if part.instance else None,
        seller_id=UUID(part.seller),
        offer_id=UUID(part.offer) if part.offer else None,
        month=asked.month,
        started_at=asked.first,
        ended_at=asked.end,
        numerator=numerator,
        basis_points=one.basis_points,
        base_numerator=base,
    )
