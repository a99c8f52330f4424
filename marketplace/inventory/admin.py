"""The market's side in the operator's console."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import (
    Accelerator,
    Certification,
    Cluster,
    Node,
    NodeStock,
    Offer,
    Provider,
    Seller,
    SellingTerm,
    Site,
)
from marketplace.kernel.records import RecordAdmin


@admin.register(Provider)
class ProviderAdmin(RecordAdmin):
    """Providers."""

    list_display = ("code", "name_ko", "name_en", "operator_nationality")


@admin.register(Seller)
class SellerAdmin(RecordAdmin):
    """Legal entities that supply."""

    list_display = ("legal_name", "business_number")


@admin.register(SellingTerm)
class SellingTermAdmin(RecordAdmin):
    """Who sells a provider's capacity, and how, from when on."""

    list_display = ("provider", "mode", "seller", "effective_from", "effective_to")
    list_select_related = ("provider", "seller")


@admin.register(Site)
class SiteAdmin(RecordAdmin):
    """Sites."""

    list_display = ("code", "name_ko", "provider", "jurisdiction", "zone", "is_network_separated")
    list_select_related = ("provider",)
    list_filter = ("zone",)


@admin.register(Certification)
class CertificationAdmin(RecordAdmin):
    """Certificates by end of validity."""

    list_display = ("scheme", "level", "document_number", "site", "provider", "valid_from", "valid_to", "revoked_at")
    list_select_related = ("scheme", "site", "provider")
    list_filter = ("scheme",)
    ordering = ("valid_to",)


@admin.register(Cluster)
class ClusterAdmin(RecordAdmin):
    """Clusters and when they were last seen."""

    list_display = ("name", "site", "status", "version", "last_seen_at", "identity")
    list_select_related = ("site",)
    list_filter = ("status",)


@admin.register(Accelerator)
class AcceleratorAdmin(RecordAdmin):
    """The catalogue."""

    list_display = ("code", "vendor", "model", "kind", "memory_mib", "isolation_class", "resource_name")
    list_filter = ("kind", "vendor", "isolation_class")
    search_fields = ("code", "model", "resource_name")


@admin.register(Node)
class NodeAdmin(RecordAdmin):
    """Nodes as last observed."""

    list_display = ("name", "cluster", "is_ready", "is_schedulable", "driver_version", "observed_at", "removed_at")
    list_select_related = ("cluster",)
    list_filter = ("cluster", "is_ready", "is_schedulable")
    search_fields = ("name",)


@admin.register(NodeStock)
class NodeStockAdmin(RecordAdmin):
    """Capacity: what each node has, what others use, what is promised, what is free."""

    list_display = (
        "node", "accelerator", "capacity_devices", "allocatable_devices", "foreign_devices", "allocated_devices",
        "show_free_devices", "observed_at",
    )  # fmt: skip
    list_select_related = ("node", "accelerator")
    list_filter = ("node__cluster", "accelerator")

    @admin.display(description=_("Free"))
    def show_free_devices(self, stock: NodeStock) -> int:
        """Devices that can be promised now."""
        return stock.free_devices


@admin.register(Offer)
class OfferAdmin(RecordAdmin):
    """What is on sale."""

    list_display = ("code", "accelerator", "site", "devices_max", "status")
    list_select_related = ("accelerator", "site")
    list_filter = ("status", "site")
