"""Prices of a book as a file: read whole, or refused row by row."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from billing.models import PricePlan, PriceUnit
from billing.price_books.writing import ENTRIES_MAX
from billing.prices import PriceDraft, check_draft
from marketplace.inventory.models import Offer, Site
from marketplace.kernel import ids
from marketplace.kernel.errors import OndolError
from marketplace.kernel.money import SECONDS_PER_HOUR, micros_from_won_text

BYTES_MAX: Final = 1 << 20
COLUMNS: Final = (
    "offer", "storage_site", "plan", "shape", "unit", "unit_devices", "price", "held_price", "minimum_hours",
    "minimum_charge", "sector", "organization",
)  # fmt: skip
"""`offer` and `storage_site` are codes, one of both; prices are won, VAT apart; empty cells take the usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """Why a row cannot be used; rows are counted from 1 below the header."""

    number: int
    message: str


def read_entries(text: str) -> tuple[list[PriceDraft], list[RowError]]:
    """The file's prices, and what is wrong with those that cannot be used."""
    rows = csv.DictReader(io.StringIO(text))
    unknown = [name for name in rows.fieldnames or () if name not in COLUMNS]
    if unknown or "price" not in (rows.fieldnames or ()):
        columns = ", ".join(COLUMNS)
        return [], [RowError(number=0, message=_("The columns are %(columns)s.") % {"columns": columns})]
    offers = dict(Offer.objects.values_list("code", "id"))
    sites = dict(Site.objects.values_list("code", "id"))
    drafts: list[PriceDraft] = []
    errors: list[RowError] = []
    for number, row in enumerate(rows, start=1):
        if number > ENTRIES_MAX:
            errors.append(RowError(number=number, message=_("A book has at most 2,000 prices.")))
            break
        try:
            cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
            draft = read_draft(cells, offers=offers, sites=sites)
            check_draft(draft)
            drafts.append(draft)
        except OndolError as error:
            errors.append(RowError(number=number, message=error.message()))
        except (ValueError, KeyError) as error:
            message = _("%(what)s cannot be read.") % {"what": str(error).strip("'")[:80]}
            errors.append(RowError(number=number, message=message))
    return drafts, errors


def read_draft(cells: Mapping[str, str], *, offers: Mapping[str, UUID], sites: Mapping[str, UUID]) -> PriceDraft:
    """One price from the texts of a row or a form.

    Raises:
        ValueError, KeyError: A cell that is no amount, number or code; the message has its text.
        MalformedId: An organization that is no id.
    """
    is_storage = bool(cells["storage_site"])
    plan = cells["plan"] or PricePlan.ON_DEMAND.value
    unit = cells["unit"] or (PriceUnit.GIB.value if is_storage else PriceUnit.DEVICE.value)
    return PriceDraft(
        offer_id=offers[cells["offer"]] if cells["offer"] else None,
        site_id=sites[cells["storage_site"]] if is_storage else None,
        plan=plan,
        shape=cells["shape"] or ("monthly" if plan == PricePlan.MONTHLY else "hourly"),
        unit=unit,
        unit_devices=whole(cells["unit_devices"] or "1"),
        price_micros=micros(cells["price"]),
        held_price_micros=micros(cells["held_price"]) if cells["held_price"] else None,
        minimum_s=whole(cells["minimum_hours"] or "0") * SECONDS_PER_HOUR,
        minimum_won=whole(cells["minimum_charge"] or "0"),
        sector=cells["sector"],
        tenant_id=ids.parse_id(prefix="ten", text=cells["organization"]) if cells["organization"] else None,
    )


def micros(text: str) -> int:
    """Won with at most six decimals as micros; separators of thousands are allowed.

    Raises:
        ValueError: Not an amount; the message is the text.
    """
    try:
        return micros_from_won_text(text.replace(",", ""))
    except ValueError as error:
        raise ValueError(text) from error


def whole(text: str) -> int:
    """A whole number.

    Raises:
        ValueError: Fractional, negative or no number; the message is the text.
    """
    digits = text.replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        raise ValueError(text)
    return int(digits)
