"""Instances, decisions, diagnoses and usage as JSON."""

from functools import lru_cache
from typing import Any, Final

import orjson
from django.utils.translation import get_language

from billing.metering.meters import METERS, Meter
from billing.metering.texts import explain_cause
from billing.models import UsageInterval
from marketplace.api.rendering import instant, instant_from_text, known_public, public, public_from_text
from marketplace.instances.models import PlacementDecision, Transition
from marketplace.instances.queries import AgreedPrice, InstanceSummary, Place, SummaryRow, read_summary
from marketplace.instances.states import Goal, State, allowed_actions
from marketplace.instances.texts import explain_condition, explain_reason
from marketplace.journeys.diagnose import Diagnosis
from marketplace.kernel.money import CURRENCY, won_text_from_micros
from marketplace.sovereignty.texts import explain_refusal

PRIORITIES: Final = {-1: "low", 0: "normal", 1: "high"}


def render_instance(row: InstanceSummary) -> dict[str, Any]:
    """An instance."""
    place = row["place"]
    language = get_language()
    return {
        "id": public_from_text("ins", row["id"]),
        "name": row["name"],
        "project": known_public("prj", row["project_id"]),
        "kind": row["kind"],
        "state": row["state"],
        "state_reason": row["state_reason"],
        "state_message": explain_reason(row["state_reason"], language=language),
        "goal": row["goal"],
        "allowed_actions": _actions(row["state"], row["goal"]),
        "accelerators": row["accelerators"],
        "devices": row["devices"],
        "nodes": row["nodes"],
        "image": row["image"],
        "versions": row["versions"],
        "place": _place(place),
        "price_per_device_hour": won_text_from_micros(place["price_micros_per_device_hour"]) if place else None,
        "terms": [_term(term) for term in row["terms"] or ()],
        "currency": CURRENCY,
        "conditions": [_condition(kind, body, language) for kind, body in sorted(row["conditions"].items())],
        "priority": PRIORITIES[row["priority"]],
        "max_duration_s": row["max_duration_s"],
        "max_wait_s": row["max_wait_s"],
        "queue": _queue(row),
        "interruptible": "yes" if row["is_interruptible"] else "no",
        "interrupt_at": instant_from_text(row["interrupt_at"]),
        "attempt": row["attempt"],
        "deletion_protection": "on" if row["is_deletion_protected"] else "off",
        "created_by": row["created_by_name"],
        "created_at": instant_from_text(row["created_at"]),
        "queued_at": instant_from_text(row["queued_at"]),
        "started_at": instant_from_text(row["started_at"]),
        "ended_at": instant_from_text(row["ended_at"]),
        "revision": row["revision"],
    }


RENDERED_KEPT_MAX: Final = 2_000
"""Rows of lists whose JSON is kept: at ~3 KB, row and answer, 6 MB. Lists are polled, and most rows are as they were."""


def render_summary(row: SummaryRow) -> orjson.Fragment:
    """An instance in a list, as finished JSON. What it says depends on nothing but the row's text and the language."""
    return orjson.Fragment(_render_text(row.json, get_language()))


@lru_cache(maxsize=RENDERED_KEPT_MAX)
def _render_text(text: str, language: str | None) -> bytes:
    del language  # the active one, by which texts are chosen; here it only tells the kept answers apart
    return orjson.dumps(render_instance(read_summary(text)), default=str)


@lru_cache(maxsize=32)
def _actions(state: str, goal: str) -> tuple[str, ...]:
    return tuple(action.value for action in allowed_actions(state=State(state), goal=Goal(goal)))


def _queue(row: InstanceSummary) -> dict[str, Any] | None:
    """Where a waiting instance stands; null for every other."""
    if row["state"] != State.QUEUED:
        return None
    return {
        "position": row["queue_position"],
        "start_p50": instant_from_text(row["start_p50_at"]),
        "start_p90": instant_from_text(row["start_p90_at"]),
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {
        "site": place["site"],
        "cluster": place["cluster"],
        "node": place["node"],
        "nodes": place["nodes"],
        "held": "yes" if place["is_held"] else "no",
    }


def _term(term: AgreedPrice) -> dict[str, Any]:
    return {
        "offer": known_public("off", term["offer_id"]),
        "price_version": known_public("prc", term["price_version_id"]),
        "price_per_device_hour": won_text_from_micros(term["price_micros_per_device_hour"]),
        "selling_mode": term["selling_mode"],
    }


def _condition(kind: str, body: dict[str, Any], language: str | None) -> dict[str, Any]:
    facts = body.get("facts", {})
    return {
        "type": kind,
        "status": body["status"],
        "reason": body["reason"],
        "message": explain_condition(body["reason"], facts, language=language),
        "facts": facts,
        "at": instant_from_text(body["at"]),
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
        "reason": row.reason or None,
        "explanation": explain_cause(row.reason) or None,
        "meter": row.meter,
        "quantity": row.quantity,
        "unit": METERS[Meter(row.meter)].unit,
        "rank": row.rank,
        "devices": row.quantity if METERS[Meter(row.meter)].unit == "device" else None,
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "clock_skew_ms": row.clock_skew_ms,
        "price_per_device_hour": won_text_from_micros(row.agreed_price_micros),
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
