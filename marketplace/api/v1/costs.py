"""What has been spent so far, current to the second, and by whom."""

import re
from datetime import date
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.costs import CostReport, CostRow, Dimension, report_costs
from billing.models import Charge
from billing.queries import list_charges
from billing.rating import month_of
from billing.texts import exact_won_text, explain_sum
from marketplace.api.pagination import whole
from marketplace.api.parsing import check_query, path_id
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView
from marketplace.instances.queries import get_instance
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.money import CURRENCY, won_text_from_micros
from marketplace.tenants.access import get_project

MONTH = re.compile(r"(?P<year>20[0-9]{2})-(?P<month>0[1-9]|1[0-2])")


class CostsView(ResourceView):
    """Costs."""

    @extend_schema(
        operation_id="list_costs",
        summary="Cost of a month so far, by project, cost centre, accelerator or person",
        parameters=[
            OpenApiParameter("month", str, description="YYYY-MM in Korean time; default the present one."),
            OpenApiParameter("group_by", str, enum=[item.value for item in Dimension]),
            OpenApiParameter("project", str, description="Only this project."),
        ],
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """VAT apart; what is running is in it up to the second of `as_of`, and `rate_per_hour` is what it adds."""
        check_query(request, ("month", "group_by", "project"))
        dimension = read_dimension(request.query_params.get("group_by", Dimension.PROJECT.value))
        project = request.query_params.get("project")

        def read(actor: Actor) -> dict[str, Any]:
            now = clock.now()
            report = report_costs(
                actor=actor,
                month=read_month(request.query_params.get("month", ""), default=month_of(now)),
                dimension=dimension,
                now=now,
                project_id=get_project(actor=actor, project_id=path_id("prj", project)).id if project else None,
            )
            return _report(report)

        return self.reading(request, "usage.read", read)


class InstanceChargesView(ResourceView):
    """What an instance was charged."""

    @extend_schema(
        operation_id="list_instance_charges",
        summary="Charges of an instance, each with its sum written out",
        responses=problems(dict),
    )
    def get(self, request: Request, instance_id: str) -> Response:
        """Exact sums, oldest first; rounded once on the invoice line."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            instance = get_instance(actor=actor, instance_id=path_id("ins", instance_id))
            return whole([_charge(row) for row in list_charges(actor=actor, instance_id=instance.id)])

        return self.reading(request, "usage.read", read)


def read_dimension(text: str) -> Dimension:
    """What to group by.

    Raises:
        ValidationFailed: There is no such group.
    """
    try:
        return Dimension(text)
    except ValueError as error:
        reason = _("group_by is project, cost_centre, accelerator or person.")
        raise ValidationFailed(reason=reason, pointer="?group_by") from error


def read_month(text: str, *, default: date) -> date:
    """The first day of `YYYY-MM`.

    Raises:
        ValidationFailed: Not a month.
    """
    if not text:
        return default
    found = MONTH.fullmatch(text)
    if found is None:
        raise ValidationFailed(reason=_("A month has the form 2026-11."), pointer="?month")
    return date(int(found["year"]), int(found["month"]), 1)


def _report(report: CostReport) -> dict[str, Any]:
    return {
        "month": f"{report.month:%Y-%m}",
        "group_by": report.dimension.value,
        "as_of": instant(report.total.as_of),
        "currency": CURRENCY,
        "vat": "excluded",
        "total": str(report.total.won),
        "exact_total": exact_won_text(report.total.numerator),
        "rate_per_hour": won_text_from_micros(report.total.micros_per_hour),
        "device_seconds": report.total.device_seconds,
        "days": [{"day": day.isoformat(), "exact": exact_won_text(numerator)} for day, numerator in report.days],
        **whole([_row(row) for row in report.rows]),
    }


def _row(row: CostRow) -> dict[str, Any]:
    return {
        "label": row.label or None,
        "is_unassigned": not row.label,
        "cost": str(row.won),
        "exact_cost": exact_won_text(row.numerator),
        "device_seconds": row.device_seconds,
    }


def _charge(row: Charge) -> dict[str, Any]:
    return {
        "id": public("chg", row.id),
        "kind": row.kind,
        "meter": row.meter,
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "price_version": public("prc", row.price_version_id) if row.price_version_id else None,
        "price": won_text_from_micros(row.price_micros),
        "shape": row.shape,
        "unit": row.unit,
        "unit_seconds": row.unit_seconds,
        "device_seconds": row.device_seconds,
        "exact_cost": exact_won_text(int(row.numerator)),
        "currency": CURRENCY,
        "calculation": explain_sum(row, numerator=int(row.numerator)),
    }
