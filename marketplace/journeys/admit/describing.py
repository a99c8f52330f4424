"""A placement decision as it is stored: inputs, what was chosen, every candidate that was not and its rule, what it relied on."""

from collections.abc import Mapping, Sequence
from typing import Any

from marketplace.instances.models import DecisionOutcome
from marketplace.instances.operations import DecisionRecord
from marketplace.journeys.admit.deciding import Decided
from marketplace.journeys.admit.reading import Considered
from marketplace.scheduling.placement import Choice, Placement
from marketplace.scheduling.stock import Rejection


def describe(decided: Decided, *, outcome: DecisionOutcome, reason: str) -> DecisionRecord:
    """Everything needed to decide again, years later, from the record alone."""
    item, choice = decided.considered, decided.looked.choice
    relied_on = {certificate.id: certificate for verdict in item.verdicts.values() for certificate in verdict.relied_on}
    instance = item.instance
    return DecisionRecord(
        outcome=outcome,
        reason=reason,
        inputs={
            "devices": instance.devices,
            "nodes": instance.nodes,
            "accelerators": instance.accelerators,
            "data_classes": instance.project.data_classes,
            "max_duration_s": instance.max_duration_s,
            "max_price_micros": instance.max_price_micros,
            "priority": instance.priority,
            "offers": [offer.code for offer in item.offers],
        },
        candidates=[*_describe_refused(item), *_describe_rejected(choice)],
        chosen=_describe_chosen(choice.placements),
        rule_versions=[
            {"data_class": rule.data_class, "version": rule.version, "id": str(rule.rule_id)}
            for rule in item.requirements
        ],
        certificates=[
            {
                "id": str(certificate.id),
                "scheme": certificate.scheme,
                "level": certificate.level,
                "document": certificate.document_number,
                "valid_to": certificate.valid_to.isoformat(),
            }
            for certificate in relied_on.values()
        ],
    )


def wait_facts(decided: Decided) -> Mapping[str, Any]:
    """The numbers of the sentence that says why it waits: devices asked for, and the most that one permitted node has free."""
    capacity = (Rejection.NOT_ENOUGH_DEVICES, Rejection.NOT_ENOUGH_CPU, Rejection.NOT_ENOUGH_MEMORY, Rejection.RESERVED)
    free = [int(item.facts.get("free", 0)) for item in decided.looked.choice.rejected if item.rejection in capacity]
    return {"requested": decided.considered.instance.devices, "free": max(free, default=0)}


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
            "rejection": Rejection.SITE_NOT_PERMITTED.value,
            "reasons": [
                {"rule": refusal.rule.value, "data_class": refusal.data_class, "facts": dict(refusal.facts)}
                for refusal in item.verdicts[offer.id].refusals
            ],
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
