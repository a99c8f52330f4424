"""Would what runs now still be permitted where it runs? Judged for operators; nothing is moved or ended because of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.instances.history import list_live_allocations, read_certificates_relied_on
from marketplace.inventory.queries import read_assessments, read_site_facts
from marketplace.sovereignty.queries import DataClassUnknown, list_requirements_in_force, read_scheme_levels
from marketplace.sovereignty.rules import CustomerFacts, Requirements, Verdict, permits

RequirementsOf = Callable[[tuple[str, ...]], Sequence[Requirements]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One running (or starting) instance and the verdict on its site now.

    Attributes:
        relied_on: Ids of the certificates its placement relied on.
        verdict: None when a class has no rule in force: then nothing may be placed, and what runs stands on no rule.
    """

    instance_id: UUID
    instance: str
    tenant_id: UUID
    tenant: str
    project: str
    site: str
    relied_on: frozenset[str]
    verdict: Verdict | None

    @property
    def is_affected(self) -> bool:
        """Whether it would not be placed there today."""
        return self.verdict is None or not self.verdict.is_permitted


def judge_running(*, now: datetime, requirements_of: RequirementsOf | None = None) -> list[Standing]:
    """The standing of every instance that holds devices, as of `now`; a constant number of queries.

    A certificate need only hold now: how long a new instance would have to be covered does not matter to one that runs.

    Args:
        requirements_of: Rules for a mix of classes; default those in force at `now`.
    """
    live = list_live_allocations()
    facts = read_site_facts(site_ids={row.stock.node.cluster.site_id for row in live})
    assessments = read_assessments(tenant_ids={row.tenant_id for row in live})
    relied_on = read_certificates_relied_on(instance_ids=[row.instance_id for row in live])
    levels = read_scheme_levels()
    find = _cached(requirements_of or (lambda classes: list_requirements_in_force(data_classes=classes, now=now)))
    standings = []
    for row in live:
        instance, site = row.instance, facts[row.stock.node.cluster.site_id]
        requirements = find(tuple(sorted(instance.project.data_classes)))
        customer = CustomerFacts(
            sector=instance.tenant.sector,
            project_id=instance.project_id,
            assessments=assessments.get(row.tenant_id, ()),
        )
        verdict = requirements is not None and permits(
            requirements=requirements,
            site=site,
            isolation_class=row.stock.accelerator.isolation_class,
            scheme_levels=levels,
            now=now,
            covers_until=now,
            customer=customer,
            image=instance.image,
        )
        standings.append(
            Standing(
                instance_id=instance.id,
                instance=instance.name,
                tenant_id=row.tenant_id,
                tenant=instance.tenant.name,
                project=instance.project.name,
                site=site.code,
                relied_on=relied_on.get((instance.id, row.attempt), frozenset()),
                verdict=verdict or None,
            )
        )
    return standings


def _cached(find: RequirementsOf) -> Callable[[tuple[str, ...]], Sequence[Requirements] | None]:
    known: dict[tuple[str, ...], Sequence[Requirements] | None] = {}

    def look(classes: tuple[str, ...]) -> Sequence[Requirements] | None:
        if classes not in known:
            try:
                known[classes] = find(classes)
            except DataClassUnknown:
                known[classes] = None
        return known[classes]

    return look
