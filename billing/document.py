"""What an invoice prints, as plain data; stored with the invoice, so that it can be printed again years later, unchanged."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from billing.rating import RatedLine, Totals, last_day
from marketplace.inventory.models import Seller
from marketplace.kernel import ids
from marketplace.kernel.clock import KST
from marketplace.kernel.money import won_text_from_micros
from marketplace.tenants.business_number import format_business_number
from marketplace.tenants.models import BillingProfile

SCHEMA: Final = 1
"""Version of the document's shape; a renderer must be able to print every version that was ever issued."""


def build_document(
    *,
    number: str,
    month: date,
    issued_at: datetime,
    seller: Seller,
    profile: BillingProfile,
    totals: Totals,
    intervals: Mapping[UUID, Mapping[str, Any]],
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
        "lines": [
            _line(line, intervals.get(line.instance_id, {}) if line.instance_id else {}) for line in totals.lines
        ],
        "supply_won": totals.supply_won,
        "vat_won": totals.vat_won,
        "total_won": totals.total_won,
        "rounding": profile.rounding,
    }


def _line(line: RatedLine, usage: Mapping[str, Any]) -> dict[str, Any]:
    if line.instance_id is None:
        return {"description": "끝수 조정", "supply_won": line.supply_won, "is_adjustment": True}
    return {
        "description": f"{usage['accelerator']} · {usage['name']}",
        "instance": ids.format_id(prefix="ins", value=line.instance_id),
        "project": usage["project"],
        "cost_centre": usage["cost_centre"],
        "site": usage["site"],
        "devices": usage["devices"],
        "period": f"{_time(usage['started_at'])} ~ {_time(usage['ended_at'])}",
        "device_seconds": line.device_seconds,
        "price_won": _grouped(won_text_from_micros(line.price_micros_per_device_hour)),
        "supply_won": line.supply_won,
        "is_adjustment": False,
    }


def _grouped(text: str) -> str:
    """`5400.5` as `5,400.5`."""
    whole, point, fraction = text.partition(".")
    return f"{int(whole):,}{point}{fraction}"


def _date(day: date) -> str:
    return f"{day.year}. {day.month}. {day.day}."


def _time(instant: datetime) -> str:
    return f"{instant.astimezone(KST):%Y-%m-%d %H:%M:%S}"
