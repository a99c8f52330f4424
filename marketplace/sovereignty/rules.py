"""May a workload of these data classes run at this site? Pure: plain data in, a verdict with its evidence out.

A project's classes each have one rule version in force; all of them apply together, so a mix takes the strictest. The verdict
names every requirement that a site fails and every certificate that it relied on, so that it can be shown years later.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

CERTIFICATE_DAYS_MIN_DEFAULT: Final = 30
"""An open-ended instance needs certificates that hold at least so many days more, unless its rule says otherwise."""

IMAGE_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")

ISOLATION_ORDER: Final = ("none", "software", "hardware", "device")
"""From weakest to strongest; what separates two tenants on one card (accelerators.md)."""


class Rule(StrEnum):
    """Which requirement a site failed; the stable token shown as `rule`."""

    CERTIFICATE_MISSING = "certificate_missing"
    CERTIFICATE_LEVEL_TOO_LOW = "certificate_level_too_low"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_EXPIRES_TOO_SOON = "certificate_expires_too_soon"
    JURISDICTION = "jurisdiction_not_allowed"
    OPERATOR_NATIONALITY = "operator_nationality_not_allowed"
    ZONE = "zone_not_allowed"
    ZONE_RESERVED = "zone_reserved_for_others"
    ZONE_NOT_EXCLUSIVE = "zone_not_exclusive"
    NETWORK_SEPARATION = "network_separation_required"
    ISOLATION = "isolation_too_weak"
    IMAGE = "image_not_allowed"
    CUSTOMER_ASSESSMENT_MISSING = "customer_assessment_missing"
    CUSTOMER_ASSESSMENT_OVERDUE = "customer_assessment_overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemeRequirement:
    """One certificate asked for: a scheme, and the lowest level that will do ("" = any)."""

    scheme: str
    level_min: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What one rule version asks of a site.

    Attributes:
        data_class: Code of the class.
        rule_id: Id of the version, stored with each decision.
        all_of: Every one of these certificates.
        any_of: Of each group at least one.
        jurisdictions: Allowed countries (ISO 3166-1 alpha-2); empty = any.
        operator_nationalities: As above, of who operates the machines.
        zones: Allowed zones; empty = any.
        needs_exclusive_zone: The site must take organizations of certain sectors only, the customer's among them.
        needs_network_separation: The site must be network-separated.
        isolation_min: Weakest acceptable isolation class; "" = any.
        needs_dedicated_node: No other organization may have devices on the node; placement and the pod see to it.
        image_registries: Images must come from one of these, e.g. `registry.ondol.kr/curated`; empty = any.
        needs_image_digest: Images must be named by digest, so that what was reviewed is what runs.
        customer_assessments: Schemes of which the customer must have its own assessment of the provider.
        certificate_days_min: Days every needed certificate must still hold for an open-ended instance.
    """

    data_class: str
    rule_id: UUID
    version: int
    all_of: tuple[SchemeRequirement, ...] = ()
    any_of: tuple[tuple[SchemeRequirement, ...], ...] = ()
    jurisdictions: tuple[str, ...] = ()
    operator_nationalities: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    needs_exclusive_zone: bool = False
    needs_network_separation: bool = False
    isolation_min: str = ""
    needs_dedicated_node: bool = False
    image_registries: tuple[str, ...] = ()
    needs_image_digest: bool = False
    customer_assessments: tuple[str, ...] = ()
    certificate_days_min: int = CERTIFICATE_DAYS_MIN_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certification as the rules see it."""

    id: UUID
    scheme: str
    level: str
    document_number: str
    valid_from: datetime
    valid_to: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A customer's own assessment of a provider as the rules see it (전자금융감독규정 제14조의2, 보안성 검토).

    Attributes:
        project_id: The one project it was made for; None = every project of the customer.
        recheck_due_at: From here on it must have been made anew.
    """

    id: UUID
    scheme: str
    provider_id: UUID
    project_id: UUID | None
    review_number: str
    valid_from: datetime
    recheck_due_at: datetime
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFacts:
    """Who asks, as the rules see it; `assessments` of every provider and project are included."""

    sector: str
    project_id: UUID
    assessments: tuple[Assessment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """A site as the rules see it; certificates of its provider are included.

    Attributes:
        reserved_sectors: Sectors whose organizations alone may rent there (공공 전용, 금융 전용); empty = everyone.
    """

    site_id: UUID
    code: str
    jurisdiction: str
    operator_nationality: str
    zone: str
    is_network_separated: bool
    provider_id: UUID | None = None
    provider: str = ""
    reserved_sectors: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One requirement a site fails, with the numbers for its sentence."""

    rule: Rule
    data_class: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for one site: permitted when there is no refusal; `relied_on` and `assessments` made it so."""

    site_id: UUID
    refusals: tuple[Refusal, ...]
    relied_on: tuple[Certificate, ...]
    assessments: tuple[Assessment, ...] = ()

    @property
    def is_permitted(self) -> bool:
        """Whether the site may take it."""
        return not self.refusals


def permits(
    *,
    requirements: Sequence[Requirements],
    site: SiteFacts,
    isolation_class: str,
    scheme_levels: Mapping[str, Sequence[str]],
    now: datetime,
    covers_until: datetime | None,
    customer: CustomerFacts | None = None,
    image: str | None = None,
) -> Verdict:
    """Decide whether `site` may take a workload under all `requirements`.

    A dedicated node is not decided here: any site can give one, so it is a matter of placement (`needs_dedicated_node`).

    Args:
        customer: Who asks; without one, nothing that depends on the customer is fulfilled.
        image: What would run; None = not known yet (a quote), so it is not judged.
        isolation_class: Of the accelerator that would be used.
        scheme_levels: For each scheme code its levels from weakest to strongest.
        now: Instant of the decision.
        covers_until: Until when a certificate must hold (now + maximum duration); None for an open-ended instance, for which
            each rule's `certificate_days_min` applies.

    Returns:
        Every refusal, not only the first, in a stable order.
    """
    refusals: list[Refusal] = []
    relied_on: dict[UUID, Certificate] = {}
    assessments: dict[UUID, Assessment] = {}
    sector = customer.sector if customer is not None else ""
    refusals.extend(_refuse_reserved(requirements, site, sector))
    for required in requirements:
        refusals.extend(_refuse_place(required, site))
        refusals.extend(_refuse_isolation(required, isolation_class))
        refusals.extend(_refuse_image(required, image))
        needed_until = covers_until or now + timedelta(days=required.certificate_days_min)
        for group in (*((single,) for single in required.all_of), *required.any_of):
            found, problem = _best_certificate(group, site.certificates, scheme_levels, now=now, until=needed_until)
            if found is not None:
                relied_on[found.id] = found
            elif problem is not None:
                rule, facts = problem
                refusals.append(Refusal(rule=rule, data_class=required.data_class, facts=facts))
        for scheme in required.customer_assessments:
            made, missing = _find_assessment(scheme, site, customer, now=now)
            if made is not None:
                assessments[made.id] = made
            elif missing is not None:
                rule, facts = missing
                refusals.append(Refusal(rule=rule, data_class=required.data_class, facts=facts))
    return Verdict(
        site_id=site.site_id,
        refusals=tuple(refusals),
        relied_on=tuple(relied_on.values()),
        assessments=tuple(assessments.values()),
    )


def needs_dedicated_node(requirements: Iterable[Requirements]) -> bool:
    """Whether a mix of classes needs a node without other organizations: the strictest decides."""
    return any(required.needs_dedicated_node for required in requirements)


def _refuse_reserved(requirements: Sequence[Requirements], site: SiteFacts, sector: str) -> Iterable[Refusal]:
    """A site for certain sectors takes nobody else, whatever the data; told once, under the first class."""
    if site.reserved_sectors and sector not in site.reserved_sectors:
        data_class = requirements[0].data_class if requirements else ""
        facts = {"required": ", ".join(site.reserved_sectors), "actual": sector}
        yield Refusal(rule=Rule.ZONE_RESERVED, data_class=data_class, facts=facts)


def _refuse_place(required: Requirements, site: SiteFacts) -> Iterable[Refusal]:
    checks = (
        (Rule.JURISDICTION, required.jurisdictions, site.jurisdiction),
        (Rule.OPERATOR_NATIONALITY, required.operator_nationalities, site.operator_nationality),
        (Rule.ZONE, required.zones, site.zone),
    )
    for rule, allowed, actual in checks:
        if allowed and actual not in allowed:
            facts = {"required": ", ".join(allowed), "actual": actual}
            yield Refusal(rule=rule, data_class=required.data_class, facts=facts)
    if required.needs_exclusive_zone and not site.reserved_sectors:
        yield Refusal(rule=Rule.ZONE_NOT_EXCLUSIVE, data_class=required.data_class, facts={"actual": site.zone})
    if required.needs_network_separation and not site.is_network_separated:
        yield Refusal(rule=Rule.NETWORK_SEPARATION, data_class=required.data_class)


def _refuse_isolation(required: Requirements, isolation_class: str) -> Iterable[Refusal]:
    wanted = required.isolation_min
    if wanted and ISOLATION_ORDER.index(isolation_class) < ISOLATION_ORDER.index(wanted):
        facts = {"required": wanted, "actual": isolation_class}
        yield Refusal(rule=Rule.ISOLATION, data_class=required.data_class, facts=facts)


def _refuse_image(required: Requirements, image: str | None) -> Iterable[Refusal]:
    if image is None:
        return
    registries = required.image_registries
    is_known = not registries or any(image.startswith(registry.rstrip("/") + "/") for registry in registries)
    is_pinned = not required.needs_image_digest or IMAGE_DIGEST.search(image) is not None
    if not (is_known and is_pinned):
        facts = {"required": ", ".join((*registries, *(("@sha256:…",) if required.needs_image_digest else ())))}
        yield Refusal(rule=Rule.IMAGE, data_class=required.data_class, facts={**facts, "actual": image})


def _find_assessment(
    scheme: str, site: SiteFacts, customer: CustomerFacts | None, *, now: datetime
) -> tuple[Assessment | None, tuple[Rule, dict[str, str | int]] | None]:
    """The assessment of the site's provider that holds longest, or else why there is none."""
    facts: dict[str, str | int] = {"required": scheme, "provider": site.provider}
    made = [
        item
        for item in (customer.assessments if customer is not None else ())
        if item.scheme == scheme
        and item.provider_id == site.provider_id
        and (item.project_id is None or (customer is not None and item.project_id == customer.project_id))
        and item.valid_from <= now
        and (item.withdrawn_at is None or item.withdrawn_at > now)
    ]
    if not made:
        return None, (Rule.CUSTOMER_ASSESSMENT_MISSING, facts)
    latest = max(made, key=lambda item: (item.recheck_due_at, item.id))
    if latest.recheck_due_at <= now:
        due = {"document": latest.review_number, "recheck_due": latest.recheck_due_at.isoformat()}
        return None, (Rule.CUSTOMER_ASSESSMENT_OVERDUE, {**facts, **due})
    return latest, None


_SEVERITY: Final = (
    Rule.CERTIFICATE_MISSING,
    Rule.CERTIFICATE_LEVEL_TOO_LOW,
    Rule.CERTIFICATE_EXPIRED,
    Rule.CERTIFICATE_REVOKED,
    Rule.CERTIFICATE_EXPIRES_TOO_SOON,
)
"""Of several unsuitable certificates the one nearest to suitable is named: a soon-expiring one tells more than 'missing'."""


def _best_certificate(
    group: Sequence[SchemeRequirement],
    certificates: Sequence[Certificate],
    scheme_levels: Mapping[str, Sequence[str]],
    *,
    now: datetime,
    until: datetime,
) -> tuple[Certificate | None, tuple[Rule, dict[str, str | int]] | None]:
    """The longest-valid certificate that satisfies one of the group, or else why the nearest one does not."""
    wanted = " / ".join(f"{item.scheme} {item.level_min}".strip() for item in group)
    suitable: list[Certificate] = []
    nearest: tuple[Rule, dict[str, str | int]] = (Rule.CERTIFICATE_MISSING, {"required": wanted})
    for certificate in certificates:
        for item in (item for item in group if item.scheme == certificate.scheme):
            rule = _unsuitable(certificate, item, scheme_levels.get(item.scheme, ()), now=now, until=until)
            if rule is None:
                suitable.append(certificate)
            elif _SEVERITY.index(rule) > _SEVERITY.index(nearest[0]):
                nearest = (rule, _certificate_facts(certificate, wanted, until))
    if suitable:
        return max(suitable, key=lambda certificate: (certificate.valid_to, certificate.id)), None
    return None, nearest


def _certificate_facts(certificate: Certificate, wanted: str, until: datetime) -> dict[str, str | int]:
    return {
        "required": wanted,
        "actual": f"{certificate.scheme} {certificate.level}".strip(),
        "document": certificate.document_number,
        "valid_to": certificate.valid_to.isoformat(),
        "needed_until": until.isoformat(),
    }


def _unsuitable(
    certificate: Certificate, item: SchemeRequirement, levels: Sequence[str], *, now: datetime, until: datetime
) -> Rule | None:
    if item.level_min and not _reaches(levels, certificate.level, item.level_min):
        return Rule.CERTIFICATE_LEVEL_TOO_LOW
    if certificate.revoked_at is not None and certificate.revoked_at <= now:
        return Rule.CERTIFICATE_REVOKED
    if not certificate.valid_from <= now < certificate.valid_to:
        return Rule.CERTIFICATE_EXPIRED
    if min(certificate.valid_to, certificate.revoked_at or certificate.valid_to) < until:
        return Rule.CERTIFICATE_EXPIRES_TOO_SOON
    return None


def _reaches(levels: Sequence[str], level: str, wanted: str) -> bool:
    """A level that the scheme does not (or no longer) have reaches nothing and is reached by nothing."""
    return level in levels and wanted in levels and levels.index(level) >= levels.index(wanted)
