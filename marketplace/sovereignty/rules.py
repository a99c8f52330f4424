"""May a workload of these data classes run at this site? Pure: plain data in, a verdict with its evidence out.

A project's classes each have one rule version in force; all of them apply together, so a mix takes the strictest. The verdict
names every requirement that a site fails and every certificate that it relied on, so that it can be shown years later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

CERTIFICATE_DAYS_MIN_DEFAULT: Final = 30
"""An open-ended instance needs certificates that hold at least so many days more, unless its rule says otherwise."""

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
    NETWORK_SEPARATION = "network_separation_required"
    ISOLATION = "isolation_too_weak"


class RequirementsMalformed(ValueError):
    """Stored requirements do not have the shape described at `Requirements`; the message names the member."""


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
        needs_network_separation: The site must be network-separated.
        isolation_min: Weakest acceptable isolation class; "" = any.
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
    needs_network_separation: bool = False
    isolation_min: str = ""
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
class SiteFacts:
    """A site as the rules see it; certificates of its provider are included."""

    site_id: UUID
    code: str
    jurisdiction: str
    operator_nationality: str
    zone: str
    is_network_separated: bool
    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One requirement a site fails, with the numbers for its sentence."""

    rule: Rule
    data_class: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for one site: permitted when there is no refusal; `relied_on` are the certificates that made it so."""

    site_id: UUID
    refusals: tuple[Refusal, ...]
    relied_on: tuple[Certificate, ...]

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
) -> Verdict:
    """Decide whether `site` may take a workload under all `requirements`.

    Args:
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
    for required in requirements:
        refusals.extend(_refuse_place(required, site))
        refusals.extend(_refuse_isolation(required, isolation_class))
        needed_until = covers_until or now + timedelta(days=required.certificate_days_min)
        for group in (*((single,) for single in required.all_of), *required.any_of):
            found, problem = _best_certificate(group, site.certificates, scheme_levels, now=now, until=needed_until)
            if found is not None:
                relied_on[found.id] = found
            elif problem is not None:
                rule, facts = problem
                refusals.append(Refusal(rule=rule, data_class=required.data_class, facts=facts))
    return Verdict(site_id=site.site_id, refusals=tuple(refusals), relied_on=tuple(relied_on.values()))


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
    if required.needs_network_separation and not site.is_network_separated:
        yield Refusal(rule=Rule.NETWORK_SEPARATION, data_class=required.data_class)


def _refuse_isolation(required: Requirements, isolation_class: str) -> Iterable[Refusal]:
    wanted = required.isolation_min
    if wanted and ISOLATION_ORDER.index(isolation_class) < ISOLATION_ORDER.index(wanted):
        facts = {"required": wanted, "actual": isolation_class}
        yield Refusal(rule=Rule.ISOLATION, data_class=required.data_class, facts=facts)


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
    if item.level_min and _rank(levels, certificate.level) < _rank(levels, item.level_min):
        return Rule.CERTIFICATE_LEVEL_TOO_LOW
    if certificate.revoked_at is not None and certificate.revoked_at <= now:
        return Rule.CERTIFICATE_REVOKED
    if not certificate.valid_from <= now < certificate.valid_to:
        return Rule.CERTIFICATE_EXPIRED
    if min(certificate.valid_to, certificate.revoked_at or certificate.valid_to) < until:
        return Rule.CERTIFICATE_EXPIRES_TOO_SOON
    return None


def _rank(levels: Sequence[str], level: str) -> int:
    return levels.index(level) if level in levels else -1


def parse_requirements(*, data_class: str, rule_id: UUID, version: int, body: Mapping[str, Any]) -> Requirements:
    """Read the stored JSON of a rule version.

    Raises:
        RequirementsMalformed: An unknown member, or one of the wrong type.
    """
    known = {
        "all_of", "any_of", "jurisdictions", "operator_nationalities", "zones",
        "needs_network_separation", "isolation_min", "certificate_days_min",
    }  # fmt: skip
    unknown = sorted(set(body) - known)
    if unknown:
        message = f"unknown members: {', '.join(unknown)}"
        raise RequirementsMalformed(message)
    isolation_min = body.get("isolation_min", "")
    days = body.get("certificate_days_min", CERTIFICATE_DAYS_MIN_DEFAULT)
    if isolation_min and isolation_min not in ISOLATION_ORDER:
        message = f"isolation_min: {isolation_min!r} is not an isolation class"
        raise RequirementsMalformed(message)
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        message = "certificate_days_min: a whole number of days, 0 or more"
        raise RequirementsMalformed(message)
    return Requirements(
        data_class=data_class,
        rule_id=rule_id,
        version=version,
        all_of=_schemes(body.get("all_of", [])),
        any_of=tuple(_schemes(group) for group in body.get("any_of", [])),
        jurisdictions=tuple(body.get("jurisdictions", [])),
        operator_nationalities=tuple(body.get("operator_nationalities", [])),
        zones=tuple(body.get("zones", [])),
        needs_network_separation=body.get("needs_network_separation", False) is True,
        isolation_min=isolation_min,
        certificate_days_min=days,
    )


def _schemes(items: Sequence[Mapping[str, str]]) -> tuple[SchemeRequirement, ...]:
    try:
        return tuple(SchemeRequirement(scheme=item["scheme"], level_min=item.get("level_min", "")) for item in items)
    except (KeyError, TypeError, AttributeError) as error:
        message = "a required certificate needs a member `scheme`"
        raise RequirementsMalformed(message) from error
