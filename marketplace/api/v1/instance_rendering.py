"""Instances, decisions, diagnoses and usage as JSON."""

from functools import lru_cache
from typing import Any, Final

from billing.models import UsageInterval
from marketplace.api.rendering import instant, public
from marketplace.instances.models import PlacementDecision, Transition
from marketplace.instances.queries import InstanceSummary, Place
from marketplace.instances.states import Goal, State, allowed_actions
from marketplace.instances.texts import explain_condition, explain_reason
from marketplace.journeys.diagnose import Diagnosis
from marketplace.kernel.money import CURRENCY, won_text_from_micros
from marketplace.sovereignty.texts import explain_refusal

PRIORITIES: Final = {-1: "low", 0: "normal", 1: "high"}


def render_instance(row: InstanceSummary) -> dict[str, Any]:
    """An instance."""
    place = row.place
    return {
        "id": public("ins", row.id),
        "name": row.name,
        "project": public("prj", row.project_id),
        "kind": row.kind,
        "state": row.state,
        "state_reason": row.state_reason,
        "state_message": explain_reason(row.state_reason),
        "goal": row.goal,
        "allowed_actions": _actions(row.state, row.goal),
        "accelerators": row.accelerators,
        "devices": row.devices,
        "nodes": row.nodes,
        "image": row.image,
        "place": _place(place),
        "price_per_device_hour": won_text_from_micros(place.price_micros_per_device_hour) if place else None,
        "terms": [
            {
                "offer": public("off", term.offer_id),
                "price_version": public("prc", term.price_version_id),
                "price_per_device_hour": won_text_from_micros(term.price_micros_per_device_hour),
                "selling_mode": term.selling_mode,
            }
            for term in row.terms
        ],
        "currency": CURRENCY,
        "conditions": [_condition(kind, body) for kind, body in sorted(row.conditions.items())],
        "priority": PRIORITIES[row.priority],
        "max_duration_s": row.max_duration_s,
        "max_wait_s": row.max_wait_s,
        "attempt": row.attempt,
        "deletion_protection": "on" if row.is_deletion_protected else "off",
        "created_by": row.created_by_name,
        "created_at": instant(row.created_at),
        "queued_at": instant(row.queued_at),
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "revision": row.revision,
    }


@lru_cache(maxsize=32)
def _actions(state: str, goal: str) -> tuple[str, ...]:
    return tuple(action.value for action in allowed_actions(state=State(state), goal=Goal(goal)))


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {
        "site": place.site,
        "cluster": place.cluster,
        "node": place.node,
        "nodes": place.nodes,
        "held": "yes" if place.is_held else "no",
    }


def _condition(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        "status": body["status"],
        "reason": body["reason"],
        "message": explain_condition(body["reason"], body.get("facts", {})),
        "facts": body.get("facts", {}),
        "at": body["at"].replace("+00:00", "Z"),
    }


def render_transition(row: Transition) -> dict[str, Any]:
    """One move."""
    return {
        "id": public("trn", row.id),
        "type": f"instance.{row.to_state}",
        "from": row.from_state or None,
        "to": row.to_state,
        "reason": row.reason,
        "message": explain_reason(row.reason),
        "detail": row.detail,
        "actor": row.actor_name,
        "occurred_at": instant(row.occurred_at),
        "reported_at": instant(row.reported_at),
        "recorded_at": instant(row.recorded_at),
    }


def render_usage(row: UsageInterval) -> dict[str, Any]:
    """One usage interval."""
    return {
        "id": public("use", row.id),
        "kind": row.kind,
        "rank": row.rank,
        "devices": row.devices,
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "price_per_device_hour": won_text_from_micros(row.term.price_micros_per_device_hour),
        "currency": CURRENCY,
    }


def render_decision(row: PlacementDecision) -> dict[str, Any]:
    """A placement decision with every candidate, its rule as token and as sentence."""
    return {
        "id": public("dec", row.id),
        "outcome": row.outcome,
        "reason": row.reason,
        "attempt": row.attempt,
        "decided_at": instant(row.decided_at),
        "inputs": row.inputs,
        "chosen": _chosen(row.chosen),
        "rejected": [_candidate(candidate) for candidate in row.candidates],
        "rules": row.rule_versions,
        "certificates": row.certificates,
    }


def _chosen(chosen: dict[str, Any] | None) -> dict[str, Any] | None:
    if chosen is None:
        return None
    rest = {name: value for name, value in chosen.items() if name != "price_micros_per_device_hour"}
    return {
        **rest,
        "price_per_device_hour": won_text_from_micros(chosen["price_micros_per_device_hour"]),
        "currency": CURRENCY,
    }


def _candidate(candidate: dict[str, Any]) -> dict[str, Any]:
    if "reasons" not in candidate:
        return candidate
    reasons = [
        {
            **reason,
            "message": explain_refusal(rule=reason["rule"], data_class=reason["data_class"], facts=reason["facts"]),
        }
        for reason in candidate["reasons"]
    ]
    return {**candidate, "reasons": reasons}


def render_diagnosis(found: Diagnosis) -> dict[str, Any]:
    """Why it waits or what happened."""
    return {
        "instance": public("ins", found.instance.id),
        "state": found.instance.state,
        "reasons": [
            {
                "code": finding.code,
                "blocking": "yes" if finding.is_blocking else "no",
                "message": finding.message,
                "facts": finding.facts,
                "remedies": list(finding.remedies),
            }
            for finding in found.findings
        ],
        "queue_position": found.queue_position,
        "eta": {"p50": instant(found.start_p50_at), "p90": instant(found.start_p90_at)},
        "charged_while_queued": False,
    }
