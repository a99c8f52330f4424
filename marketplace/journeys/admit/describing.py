"""A placement decision as it is stored: inputs, what was chosen, every candidate that was not and its rule, what it relied on."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from marketplace.instances.models import DecisionOutcome
from marketplace.instances.operations import DecisionRecord
from marketplace.journeys.admit.deciding import Decided
from marketplace.journeys.admit.reading import Considered
from marketplace.scheduling.placement import Choice, Placement
from marketplace.scheduling.stock import Rejection
from marketplace.scheduling.waiting import ASSESSMENT_RULES, WaitReason, read_wait_facts
from marketplace.sovereignty.evidence import (
    at,
    describe_assessment,
    describe_certificate,
    describe_customer,
    describe_refusals,
)
from marketplace.sovereignty.rules import Verdict, needs_dedicated_node


def describe(
    decided: Decided, *, outcome: DecisionOutcome, reason: str, facts_id: UUID, now: datetime
) -> DecisionRecord:
    """Everything needed to decide again, years later, from the record and the facts kept beside it.

    Args:
        facts_id: Of the sites, certificates and offers that the pass looked at (`sovereignty.keep_facts`).
        now: Instant of the decision.
    """
    item, choice = decided.considered, decided.looked.choice
    verdicts = _verdicts_relied_on(item, choice.placement)
    certificates = {found.id: found for verdict in verdicts for found in verdict.relied_on}
    assessments = {found.id: found for verdict in verdicts for found in verdict.assessments}
    return DecisionRecord(
        outcome=outcome,
        reason=reason,
        inputs=_describe_inputs(item, now=now),
        candidates=[*_describe_refused(item), *_describe_rejected(choice)],
        chosen=_describe_chosen(choice.placements),
        rule_versions=[
            {"data_class": rule.data_class, "version": rule.version, "id": str(rule.rule_id)}
            for rule in item.requirements
        ],
        certificates=[describe_certificate(certificate) for certificate in certificates.values()],
        assessments=[describe_assessment(assessment) for assessment in assessments.values()],
        facts_id=facts_id,
    )


def _describe_inputs(item: Considered, *, now: datetime) -> dict[str, Any]:
    instance = item.instance
    covers_until = now + timedelta(seconds=instance.max_duration_s) if instance.max_duration_s is not None else None
    return {
        "devices": instance.devices,
        "nodes": instance.nodes,
        "accelerators": instance.accelerators,
        "data_classes": instance.project.data_classes,
        "image": instance.image,
        "customer": describe_customer(item.customer),
        "max_duration_s": instance.max_duration_s,
        "covers_until": at(covers_until),
        "max_price_micros": instance.max_price_micros,
        "versions": instance.versions,
        "needs_dedicated_node": needs_dedicated_node(item.requirements),
        "priority": instance.priority,
        "offers": [offer.code for offer in item.offers],
        "prices_micros": {
            offer.code: item.waiting.request.terms[offer.id].price_micros_per_device_hour
            for offer in item.offers
            if offer.id in item.waiting.request.terms
        },
    }


def _verdicts_relied_on(item: Considered, placement: Placement | None) -> list[Verdict]:
    """The chosen offer's verdict; while it waits, those of every permitted offer."""
    if placement is not None:
        return [item.verdicts[placement.terms.offer_id]]
    return [verdict for verdict in item.verdicts.values() if verdict.is_permitted]


def wait_facts(decided: Decided) -> Mapping[str, Any]:
    """The numbers of the sentence that says why it waits.

    Where only the customer's own assessment is missing: of which providers as well.
    """
    instance, choice = decided.considered.instance, decided.looked.choice
    reason = choice.wait_reason or WaitReason.WAITING_FOR_CAPACITY
    numbers = read_wait_facts(reason=reason, rejected=choice.rejected, devices=instance.devices, nodes=instance.nodes)
    if reason is not WaitReason.CUSTOMER_ASSESSMENT_MISSING:
        return numbers
    refusals = [refusal for verdict in decided.considered.verdicts.values() for refusal in verdict.refusals]
    asked = [refusal for refusal in refusals if refusal.rule in ASSESSMENT_RULES]
    providers = sorted({str(refusal.facts["provider"]) for refusal in asked})
    schemes = sorted({str(refusal.facts["required"]) for refusal in asked})
    return {**numbers, "providers": ", ".join(providers), "schemes": ", ".join(schemes)}


def _describe_chosen(placements: Sequence[Placement]) -> dict[str, Any] | None:
    """The place of rank 0; a gang's other nodes beside it, in order of rank."""
    if not placements:
        return None
    placement = placements[0]
    gang = {"nodes": [item.node for item in placements]} if len(placements) > 1 else {}
    return {
        **gang,
        "site": placement.site,
        "cluster": placement.cluster,
        "node": placement.node,
        "accelerator": placement.accelerator,
        "devices": placement.need.devices,
        "price_micros_per_device_hour": placement.terms.price_micros_per_device_hour,
    }


def _describe_refused(item: Considered) -> list[dict[str, Any]]:
    """Offers that the rules refuse now, each with every refusal."""
    return [
        {
            "site": offer.site.code,
            "accelerator": offer.accelerator.code,
            "offer": offer.code,
            "rejection": Rejection.SITE_NOT_PERMITTED.value,
            "reasons": describe_refusals(item.verdicts[offer.id].refusals),
        }
        for offer in item.offers
        if not item.verdicts[offer.id].is_permitted
    ]


def _describe_rejected(choice: Choice) -> list[dict[str, Any]]:
    """Other candidates by pool and reason, with the nodes' names."""
    return [
        {
            "site": item.site,
            "accelerator": item.accelerator,
            "rejection": item.rejection.value,
            "nodes": list(item.nodes),
            "node_count": item.node_count,
            "facts": dict(item.facts),
        }
        for item in choice.rejected
        if item.rejection not in (Rejection.SITE_NOT_PERMITTED, Rejection.NO_TERMS)
    ]
