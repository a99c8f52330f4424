"""Reads of usage and invoices for faces, scoped by actor."""

from uuid import UUID

from django.db.models import QuerySet

from billing.models import Charge, Invoice, UsageInterval
from billing.pdf import render_invoice
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound
from marketplace.tenants.access import require_permission


def list_invoices(*, actor: Actor) -> QuerySet[Invoice]:
    """The tenant's invoices, newest first.

    Raises:
        Forbidden: The actor may not read invoices.
    """
    require_permission(actor=actor, permission="invoices.read")
    rows = Invoice.objects.filter(tenant_id=actor.tenant_scope).select_related("seller", "billing_profile")
    if actor.project_ids is not None:
        rows = rows.filter(billing_profile__projects__id__in=actor.project_ids).distinct()
    return rows.order_by("-id")


def get_invoice(*, actor: Actor, invoice_id: UUID) -> Invoice:
    """One invoice with its lines prefetched.

    Raises:
        NotFound: Unknown or not the actor's.
    """
    invoice = list_invoices(actor=actor).prefetch_related("lines").filter(id=invoice_id).first()
    if invoice is None:
        raise NotFound
    return invoice


def render_invoice_pdf(*, actor: Actor, invoice_id: UUID) -> tuple[str, bytes]:
    """File name and PDF of one invoice, from its stored document.

    Raises:
        NotFound: Unknown or not the actor's.
        FontMissing: The installation lacks the font.
    """
    invoice = get_invoice(actor=actor, invoice_id=invoice_id)
    return f"invoice-{invoice.number}.pdf", render_invoice(invoice.document)


def list_usage(*, actor: Actor, instance_id: UUID) -> QuerySet[UsageInterval]:
    """The instance's usage intervals that stand, oldest first; row-level security keeps other tenants' out."""
    require_permission(actor=actor, permission="usage.read")
    rows = UsageInterval.objects.filter(
        tenant_id=actor.tenant_scope, instance_id=instance_id, superseded_by__isnull=True
    ).select_related("term")
    if actor.project_ids is not None:
        rows = rows.filter(instance__project_id__in=actor.project_ids)
    return rows.order_by("started_at")


def list_charges(*, actor: Actor, instance_id: UUID) -> QuerySet[Charge]:
    """What the instance was charged, oldest first."""
    require_permission(actor=actor, permission="usage.read")
    rows = Charge.objects.filter(tenant_id=actor.tenant_scope, instance_id=instance_id)
    if actor.project_ids is not None:
        rows = rows.filter(instance__project_id__in=actor.project_ids)
    return rows.order_by("started_at", "id")
