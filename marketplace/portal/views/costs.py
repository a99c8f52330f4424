"""Cost: so far, by day, and by project, cost centre, accelerator or person; as a page and as CSV."""

import csv
import io
from datetime import date
from typing import Final

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from billing.agreements.reading import list_own_agreements
from billing.costs import CostReport, Dimension, report_costs
from billing.rating import month_before, month_of
from billing.texts import exact_won_text
from marketplace.kernel import clock
from marketplace.kernel.csv_cells import neutralise
from marketplace.kernel.money import format_won, won_from_numerator
from marketplace.portal.page import Page, member_page
from marketplace.portal.plots import HEIGHT, WIDTH, draw_bars

MONTHS_SHOWN: Final = 13


@require_GET
@member_page("costs")
def costs(page: Page) -> HttpResponse:
    """The month so far with its days, and the groups; every choice is in the URL."""
    report = _report(page)
    bars = draw_bars(
        [(str(day.day), numerator, format_won(won_from_numerator(numerator))) for day, numerator in report.days]
    )
    highest = max((row.numerator for row in report.rows), default=0)
    rows = [{"row": row, "width": max(0, row.numerator) * 100 // highest if highest > 0 else 0} for row in report.rows]
    now = clock.now()
    return page.render(
        "costs.html",
        report=report,
        agreed=list_own_agreements(actor=page.actor, now=now),
        rows=rows,
        bars=bars,
        plot_width=WIDTH,
        plot_height=HEIGHT,
        months=_list_months(month_of(now)),
        dimensions=[(item.value, _label(item)) for item in Dimension],
        dimension_label=_label(report.dimension),
        is_present=report.month == month_of(now),
        days=[(day, won_from_numerator(numerator)) for day, numerator in report.days],
    )


@require_GET
@member_page("costs")
def costs_csv(page: Page) -> HttpResponse:
    """The same report for a spreadsheet: exact won, device-hours in seconds, no cell that a spreadsheet would run."""
    report = _report(page)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_("Month"), _label(report.dimension), _("Device-seconds"), _("Cost in won, VAT excluded")])
    for row in report.rows:
        label = neutralise(row.label or _("Unassigned"))
        writer.writerow([f"{report.month:%Y-%m}", label, row.device_seconds, exact_won_text(row.numerator).rstrip("…")])
    headers = {
        "Content-Disposition": f'attachment; filename="costs-{report.month:%Y-%m}-{report.dimension.value}.csv"',
        "Cache-Control": "private, no-store",
    }
    # The mark at the beginning tells spreadsheets that it is UTF-8.
    return HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def _report(page: Page) -> CostReport:
    now = clock.now()
    wanted = page.request.GET.get("by", "")
    return report_costs(
        actor=page.actor,
        month=_month(page.request.GET.get("month", ""), month_of(now)),
        dimension=Dimension(wanted) if wanted in set(Dimension) else Dimension.PROJECT,
        now=now,
    )


def _month(text: str, default: date) -> date:
    return next((month for month in _list_months(default) if f"{month:%Y-%m}" == text), default)


def _list_months(present: date) -> list[date]:
    months = [present]
    while len(months) < MONTHS_SHOWN:
        months.append(month_before(months[-1]))
    return months


def _label(dimension: Dimension) -> str:
    return {
        Dimension.PROJECT: _("Project"),
        Dimension.COST_CENTRE: _("Cost centre"),
        Dimension.ACCELERATOR: _("Accelerator"),
        Dimension.PERSON: _("Person"),
    }[dimension]
