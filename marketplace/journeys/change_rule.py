"""What a new rule version would do to projects and running instances, before it is saved; and whether anybody satisfies it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import Offer
from marketplace.inventory.queries import read_assessments
from marketplace.journeys.market_view import MarketFacts, judge_offers, read_market_facts
from marketplace.journeys.standing import Standing, judge_running
from marketplace.kernel import ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import OndolError
from marketplace.sovereignty.models import DataClassRule
from marketplace.sovereignty.operations import check_requirements, publish_rule
from marketplace.sovereignty.queries import DataClassUnknown, list_requirements_in_force
from marketplace.sovereignty.rules import Assessment, CustomerFacts, Refusal, Requirements, permits
from marketplace.tenants.models import Project
from marketplace.tenants.queries import list_projects_of_class

PROJECTS_MAX = 2_000


class UnsatisfiableRule(StrEnum):
    """What to do with a rule that no site on sale satisfies."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class RuleSatisfiesNobody(OndolError):
    """No site on sale satisfies the rule; every project of the class would wait. Nothing was written."""

    code = "rule_satisfies_nobody"
    http_status = 409
    title = _("No site on sale would satisfy the rule. %(names)s")
    remedy = _("Change the rule, or confirm that nothing may be placed until a site satisfies it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSite:
    """A site, with what speaks against it under the new rule."""

    site: str
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectImpact:
    """A project whose permitted sites change.

    Attributes:
        left: How many sites it may use afterwards; 0 = nothing can be placed for it any more.
    """

    tenant: str
    project: str
    lost: tuple[RefusedSite, ...]
    gained: tuple[str, ...]
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleImpact:
    """What would change at the instant at which the rule begins.

    Attributes:
        project_count: Projects of the class, changed or not.
        running: Instances that run on a site which the new rule refuses, and the present one does not; they are left alone.
        satisfied_by: Sites on sale that satisfy the rule alone, for a customer that has every assessment.
        unsatisfied: The other sites on sale.
    """

    data_class: str
    at: datetime
    project_count: int
    projects: tuple[ProjectImpact, ...]
    running: tuple[Standing, ...]
    satisfied_by: tuple[str, ...]
    unsatisfied: tuple[RefusedSite, ...]


def preview_rule(
    *, data_class: str, requirements: Mapping[str, Any], effective_from: datetime, now: datetime
) -> RuleImpact:
    """Judge every project and running instance of the class under the present and the new rule. Reads only; for staff.

    Raises:
        RuleInvalid: The requirements cannot be stored.
    """
    new = check_requirements(data_class=data_class, body=requirements)
    at = max(effective_from, now)
    facts = read_market_facts()
    projects = list(list_projects_of_class(data_class=data_class)[:PROJECTS_MAX])
    assessments = read_assessments(tenant_ids={project.tenant_id for project in projects})
    impacts = [_impact_on(project, new, facts, assessments.get(project.tenant_id, ()), at=at) for project in projects]
    satisfied, unsatisfied = _who_satisfies(new, facts, at=at)
    return RuleImpact(
        data_class=data_class,
        at=at,
        project_count=len(projects),
        projects=tuple(item for item in impacts if item is not None),
        running=tuple(_running(new, at=at)),
        satisfied_by=satisfied,
        unsatisfied=unsatisfied,
    )


def change_rule(
    *,
    actor: Actor,
    data_class: str,
    requirements: Mapping[str, Any],
    effective_from: datetime,
    source: str,
    reason: str,
    unsatisfiable: UnsatisfiableRule,
    now: datetime,
) -> DataClassRule:
    """Publish the class's next version, once somebody can satisfy it or the operator accepts that nobody does.

    Raises:
        RuleSatisfiesNobody: With every site's name and rule.
        RuleInvalid, NotFound: As `publish_rule`.
    """
    impact = preview_rule(data_class=data_class, requirements=requirements, effective_from=effective_from, now=now)
    if not impact.satisfied_by and unsatisfiable is UnsatisfiableRule.REFUSE:
        names = "; ".join(
            f"{item.site}: {', '.join(sorted({refusal.rule.value for refusal in item.refusals}))}"
            for item in impact.unsatisfied
        )
        raise RuleSatisfiesNobody(facts={"names": names}, pointer="/requirements")
    return publish_rule(
        actor=actor,
        data_class=data_class,
        requirements=requirements,
        effective_from=effective_from,
        source=source,
        reason=reason,
        now=now,
    )


def _in_force(classes: Sequence[str], *, at: datetime) -> tuple[Requirements, ...] | None:
    try:
        return list_requirements_in_force(data_classes=classes, now=at)
    except DataClassUnknown:
        return None


def _replaced(old: Sequence[Requirements], new: Requirements) -> tuple[Requirements, ...]:
    return (*(item for item in old if item.data_class != new.data_class), new)


def _impact_on(
    project: Project, new: Requirements, facts: MarketFacts, assessments: tuple[Assessment, ...], *, at: datetime
) -> ProjectImpact | None:
    """None when the project's permitted sites stay the same."""
    customer = CustomerFacts(sector=project.tenant.sector, project_id=project.id, assessments=assessments)
    before = _in_force(project.data_classes, at=at)
    others = [code for code in project.data_classes if code != new.data_class]
    after = _replaced(_in_force(others, at=at) or (), new)
    was = _permitted(before, facts, customer, at=at) if before is not None else {}
    is_now = _permitted(after, facts, customer, at=at)
    allowed_before = {site for site, refusals in was.items() if not refusals}
    allowed_after = {site for site, refusals in is_now.items() if not refusals}
    if allowed_before == allowed_after:
        return None
    return ProjectImpact(
        tenant=project.tenant.name,
        project=project.name,
        lost=tuple(RefusedSite(site=site, refusals=is_now[site]) for site in sorted(allowed_before - allowed_after)),
        gained=tuple(sorted(allowed_after - allowed_before)),
        left=len(allowed_after),
    )


def _permitted(
    requirements: Sequence[Requirements], facts: MarketFacts, customer: CustomerFacts, *, at: datetime
) -> dict[str, tuple[Refusal, ...]]:
    """For each site on sale the refusals of its best offer: none when any offer there is permitted."""
    verdicts = judge_offers(
        facts=facts, offers=facts.offers, requirements=requirements, customer=customer, image=None,
        max_duration_s=None, now=at,
    )  # fmt: skip
    found: dict[str, tuple[Refusal, ...]] = {}
    for offer in facts.offers:
        refusals = verdicts[offer.id].refusals
        code = offer.site.code
        if code not in found or len(refusals) < len(found[code]):
            found[code] = refusals
    return found


def _who_satisfies(
    new: Requirements, facts: MarketFacts, *, at: datetime
) -> tuple[tuple[str, ...], tuple[RefusedSite, ...]]:
    """Sites that satisfy the rule alone, for a customer of the right sector with every assessment."""
    best: dict[str, tuple[Refusal, ...]] = {}
    for offer in facts.offers:
        refusals = _refusals_for_ideal(new, facts, offer, at=at)
        code = offer.site.code
        if code not in best or len(refusals) < len(best[code]):
            best[code] = refusals
    satisfied = tuple(sorted(code for code, refusals in best.items() if not refusals))
    others = tuple(RefusedSite(site=code, refusals=best[code]) for code in sorted(best) if best[code])
    return satisfied, others


def _refusals_for_ideal(new: Requirements, facts: MarketFacts, offer: Offer, *, at: datetime) -> tuple[Refusal, ...]:
    site = facts.sites[offer.site_id]
    project_id = ids.new_id()
    ideal = CustomerFacts(
        sector=site.reserved_sectors[0] if site.reserved_sectors else "",
        project_id=project_id,
        assessments=tuple(
            Assessment(
                id=ids.new_id(), scheme=scheme, provider_id=offer.site.provider_id, project_id=None, review_number="",
                valid_from=at, recheck_due_at=datetime.max.replace(tzinfo=at.tzinfo),
            )
            for scheme in new.customer_assessments
        ),
    )  # fmt: skip
    return permits(
        requirements=[new], site=site, isolation_class=offer.accelerator.isolation_class,
        scheme_levels=facts.scheme_levels, now=at, covers_until=None, customer=ideal,
    ).refusals  # fmt: skip


def _running(new: Requirements, *, at: datetime) -> list[Standing]:
    """Instances whose site the new rule refuses while the present one does not."""

    def replaced(classes: tuple[str, ...]) -> Sequence[Requirements]:
        if new.data_class not in classes:
            return list_requirements_in_force(data_classes=classes, now=at)
        others = [code for code in classes if code != new.data_class]
        return _replaced(list_requirements_in_force(data_classes=others, now=at), new)

    already = {item.instance_id for item in judge_running(now=at) if item.is_affected}
    return [
        item
        for item in judge_running(now=at, requirements_of=replaced)
        if item.is_affected and item.instance_id not in already
    ]
