"""Invoices."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import Invoice
from billing.queries import get_invoice, list_invoices, render_invoice_pdf
from marketplace.api.pagination import PARAMETERS, paginate
from marketplace.api.parsing import check_query, path_id
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView, actor_of
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.money import won_text_from_micros


class InvoicesView(ResourceView):
    """The tenant's invoices."""

    @extend_schema(
        operation_id="list_invoices",
        summary="List invoices, newest first",
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("cursor", str)],
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """One page, without lines."""
        check_query(request, PARAMETERS)
        return self.reading(
            request, "invoices.read", lambda actor: paginate(request, list_invoices(actor=actor), render_invoice)
        )


class InvoiceView(ResourceView):
    """One invoice."""

    @extend_schema(operation_id="get_invoice", summary="Read an invoice with its lines", responses=problems(dict))
    def get(self, request: Request, invoice_id: str) -> Response:
        """Supply value, VAT and total in won; they add up."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            invoice = get_invoice(actor=actor, invoice_id=path_id("inv", invoice_id))
            return {**render_invoice(invoice), "lines": [_line(line) for line in invoice.lines.all()]}

        return self.reading(request, "invoices.read", read)


class InvoicePdfView(ResourceView):
    """The document."""

    @extend_schema(
        operation_id="get_invoice_pdf", summary="The invoice as PDF", responses={(200, "application/pdf"): bytes}
    )
    def get(self, request: Request, invoice_id: str) -> HttpResponse:
        """Rendered from the stored document, so that it never changes."""
        check_query(request, ())
        actor = actor_of(request)
        with as_actor(actor):
            name, content = render_invoice_pdf(actor=actor, invoice_id=path_id("inv", invoice_id))
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(content, content_type="application/pdf", headers=headers)


def render_invoice(row: Invoice) -> dict[str, Any]:
    """An invoice without its lines."""
    return {
        "id": public("inv", row.id),
        "number": row.number,
        "month": f"{row.month:%Y-%m}",
        "seller": row.seller.legal_name,
        "billing_profile": public("bil", row.billing_profile_id),
        "supply_value": str(row.supply_won),
        "vat": str(row.vat_won),
        "total": str(row.total_won),
        "currency": row.currency,
        "issued_at": instant(row.issued_at),
    }


def _line(row: Any) -> dict[str, Any]:
    return {
        "position": row.position,
        "instance": public("ins", row.instance_id),
        "description": row.description,
        "device_seconds": row.device_seconds,
        "price_per_device_hour": won_text_from_micros(row.price_micros_per_device_hour),
        "supply_value": str(row.supply_won),
        "currency": "KRW",
    }
