"""Reads of usage and invoices for faces, scoped by actor."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet, Sum

from billing.metering.meters import Meter
from billing.models import Charge, Invoice, UsageInterval, UsageKind
from billing.pdf import render_invoice
from billing.rating import month_bounds, month_of
from marketplace.instances.models import Instance
from marketplace.kernel.actors import Actor
from marketplace.kernel.clock import seconds_between
from marketplace.kernel.errors import NotFound
from marketplace.kernel.money import won_from_numerator
from marketplace.tenants.access import require_permission


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCost:
    """What an instance has cost so far.

    Attributes:
        numerator: Exact; closed intervals and the open one up to `as_of`.
        numerator_per_second: How much is added each second while it runs; 0 when it does not.
    """

    numerator: int
    numerator_per_second: int
    device_seconds: int
    as_of: datetime

    @property
    def won(self) -> int:
        """Rounded for showing; the invoice rounds once per line."""
        return won_from_numerator(self.numerator)


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


def read_running_cost(*, actor: Actor, instance: Instance, now: datetime) -> RunningCost:
    """What an instance has cost up to `now`; two queries.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    charged = Charge.objects.filter(tenant_id=actor.tenant_scope, instance=instance).aggregate(
        exact=Sum("numerator"), seconds=Sum("device_seconds")
    )
    numerator, seconds, per_second = int(charged["exact"] or 0), int(charged["seconds"] or 0), 0
    for row in list_usage(actor=actor, instance_id=instance.id).filter(
        ended_at__isnull=True, kind=UsageKind.METERED, meter=Meter.DEVICE
    ):
        running = row.quantity * max(0, seconds_between(start=row.started_at, end=now))
        per_second += row.agreed_price_micros * row.quantity
        numerator += row.agreed_price_micros * running
        seconds += running
    return RunningCost(numerator=numerator, numerator_per_second=per_second, device_seconds=seconds, as_of=now)


def read_month_to_date(*, actor: Actor, now: datetime) -> RunningCost:
    """What the tenant's instances have cost since the month began in Seoul, VAT apart; two queries.

    Raises:
        Forbidden: The actor may not read usage.
    """
    require_permission(actor=actor, permission="usage.read")
    month = month_of(now)
    start, _following = month_bounds(month)
    charges = Charge.objects.filter(tenant_id=actor.tenant_scope, month=month)
    running = UsageInterval.objects.filter(
        tenant_id=actor.tenant_scope,
        ended_at__isnull=True,
        superseded_by__isnull=True,
        kind=UsageKind.METERED,
        meter=Meter.DEVICE,
    ).select_related("term")
    if actor.project_ids is not None:
        charges = charges.filter(instance__project_id__in=actor.project_ids)
        running = running.filter(instance__project_id__in=actor.project_ids)
    charged = charges.aggregate(exact=Sum("numerator"), seconds=Sum("device_seconds"))
    numerator, seconds, per_second = int(charged["exact"] or 0), int(charged["seconds"] or 0), 0
    for row in running:
        so_far = row.quantity * max(0, seconds_between(start=max(start, row.started_at), end=now))
        per_second += row.agreed_price_micros * row.quantity
        numerator += row.agreed_price_micros * so_far
        seconds += so_far
    return RunningCost(numerator=numerator, numerator_per_second=per_second, device_seconds=seconds, as_of=now)
