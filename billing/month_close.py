"""Closing a month: usage is cut at midnight in Seoul, charges become lines, each payer gets one invoice per seller.

Each invoice is one transaction under its series row: lines, number, ledger and the marks on the charges commit together, so
the close can be killed at any step, repeated, and run twice at once; what is invoiced is not invoiced again, and numbers have
no gaps.
Usage that is found after a close becomes an adjustment invoice of the same month; the issued one never changes.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Max, Q
from django.utils.translation import gettext_lazy as _

from billing.agreements import account_payer, list_payers_with_agreements
from billing.credit import find_or_open_account, settle_account
from billing.credit.topping_up import lock_account
from billing.document import build_document
from billing.invoice_lines import describe_sources, sum_lines, write_lines
from billing.ledger import AccountKind, Posting, post
from billing.metering import list_unmetered, meter_instance
from billing.minimums import list_ended_with_minimum
from billing.models import Charge, CreditAccount, Invoice, InvoiceSeries, UsageInterval
from billing.rating import RoundingProfile, day_of, month_bounds, total
from marketplace.instances.models import Instance
from marketplace.inventory.models import Seller
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import ValidationFailed
from marketplace.tenants.models import BillingProfile
from marketplace.tenants.models.billing_profile import PaymentMode


class MonthNotOver(ValidationFailed):
    """The month still runs in Seoul; nothing is written."""

    code = "month_not_over"
    http_status = 409
    remedy = _("Close it after midnight on the first day of the next month, Korean time.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payer:
    tenant_id: UUID
    billing_profile_id: UUID
    seller_id: UUID


def close_month(*, actor: Actor, month: date, now: datetime, tenant_ids: Sequence[UUID] | None = None) -> list[Invoice]:
    """Invoice everything of a month that is not invoiced yet; the invoices issued by this call, in order of number.

    Opens its own transactions: one for each instance that is metered and one for each invoice.

    Args:
        month: Its first day.
        tenant_ids: Only these; default all.

    Raises:
        MonthNotOver: The month still runs at `now`.
    """
    start, following = month_bounds(month)
    if now < following:
        raise MonthNotOver(reason=_("The month is not over in Korean time."), pointer="/month")
    for instance_id in _instances_to_meter(actor=actor, since=start, before=following, tenant_ids=tenant_ids):
        with as_actor(actor):
            meter_instance(instance_id=instance_id, now=now)
    with as_actor(actor):
        agreed = list_payers_with_agreements(month=month, tenant_ids=tenant_ids)
    for billing_profile_id in agreed:
        with as_actor(actor):
            account_payer(billing_profile_id=billing_profile_id, until=following, today=day_of(now), months=[month])
    with as_actor(actor):
        payers = _payers(month=month, tenant_ids=tenant_ids)
    invoices = []
    for payer in payers:
        with as_actor(actor):
            invoice = _issue(actor=actor, payer=payer, month=month, now=now)
        if invoice is not None:
            invoices.append(invoice)
    return invoices


def _instances_to_meter(
    *, actor: Actor, since: datetime, before: datetime, tenant_ids: Sequence[UUID] | None
) -> list[UUID]:
    """Instances whose usage may not be written yet: with an open interval, or that ran and were touched lately."""
    with as_actor(actor):
        open_now = UsageInterval.objects.filter(
            ended_at__isnull=True, superseded_by__isnull=True, started_at__lt=before
        )
        found = [*list_unmetered(), *list_ended_with_minimum(since=since)]
        rows = Instance.objects.filter(Q(id__in=open_now.values("instance_id")) | Q(id__in=found))
        if tenant_ids is not None:
            rows = rows.filter(tenant_id__in=list(tenant_ids))
        return list(rows.order_by("id").values_list("id", flat=True))


def _payers(*, month: date, tenant_ids: Sequence[UUID] | None) -> Sequence[_Payer]:
    rows = Charge.objects.filter(month=month, invoice_line__isnull=True)
    if tenant_ids is not None:
        rows = rows.filter(tenant_id__in=list(tenant_ids))
    found = (
        rows.values_list("tenant_id", "billing_profile_id", "seller_id")
        .distinct()
        .order_by("seller_id", "tenant_id", "billing_profile_id")
    )
    return [_Payer(tenant_id=row[0], billing_profile_id=row[1], seller_id=row[2]) for row in found]


def _issue(*, actor: Actor, payer: _Payer, month: date, now: datetime) -> Invoice | None:
    """Issue one invoice in the open transaction; None when another close has just done it."""
    profile = BillingProfile.objects.select_related("tenant").get(id=payer.billing_profile_id)
    account = None
    if profile.payment_mode == PaymentMode.PREPAID:
        # Locked before the series, as everywhere.
        account = lock_account(find_or_open_account(billing_profile=profile, seller_id=payer.seller_id, now=now).id)
    InvoiceSeries.objects.get_or_create(seller_id=payer.seller_id, month=month)
    series = InvoiceSeries.objects.select_for_update(no_key=True).get(seller_id=payer.seller_id, month=month)
    charges = Charge.objects.filter(
        month=month,
        invoice_line__isnull=True,
        tenant_id=payer.tenant_id,
        billing_profile_id=payer.billing_profile_id,
        seller_id=payer.seller_id,
    )
    inputs = sum_lines(charges)
    if not inputs:
        return None
    seller = Seller.objects.get(id=payer.seller_id)
    totals = total(lines=inputs, rounding=RoundingProfile(profile.rounding))
    issued = Invoice.objects.filter(billing_profile=profile, seller=seller, month=month).aggregate(last=Max("sequence"))
    series.last_number += 1
    series.save(update_fields=["last_number"])
    number = f"{month:%Y%m}-{seller.business_number[-5:]}-{series.last_number:06d}"
    document = build_document(
        number=number, month=month, issued_at=now, seller=seller, profile=profile, totals=totals,
        sources=describe_sources(charges),
    )  # fmt: skip
    invoice = Invoice.objects.create(
        tenant_id=payer.tenant_id,
        billing_profile=profile,
        seller=seller,
        month=month,
        sequence=(issued["last"] or 0) + 1,
        number=number,
        supply_won=totals.supply_won,
        vat_won=totals.vat_won,
        total_won=totals.total_won,
        payment_mode=profile.payment_mode,
        document=document,
        document_hash=hash_document(document),
        issued_at=now,
    )
    write_lines(invoice=invoice, totals=totals, printed=document["lines"], charges=charges)
    _post(invoice)
    if account is not None:
        _pay_from_credit(invoice, account, now=now)
    record_act(
        actor=actor, action="invoice.issued", object_type="inv", object_id=invoice.id, tenant_id=payer.tenant_id, now=now,
        changes={"number": number, "total_won": totals.total_won},
    )  # fmt: skip
    return invoice


def _post(invoice: Invoice) -> None:
    if invoice.supply_won == 0 and invoice.vat_won == 0:
        return
    post(
        tenant_id=invoice.tenant_id,
        seller_id=invoice.seller_id,
        key=f"invoice:{invoice.id}",
        postings=[
            Posting(kind=AccountKind.RECEIVABLE, amount_won=invoice.total_won),
            Posting(kind=AccountKind.REVENUE, amount_won=-invoice.supply_won),
            Posting(kind=AccountKind.VAT_PAYABLE, amount_won=-invoice.vat_won),
        ],
        occurred_at=invoice.issued_at,
    )


def _pay_from_credit(invoice: Invoice, account: CreditAccount, *, now: datetime) -> None:
    """Post the month's last difference, so that what was settled is what was invoiced, and pay the invoice with it.

    What was used beyond the credit was settled too: it is a debt of the account, which the next top-up covers.
    """
    settle_account(account_id=account.id, key=f"settle:{account.id}:invoice:{invoice.id}", now=now)
    if invoice.total_won == 0:
        return
    post(
        tenant_id=invoice.tenant_id,
        seller_id=invoice.seller_id,
        key=f"pay:{invoice.id}",
        postings=[
            Posting(kind=AccountKind.SETTLED, amount_won=invoice.supply_won),
            Posting(kind=AccountKind.CREDIT_VAT, amount_won=invoice.vat_won),
            Posting(kind=AccountKind.RECEIVABLE, amount_won=-invoice.total_won),
        ],
        occurred_at=invoice.issued_at,
    )


def hash_document(document: dict[str, Any]) -> bytes:
    """SHA-256 of the document in canonical form: sorted members, no spaces, UTF-8."""
    canonical = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()
