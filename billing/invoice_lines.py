"""Charges → the lines of one invoice: grouped by what they are for and at which price, each with its own first and last instant."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models import Max, Min, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, NullIf

from billing.models import Charge, Commitment, Invoice, InvoiceLine
from billing.rating import LineInput, LineKind, Totals
from marketplace.instances.models import Instance
from marketplace.inventory.models import Offer

_SHARED: Final = (
    "instance_id",
    "agreement_id",
    "price_version_id",
    "meter",
    "shape",
    "unit",
    "price_micros",
    "price_micros_per_device_hour",
    "basis_points",
)
"""What charges of one line have in common, beside the kind. A correction is part of the line of the usage it corrects."""


def sum_lines(charges: QuerySet[Charge]) -> list[LineInput]:
    """The lines that some charges make, in order of instance, then of time; one query."""
    rows = (
        charges.annotate(line_kind=_line_kind())
        .values("line_kind", *_SHARED)
        .annotate(
            units=Sum("unit_seconds"),
            seconds=Sum("device_seconds"),
            exact=Sum("numerator"),
            base=Sum("base_numerator"),
            first=Min("started_at"),
            last=Max("ended_at"),
        )
        .order_by("instance_id", "first", "line_kind", "price_micros")
    )
    return [
        LineInput(
            kind=LineKind(row["line_kind"]),
            source_id=row["instance_id"] or row["agreement_id"],
            instance_id=row["instance_id"],
            agreement_id=row["agreement_id"],
            price_version_id=row["price_version_id"],
            meter=row["meter"],
            shape=row["shape"],
            unit=row["unit"],
            price_micros=row["price_micros"],
            price_micros_per_device_hour=row["price_micros_per_device_hour"],
            unit_seconds=int(row["units"]),
            device_seconds=int(row["seconds"]),
            numerator=int(row["exact"]),
            basis_points=row["basis_points"],
            base_numerator=int(row["base"]),
            started_at=row["first"],
            ended_at=row["last"],
        )
        for row in rows
    ]


def _line_kind() -> Coalesce:
    return Coalesce(NullIf("kind", Value(LineKind.CORRECTION.value)), Value(LineKind.USAGE.value))


def describe_sources(charges: QuerySet[Charge]) -> dict[UUID, dict[str, Any]]:
    """For each instance, and each commitment's fee, what its lines print: name, project, cost centre, accelerator, site, devices.

    Four queries.
    """
    used = charges.filter(instance__isnull=False).values("instance_id").annotate(most=Max("devices"))
    devices: Mapping[UUID, int] = {row["instance_id"]: row["most"] for row in used}
    offers: dict[UUID, UUID | None] = dict(
        charges.filter(instance__isnull=False, offer_id__isnull=False)
        .order_by("started_at")
        .values_list("instance_id", "offer_id")
    )
    known = {
        row.id: row
        for row in Offer.objects.select_related("accelerator", "site").filter(id__in=[*filter(None, offers.values())])
    }
    committed = charges.filter(instance__isnull=True, agreement_id__isnull=False).values("agreement_id")
    fees = {
        row.id: {"name": row.reference, "devices": row.devices, **_describe_offer(row.offer)}
        for row in Commitment.objects.select_related("offer__accelerator", "offer__site").filter(id__in=committed)
    }
    return fees | {
        row.id: {
            "name": row.name,
            "project": row.project.name,
            "cost_centre": row.project.cost_centre,
            "devices": devices[row.id],
            **_describe_offer(known.get(offer_id) if (offer_id := offers.get(row.id)) else None),
        }
        for row in Instance.objects.select_related("project").filter(id__in=devices)
    }


def _describe_offer(offer: Offer | None) -> dict[str, Any]:
    if offer is None:
        return {"accelerator": "", "site": ""}
    return {
        "accelerator": f"{offer.accelerator.vendor} {offer.accelerator.model}",
        "site": offer.site.name_ko,
    }


def write_lines(
    *, invoice: Invoice, totals: Totals, printed: Sequence[Mapping[str, Any]], charges: QuerySet[Charge]
) -> None:
    """Write an invoice's lines and mark the charges of each; within the transaction that issues it.

    Args:
        printed: The document's lines, one for each rated line.
        charges: Those the totals were made from.
    """
    for position, (line, text) in enumerate(zip(totals.lines, printed, strict=True), start=1):
        sums = line.charges
        row = InvoiceLine.objects.create(
            tenant_id=invoice.tenant_id,
            invoice=invoice,
            position=position,
            description=text["description"][:200],
            supply_won=line.supply_won,
            **(_columns(sums) if sums else _ADJUSTMENT),
        )
        if sums is not None:
            _of_line(charges, sums).update(invoice_line=row)


_ADJUSTMENT: Final[Mapping[str, Any]] = {
    "kind": "adjustment",
    "price_micros_per_device_hour": 0,
    "device_seconds": 0,
    "numerator": 0,
}


def _columns(sums: LineInput) -> dict[str, Any]:
    return {
        "kind": sums.kind,
        **{name: getattr(sums, name) for name in _SHARED},
        "unit_seconds": sums.unit_seconds,
        "device_seconds": sums.device_seconds,
        "numerator": sums.numerator,
        "base_numerator": sums.base_numerator,
        "started_at": sums.started_at,
        "ended_at": sums.ended_at,
    }


def _of_line(charges: QuerySet[Charge], sums: LineInput) -> QuerySet[Charge]:
    shared = {
        f"{name}__isnull" if getattr(sums, name) is None else name: (
            True if getattr(sums, name) is None else getattr(sums, name)
        )
        for name in _SHARED
    }
    return charges.annotate(line_kind=_line_kind()).filter(line_kind=sums.kind, **shared)
