"""Money in the operator's console: read only."""

from django.contrib import admin

from billing.models import Charge, Invoice, LedgerPosting, LedgerTransaction, PriceVersion, UsageInterval
from marketplace.kernel.records import RecordAdmin


@admin.register(PriceVersion)
class PriceVersionAdmin(RecordAdmin):
    """Dated prices."""

    list_display = ("offer", "price_micros_per_device_hour", "currency", "effective_from", "effective_to")
    list_select_related = ("offer",)
    ordering = ("offer", "-effective_from")


@admin.register(UsageInterval)
class UsageIntervalAdmin(RecordAdmin):
    """When devices were used."""

    list_display = (
        "instance", "meter", "kind", "reason", "quantity", "started_at", "ended_at", "clock_skew_ms", "superseded_by",
    )  # fmt: skip
    list_select_related = ("instance",)
    list_filter = ("kind", "reason", "meter")
    ordering = ("-id",)


@admin.register(Charge)
class ChargeAdmin(RecordAdmin):
    """Exact prices of closed intervals."""

    list_display = ("instance", "month", "device_seconds", "price_micros_per_device_hour", "numerator", "invoice_line")
    list_select_related = ("instance", "invoice_line")
    ordering = ("-id",)


@admin.register(Invoice)
class InvoiceAdmin(RecordAdmin):
    """Issued invoices."""

    list_display = ("number", "tenant", "seller", "month", "supply_won", "vat_won", "total_won", "issued_at")
    list_select_related = ("tenant", "seller")
    list_filter = ("month", "seller")
    search_fields = ("number",)
    ordering = ("-id",)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(RecordAdmin):
    """Balanced transactions."""

    list_display = ("key", "occurred_at", "recorded_at")
    search_fields = ("key",)
    ordering = ("-id",)


@admin.register(LedgerPosting)
class LedgerPostingAdmin(RecordAdmin):
    """Their sides."""

    list_display = ("transaction", "account", "amount_won")
    list_select_related = ("transaction", "account")
    ordering = ("-id",)
