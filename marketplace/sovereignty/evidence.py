"""What the rules looked at, as plain JSON that can be stored, signed, and judged again by anybody. Pure.

Times are RFC 3339 in UTC, ids are UUIDs, sets are sorted: the same facts give the same text.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from marketplace.sovereignty.rules import Assessment, Certificate, CustomerFacts, Refusal, SiteFacts


def describe_site(site: SiteFacts) -> dict[str, Any]:
    """A site with every certificate that was known, also ended and revoked ones."""
    return {
        "code": site.code,
        "provider": site.provider,
        "provider_id": str(site.provider_id) if site.provider_id else None,
        "jurisdiction": site.jurisdiction,
        "operator_nationality": site.operator_nationality,
        "zone": site.zone,
        "reserved_sectors": sorted(site.reserved_sectors),
        "is_network_separated": site.is_network_separated,
        "certificates": sorted(
            (describe_certificate(item) for item in site.certificates), key=lambda row: str(row["id"])
        ),
    }


def describe_certificate(certificate: Certificate) -> dict[str, Any]:
    """A certificate."""
    return {
        "id": str(certificate.id),
        "scheme": certificate.scheme,
        "level": certificate.level,
        "document": certificate.document_number,
        "valid_from": at(certificate.valid_from),
        "valid_to": at(certificate.valid_to),
        "revoked_at": at(certificate.revoked_at),
    }


def describe_assessment(assessment: Assessment) -> dict[str, Any]:
    """A customer's own assessment."""
    return {
        "id": str(assessment.id),
        "scheme": assessment.scheme,
        "provider_id": str(assessment.provider_id),
        "project_id": str(assessment.project_id) if assessment.project_id else None,
        "review_number": assessment.review_number,
        "valid_from": at(assessment.valid_from),
        "recheck_due_at": at(assessment.recheck_due_at),
        "withdrawn_at": at(assessment.withdrawn_at),
    }


def describe_customer(customer: CustomerFacts) -> dict[str, Any]:
    """Who asked."""
    return {
        "sector": customer.sector,
        "project_id": str(customer.project_id),
        "assessments": [describe_assessment(item) for item in customer.assessments],
    }


def describe_refusals(refusals: Iterable[Refusal]) -> list[dict[str, Any]]:
    """Every refusal with its rule and numbers."""
    return [
        {"rule": refusal.rule.value, "data_class": refusal.data_class, "facts": dict(refusal.facts)}
        for refusal in refusals
    ]


def describe_market(
    *,
    sites: Iterable[SiteFacts],
    scheme_levels: Mapping[str, Sequence[str]],
    offers: Iterable[tuple[str, str, str, str]],
) -> dict[str, Any]:
    """Everything that decisions of the same second share.

    Args:
        offers: (code, site, accelerator, isolation class) of every offer on sale.
    """
    return {
        "sites": {site.code: describe_site(site) for site in sites},
        "scheme_levels": {scheme: list(levels) for scheme, levels in sorted(scheme_levels.items())},
        "offers": {
            code: {"site": site, "accelerator": accelerator, "isolation_class": isolation_class}
            for code, site, accelerator, isolation_class in offers
        },
    }


def at(instant: datetime | None) -> str | None:
    """RFC 3339 in UTC with a Z; None stays None."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
