"""Reads of sites, offers and stock as plain data for rules and placement, and as rows for faces."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from marketplace.inventory.models import (
    Accelerator,
    AssuranceDocument,
    Certification,
    CustomerAssessment,
    NodeStock,
    Offer,
    OfferStatus,
    Outlook,
    Provider,
    SellingTerm,
    Site,
)
from marketplace.kernel.actors import Actor
from marketplace.sovereignty.rules import Assessment, Certificate, SiteFacts


def list_accelerators() -> QuerySet[Accelerator]:
    """The catalogue, by vendor and model."""
    return Accelerator.objects.order_by("vendor", "model", "code")


def list_sites() -> QuerySet[Site]:
    """Every site with its provider, by code."""
    return Site.objects.select_related("provider").order_by("code")


def list_offers_on_sale() -> QuerySet[Offer]:
    """Active offers with accelerator, site and provider, by code."""
    return (
        Offer.objects.filter(status=OfferStatus.ACTIVE)
        .select_related("accelerator", "site", "site__provider")
        .order_by("code")
    )


def read_site_facts(*, site_ids: Iterable[UUID] | None = None) -> Mapping[UUID, SiteFacts]:
    """Sites as the sovereignty rules see them, each with its own and its provider's certificates (also ended and revoked ones).

    Two queries for any number of sites.
    """
    sites = Site.objects.select_related("provider")
    if site_ids is not None:
        sites = sites.filter(id__in=list(site_ids))
    by_site: defaultdict[UUID, list[Certificate]] = defaultdict(list)
    by_provider: defaultdict[UUID, list[Certificate]] = defaultdict(list)
    for row in Certification.objects.select_related("scheme").order_by("id"):
        certificate = Certificate(
            id=row.id,
            scheme=row.scheme.code,
            level=row.level,
            document_number=row.document_number,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            revoked_at=row.revoked_at,
        )
        if row.site_id is not None:
            by_site[row.site_id].append(certificate)
        elif row.provider_id is not None:
            by_provider[row.provider_id].append(certificate)
    return {
        site.id: SiteFacts(
            site_id=site.id,
            code=site.code,
            jurisdiction=site.jurisdiction,
            operator_nationality=site.provider.operator_nationality,
            zone=site.zone,
            is_network_separated=site.is_network_separated,
            provider_id=site.provider_id,
            provider=site.provider.code,
            reserved_sectors=tuple(site.reserved_sectors),
            certificates=(*by_site[site.id], *by_provider[site.provider_id]),
        )
        for site in sites
    }


def read_selling_terms(*, provider_ids: Iterable[UUID], now: datetime) -> Mapping[UUID, SellingTerm]:
    """The selling term in force for each provider, with its seller; a provider without one sells nothing."""
    rows = list_selling_terms().filter(
        Q(effective_to__isnull=True) | Q(effective_to__gt=now),
        provider_id__in=list(provider_ids),
        effective_from__lte=now,
    )
    return {row.provider_id: row for row in rows}


def list_selling_terms() -> QuerySet[SellingTerm]:
    """The selling terms of every provider, also past and coming ones, each with its seller."""
    return SellingTerm.objects.select_related("seller").order_by("provider_id", "effective_from")


def count_nodes_of_largest_cluster(*, offer_ids: Iterable[UUID], devices: int) -> int:
    """The most nodes that one cluster has for one of the offers, each with so many devices, whatever is free; one query.

    A node counts when it also has the processors and memory that the offer gives with the devices.
    """
    rows = NodeStock.objects.filter(
        node__removed_at__isnull=True,
        capacity_devices__gte=devices,
        accelerator__offers__id__in=list(offer_ids),
        accelerator__offers__site_id=F("node__cluster__site_id"),
        node__allocatable_cpu_millis__gte=F("accelerator__offers__cpu_millis_per_device") * devices,
        node__allocatable_memory_mib__gte=F("accelerator__offers__memory_mib_per_device") * devices,
    )
    counted = rows.values("node__cluster_id", "accelerator__offers__id").annotate(nodes=Count("id")).order_by("-nodes")
    found = counted.values_list("nodes", flat=True).first()
    return found or 0


def read_assessments(*, tenant_ids: Iterable[UUID]) -> Mapping[UUID, tuple[Assessment, ...]]:
    """Each tenant's own assessments of providers (also overdue and withdrawn ones) as the rules see them; one query."""
    found: defaultdict[UUID, list[Assessment]] = defaultdict(list)
    rows = CustomerAssessment.objects.filter(tenant_id__in=list(tenant_ids)).select_related("scheme").order_by("id")
    for row in rows:
        found[row.tenant_id].append(
            Assessment(
                id=row.id,
                scheme=row.scheme.code,
                provider_id=row.provider_id,
                project_id=row.project_id,
                review_number=row.review_number,
                valid_from=row.valid_from,
                recheck_due_at=row.recheck_due_at,
                withdrawn_at=row.withdrawn_at,
            )
        )
    return {tenant_id: tuple(items) for tenant_id, items in found.items()}


def list_assessments(*, actor: Actor) -> QuerySet[CustomerAssessment]:
    """The customer's own assessments, those due first first; another tenant's do not exist here."""
    rows = CustomerAssessment.objects.filter(tenant_id=actor.tenant_scope)
    if actor.project_ids is not None:
        rows = rows.filter(Q(project_id__isnull=True) | Q(project_id__in=actor.project_ids))
    return (
        rows.select_related("scheme", "provider", "project").defer("document__content").order_by("recheck_due_at", "id")
    )


def list_assessments_of_all() -> QuerySet[CustomerAssessment]:
    """Every customer's assessments, the newest first, without the papers' content. Needs a staff actor."""
    rows = CustomerAssessment.objects.select_related("tenant", "scheme", "provider", "project", "document")
    return rows.defer("document__content").order_by("-recorded_at", "-id")


def find_paper(*, document_id: UUID | None) -> AssuranceDocument | None:
    """A paper with its content, if row-level security shows it: one's own, or that of a provider's or site's certificate."""
    return None if document_id is None else AssuranceDocument.objects.filter(id=document_id).first()


def read_provider_names(*, language: str) -> Mapping[str, str]:
    """Code → name in the language (`ko` or `en`)."""
    name = "name_en" if language == "en" else "name_ko"
    return dict(Provider.objects.values_list("code", name))


def list_certifications() -> QuerySet[Certification]:
    """Every certificate with scheme and holder, those that end first first; without the papers' content."""
    return (
        Certification.objects.select_related("scheme", "site", "provider", "document")
        .defer("document__content")
        .order_by("valid_to", "id")
    )


def find_outlook(*, since: datetime) -> Outlook | None:
    """The look ahead, if it was made at or after `since`."""
    return Outlook.objects.filter(computed_at__gte=since).first()
