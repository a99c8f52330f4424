"""The console's side bar: pages in the order of an operator's day, then records by app."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PAGES: Final[tuple[tuple[Promise, str, str], ...]] = (
    (_("Overview"), "dashboard", "console:overview"),
    (_("Queue"), "hourglass_top", "console:queue"),
    (_("Capacity"), "grid_view", "console:capacity"),
    (_("Quarantine"), "report", "console:quarantines"),
    (_("Installed versions"), "deployed_code_history", "console:versions"),
    (_("Maintenance"), "construction", "console:maintenance"),
    (_("Offers"), "sell", "console:offers"),
    (_("Quota requests"), "inbox", "console:quota-inbox"),
    (_("Quotas"), "account_tree", "console:quotas"),
    (_("Limits by file"), "upload_file", "console:quota-file"),
    (_("Certificates"), "verified_user", "console:certificates"),
    (_("Assessments by customers"), "fact_check", "console:assessments"),
    (_("Data classes and rules"), "policy", "console:rules"),
    (_("Unknown time"), "help_clinic", "console:unknown-time"),
    (_("Self-metering sites"), "speed", "console:self-metering"),
    (_("Price book"), "sell", "console:prices"),
    (_("Commitments and discounts"), "handshake", "console:agreements"),
    (_("Credit"), "account_balance_wallet", "console:credit"),
    (_("Ledger"), "menu_book", "console:ledger"),
)
"""Title, Material symbol, route."""


APPS: Final[Mapping[str, Promise]] = {
    "tenants": _("Organizations"),
    "accounts": _("People"),
    "inventory": _("Market"),
    "sovereignty": _("Data and assurance"),
    "quotas": _("Quotas"),
    "instances": _("Instances"),
    "billing": _("Billing"),
    "clusters": _("Clusters"),
    "kernel": _("Audit and processes"),
}
"""Groups of records, in this order; others follow under their own names."""

RECORDS: Final[Mapping[str, Promise]] = {
    "Tenant": _("Organizations"),
    "Project": _("Projects"),
    "BillingProfile": _("Billing profiles"),
    "Membership": _("Members"),
    "ApiKey": _("API keys"),
    "User": _("People"),
    "Provider": _("Providers"),
    "Seller": _("Sellers"),
    "SellingTerm": _("Selling terms"),
    "Site": _("Sites"),
    "Certification": _("Certificates"),
    "Cluster": _("Clusters"),
    "Accelerator": _("Accelerators"),
    "Node": _("Nodes"),
    "NodeStock": _("Stock"),
    "Offer": _("Offers"),
    "AssuranceScheme": _("Assurance schemes"),
    "DataClass": _("Data classes"),
    "DataClassRule": _("Rules of data classes"),
    "Quota": _("Quotas"),
    "Instance": _("Instances"),
    "Allocation": _("Allocations"),
    "Transition": _("Transitions"),
    "PlacementDecision": _("Placement decisions"),
    "PriceVersion": _("Price versions"),
    "UsageInterval": _("Usage intervals"),
    "Charge": _("Charges"),
    "Invoice": _("Invoices"),
    "LedgerTransaction": _("Ledger transactions"),
    "LedgerPosting": _("Ledger postings"),
    "AuditEntry": _("Audit log"),
    "Lease": _("Active processes"),
}
"""What the side bar calls a list of records."""


def read_navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups for django-unfold; it asks for them at each page."""
    pages = {
        "title": _("Operations"),
        "items": [{"title": title, "icon": icon, "link": reverse(route)} for title, icon, route in PAGES],
    }
    return [pages, *_list_records(request)]


def _list_records(request: HttpRequest) -> Iterator[dict[str, Any]]:
    order = {label: position for position, label in enumerate(APPS)}
    apps = sorted(admin.site.get_app_list(request), key=lambda app: order.get(app["app_label"], len(order)))
    for app in apps:
        yield {
            "title": APPS.get(app["app_label"], app["name"]),
            "collapsible": True,
            "items": [
                {"title": RECORDS.get(model["object_name"], model["name"]), "link": model["admin_url"]}
                for model in app["models"]
            ],
        }
