"""What an invoice prints, as plain data; stored with the invoice, so that it can be printed again years later, unchanged."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django.utils import translation

from billing.rating import LineInput, LineKind, Meter, RatedLine, Totals, last_day
from billing.texts import describe_kind, explain_sum, group
from marketplace.inventory.models import Seller
from marketplace.kernel import ids
from marketplace.kernel.clock import KST
from marketplace.kernel.money import won_text_from_micros
from marketplace.tenants.business_number import format_business_number
from marketplace.tenants.models import BillingProfile

SCHEMA: Final = 2
"""Version of the document's shape; a renderer must be able to print every version that was ever issued."""


def build_document(
    *,
    number: str,
    month: date,
    issued_at: datetime,
    seller: Seller,
    profile: BillingProfile,
    totals: Totals,
    sources: Mapping[UUID, Mapping[str, Any]],
) -> dict[str, Any]:
    """Everything printed, in Korean form: dates `2026. 11. 30.`, times in KST, amounts as whole numbers of won."""
    return {
        "schema": SCHEMA,
        "number": number,
        "month": f"{month.year}년 {month.month}월",
        "write_date": _date(last_day(month)),
        "issued_on": _date(issued_at.astimezone(KST).date()),
        "seller": {
            "name": seller.legal_name,
            "business_number": format_business_number(seller.business_number),
            "representative": seller.representative,
            "address": seller.address,
        },
        "buyer": {
            "name": profile.company_name,
            "business_number": format_business_number(profile.business_number),
            "place_number": profile.place_number,
            "representative": profile.representative,
            "address": profile.address,
            "department": profile.department,
            "email": profile.email,
        },
        "lines": [_line(line, sources) for line in totals.lines],
        "supply_won": totals.supply_won,
        "vat_won": totals.vat_won,
        "total_won": totals.total_won,
        "rounding": profile.rounding,
    }


def _line(line: RatedLine, sources: Mapping[UUID, Mapping[str, Any]]) -> dict[str, Any]:
    sums = line.charges
    if sums is None:
        return {"description": "끝수 조정", "supply_won": line.supply_won, "is_adjustment": True}
    source = sources.get(sums.source_id, {})
    with translation.override("ko"):
        calculation = explain_sum(sums, numerator=sums.numerator)
        kind = "" if sums.kind is LineKind.USAGE and sums.meter == Meter.DEVICE else _kind(sums)
    described = " · ".join(part for part in (kind, source.get("accelerator"), source.get("name")) if part)
    return {
        "description": described,
        "kind": sums.kind.value,
        "instance": ids.format_id(prefix="ins", value=sums.instance_id) if sums.instance_id else "",
        "project": source.get("project", ""),
        "cost_centre": source.get("cost_centre", ""),
        "site": source.get("site", ""),
        "devices": source.get("devices", 0),
        "period": f"{_time(sums.started_at)} ~ {_time(sums.ended_at)}" if sums.started_at and sums.ended_at else "",
        "device_seconds": sums.device_seconds,
        "price_won": group(won_text_from_micros(sums.price_micros)) if sums.price_micros else "",
        "price_version": ids.format_id(prefix="prc", value=sums.price_version_id) if sums.price_version_id else "",
        "calculation": calculation,
        "supply_won": line.supply_won,
        "is_adjustment": False,
    }


def _kind(sums: LineInput) -> str:
    return describe_kind(kind=sums.kind, meter=sums.meter)


def _date(day: date) -> str:
    return f"{day.year}. {day.month}. {day.day}."


def _time(instant: datetime) -> str:
    return f"{instant.astimezone(KST):%Y-%m-%d %H:%M:%S}"
