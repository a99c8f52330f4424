"""Invoices."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from billing.queries import get_invoice, list_invoices, render_invoice_pdf
from marketplace.kernel import ids
from marketplace.kernel.errors import NotFound
from marketplace.portal.page import Page, member_page

INVOICES_SHOWN_MAX = 60


@require_GET
@member_page("billing")
def invoice_list(page: Page) -> HttpResponse:
    """Five years of monthly invoices fit on a page."""
    return page.render("invoices.html", invoices=list(list_invoices(actor=page.actor)[:INVOICES_SHOWN_MAX]))


@require_GET
@member_page("billing")
def invoice_detail(page: Page, invoice_id: str) -> HttpResponse:
    """Lines and sums, as issued."""
    return page.render("invoice.html", invoice=get_invoice(actor=page.actor, invoice_id=_parse(invoice_id)))


@require_GET
@member_page("billing")
def invoice_pdf(page: Page, invoice_id: str) -> HttpResponse:
    """The document."""
    name, content = render_invoice_pdf(actor=page.actor, invoice_id=_parse(invoice_id))
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _parse(invoice_id: str) -> UUID:
    try:
        return ids.parse_id(prefix="inv", text=invoice_id)
    except ids.MalformedId as error:
        raise NotFound from error
