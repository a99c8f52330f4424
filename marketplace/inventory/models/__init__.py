"""Inventory tables."""

from marketplace.inventory.models.accelerator import Accelerator, AcceleratorKind, IsolationClass, NodeSharing
from marketplace.inventory.models.assurance_document import AssuranceDocument
from marketplace.inventory.models.certification import Certification
from marketplace.inventory.models.cluster import Cluster, ClusterStatus
from marketplace.inventory.models.customer_assessment import CustomerAssessment
from marketplace.inventory.models.incident import IncidentKind, NodeIncident
from marketplace.inventory.models.maintenance import Drain, MaintenanceWindow
from marketplace.inventory.models.node import Node, NodeStock
from marketplace.inventory.models.offer import Offer, OfferAccess, OfferStatus
from marketplace.inventory.models.outage import Outage, OutageKind
from marketplace.inventory.models.outlook import Outlook
from marketplace.inventory.models.provider import Provider, Seller, SellingMode, SellingTerm
from marketplace.inventory.models.provider_key import ProviderKey
from marketplace.inventory.models.quarantine import Component, Quarantine, QuarantineKind
from marketplace.inventory.models.site import MeteredBy, Site, Zone

__all__ = [
    "Accelerator",
    "AcceleratorKind",
    "AssuranceDocument",
    "Certification",
    "Cluster",
    "ClusterStatus",
    "Component",
    "CustomerAssessment",
    "Drain",
    "IncidentKind",
    "IsolationClass",
    "MaintenanceWindow",
    "MeteredBy",
    "Node",
    "NodeIncident",
    "NodeSharing",
    "NodeStock",
    "Offer",
    "OfferAccess",
    "OfferStatus",
    "Outage",
    "OutageKind",
    "Outlook",
    "Provider",
    "ProviderKey",
    "Quarantine",
    "QuarantineKind",
    "Seller",
    "SellingMode",
    "SellingTerm",
    "Site",
    "Zone",
]
