"""A month's usage by its three kinds: metered, excused, unknown."""

from datetime import date, datetime, timedelta
from typing import Any, Final

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from billing.metering.texts import describe_amount, describe_meter
from billing.rating import month_bounds, month_of
from billing.usage_file import write_usage
from billing.usage_queries import (
    KindSums,
    MeterUsage,
    UsageFilter,
    iterate_parts,
    list_unpaid_parts,
    read_month_usage,
    read_other_meters,
)
from marketplace.kernel import clock
from marketplace.kernel.days import parse_day
from marketplace.portal.page import Page, member_page

INSTANCES_PER_PAGE: Final = 50
REASONS_SHOWN_MAX: Final = 100
BAR_WIDTH: Final = 1_000
KINDS: Final = ("metered", "excused", "unknown")


@require_GET
@member_page("usage")
def usage(page: Page) -> HttpResponse:
    """Sums, the bar, instances, and why time was not charged."""
    now = clock.now()
    month, number = _read_month(page, now), _read_page(page)
    found = read_month_usage(
        actor=page.actor, month=month, now=now, limit=INSTANCES_PER_PAGE, offset=(number - 1) * INSTANCES_PER_PAGE
    )
    before = month_of(month_bounds(month)[0] - timedelta(seconds=1))
    after = month_of(month_bounds(month)[1])
    return page.render(
        "usage.html",
        found=found,
        bars=_bars(found.sums),
        meters=[_meter_row(row) for row in read_other_meters(actor=page.actor, month=month, now=now)],
        parts=list_unpaid_parts(actor=page.actor, month=month, now=now, limit=REASONS_SHOWN_MAX),
        number=number,
        before=before,
        after=after if after <= month_of(now) else None,
    )


@require_GET
@member_page("usage")
def usage_csv(page: Page) -> HttpResponse:
    """Every interval of the month, for a spreadsheet."""
    now = clock.now()
    month = _read_month(page, now)
    since, until = month_bounds(month)
    parts = iterate_parts(actor=page.actor, wanted=UsageFilter(since=since, until=until), now=now)
    headers = {"Content-Disposition": f'attachment; filename="usage-{month:%Y-%m}.csv"', "Cache-Control": "no-store"}
    return HttpResponse(write_usage(parts), content_type="text/csv; charset=utf-8", headers=headers)


def _meter_row(row: MeterUsage) -> dict[str, str]:
    """A meter and its three sums in words."""
    return {
        "title": describe_meter(row.meter),
        **{kind: describe_amount(meter=row.meter, amount=getattr(row.sums, kind)) for kind in KINDS},
    }


def _bars(sums: KindSums) -> list[dict[str, Any]]:
    """The bar's pieces, in thousandths that add up to its width; a kind that is there is never thinner than 4."""
    named = (
        (_("Metered"), "metered", sums.metered),
        (_("Excused"), "excused", sums.excused),
        (_("Unknown"), "unknown", sums.unknown),
    )
    widths = {
        kind: max(4, seconds * BAR_WIDTH // sums.total) if seconds else 0
        for _title, kind, seconds in named
        if sums.total
    }
    if widths:
        largest = max(widths, key=lambda kind: widths[kind])
        widths[largest] += BAR_WIDTH - sum(widths.values())
    bars: list[dict[str, Any]] = []
    left = 0
    for title, kind, seconds in named:
        width = widths.get(kind, 0)
        bars.append({"title": title, "kind": kind, "seconds": seconds, "x": left, "width": width})
        left += width
    return bars


def _read_month(page: Page, now: datetime) -> date:
    text = page.request.GET.get("month", "")
    if not text:
        return month_of(now)
    return parse_day(text=f"{text}-01", pointer="?month")


def _read_page(page: Page) -> int:
    text = page.request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 10_000 else 1
