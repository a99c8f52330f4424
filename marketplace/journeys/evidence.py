"""The evidence pack of an instance: why it ran where it ran, from stored data alone, signed, and decidable again by anybody.

Nothing is judged here: a pack made in three years says what was known and decided then. `deploy/verify_evidence.py` checks it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from billing.models import UsageInterval
from billing.queries import list_usage
from marketplace.instances.models import Allocation, DecisionOutcome, Instance, PlacementDecision, Transition
from marketplace.instances.queries import get_instance, list_decisions, list_transitions
from marketplace.inventory.models import AssuranceDocument, Certification, CustomerAssessment
from marketplace.kernel import ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import list_acts
from marketplace.kernel.canonical import canonical_json
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.models import AuditEntry
from marketplace.kernel.signing import sign_bytes
from marketplace.sovereignty.evidence import at
from marketplace.sovereignty.models import DataClassRule
from marketplace.tenants.access import require_permission

SCHEMA: Final = "ondol.evidence/1"
"""Version of the pack's shape; the program that checks it names the ones it knows."""
DECISIONS_MAX: Final = 500
"""An instance that waits for days has a decision per new reason; the newest so many are handed out."""


class PeriodInvalid(ValidationFailed):
    """A period that ends before it begins, or before the instance was rented."""

    code = "period_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePack:
    """The pack as it is handed out: `evidence` was signed in its canonical form."""

    file_stem: str
    content: dict[str, Any]


def build_evidence(
    *, actor: Actor, instance_id: UUID, period_from: datetime | None, period_to: datetime | None, now: datetime
) -> EvidencePack:
    """Collect and sign everything about where an instance ran in a half-open period. Reads only; may be repeated.

    Args:
        period_from, period_to: Default: from the rent until now.

    Raises:
        NotFound, Forbidden: As everywhere; it needs to read instances, usage and the audit log.
        PeriodInvalid: Nothing can be in the period.
        SigningKeyMissing: The installation cannot sign.
    """
    for permission in ("instances.read", "usage.read", "audit.read"):
        require_permission(actor=actor, permission=permission)
    instance = get_instance(actor=actor, instance_id=instance_id)
    start, end = _cut_period(instance, period_from, period_to, now=now)
    evidence = _collect(actor, instance, start, end, now=now)
    signature = sign_bytes(canonical_json(evidence))
    public = ids.format_id(prefix="ins", value=instance.id)
    return EvidencePack(
        file_stem=f"evidence-{public}-{start:%Y%m%d}-{end:%Y%m%d}",
        content={"evidence": evidence, "signature": asdict(signature)},
    )


def _cut_period(
    instance: Instance, period_from: datetime | None, period_to: datetime | None, *, now: datetime
) -> tuple[datetime, datetime]:
    """The part of the wanted period in which there can be anything: from the rent until now."""
    if period_from is not None and period_to is not None and period_to <= period_from:
        raise PeriodInvalid(reason=_("The period ends before it begins."), pointer="?to")
    start = max(period_from, instance.created_at) if period_from else instance.created_at
    end = min(period_to, now) if period_to else now
    if end <= start:
        raise PeriodInvalid(reason=_("The instance did not exist in this period."), pointer="?from")
    return start, end


def _collect(actor: Actor, instance: Instance, start: datetime, end: datetime, *, now: datetime) -> dict[str, Any]:
    runs = _list_runs(instance, start, end)
    decisions = _list_decisions(actor, instance, runs, start=start, end=end)
    usage = list_usage(actor=actor, instance_id=instance.id).filter(_overlaps("started_at", "ended_at", start, end))
    moves = list_transitions(actor=actor, instance_id=instance.id).filter(occurred_at__gte=start, occurred_at__lt=end)
    acts = list_acts(tenant_id=instance.tenant_id, object_id=instance.id, start=start, end=end)
    return {
        "schema": SCHEMA,
        "installation": str(settings.INSTALLATION_ID),
        "produced_at": at(now),
        "produced_by": actor.name,
        "period": {"from": at(start), "to": at(end)},
        "organization": {"id": str(instance.tenant_id), "name": instance.tenant.name, "sector": instance.tenant.sector},
        "project": {
            "id": str(instance.project_id),
            "name": instance.project.name,
            "data_classes": sorted(instance.project.data_classes),
        },
        "instance": _describe_instance(instance),
        "rules": _read_rules(decisions),
        "facts": {row.facts.sha256: row.facts.body for row in decisions if row.facts is not None},
        "decisions": [_describe_decision(row) for row in decisions],
        "runs": [_describe_run(run) for run in runs],
        "transitions": [_describe_move(row) for row in moves],
        "usage": [_describe_usage(row) for row in usage.order_by("started_at", "rank")],
        "certificates": _read_certificates(decisions),
        "assessments": _read_assessments(decisions),
        "audit": [_describe_act(row) for row in acts],
    }


def _overlaps(began: str, ended: str, start: datetime, end: datetime) -> Q:
    still = Q(**{f"{ended}__isnull": True}) | Q(**{f"{ended}__gt": start})
    return Q(**{f"{began}__lt": end}) & still


def _list_runs(instance: Instance, start: datetime, end: datetime) -> list[Allocation]:
    rows = instance.allocations.filter(_overlaps("allocated_at", "released_at", start, end))
    return list(rows.select_related("stock__node__cluster__site", "stock__accelerator").order_by("attempt", "rank"))


def _list_decisions(
    actor: Actor, instance: Instance, runs: Sequence[Allocation], *, start: datetime, end: datetime
) -> list[PlacementDecision]:
    """What was decided in the period, and what was decided before for runs that reach into it; oldest first."""
    mine = list_decisions(actor=actor, instance_id=instance.id).select_related("facts")
    within = Q(decided_at__gte=start, decided_at__lt=end)
    for_runs = Q(outcome=DecisionOutcome.PLACED, attempt__in={run.attempt for run in runs})
    return sorted(mine.filter(within | for_runs)[:DECISIONS_MAX], key=lambda row: (row.decided_at, row.id))


def _describe_instance(instance: Instance) -> dict[str, Any]:
    return {
        "id": str(instance.id),
        "public_id": ids.format_id(prefix="ins", value=instance.id),
        "name": instance.name,
        "kind": instance.kind,
        "devices": instance.devices,
        "image": instance.image,
        "rented_by": instance.created_by_name,
        "rented_at": at(instance.created_at),
        "ended_at": at(instance.ended_at),
        "state": instance.state,
    }


def _read_rules(decisions: Iterable[PlacementDecision]) -> dict[str, Any]:
    wanted = {rule["id"] for row in decisions for rule in row.rule_versions}
    rows = DataClassRule.objects.filter(id__in=wanted).select_related("data_class")
    return {
        str(row.id): {
            "data_class": row.data_class.code,
            "version": row.version,
            "requirements": row.requirements,
            "source": row.source,
            "effective_from": at(row.effective_from),
            "effective_to": at(row.effective_to),
        }
        for row in rows
    }


def _describe_decision(row: PlacementDecision) -> dict[str, Any]:
    return {
        "id": ids.format_id(prefix="dec", value=row.id),
        "attempt": row.attempt,
        "outcome": row.outcome,
        "reason": row.reason,
        "decided_at": at(row.decided_at),
        "inputs": row.inputs,
        "chosen": row.chosen,
        "candidates": row.candidates,
        "rules": row.rule_versions,
        "certificates": row.certificates,
        "assessments": row.assessments,
        "facts": row.facts.sha256 if row.facts is not None else None,
    }


def _describe_run(run: Allocation) -> dict[str, Any]:
    node = run.stock.node
    return {
        "attempt": run.attempt,
        "rank": run.rank,
        "site": node.cluster.site.code,
        "jurisdiction": node.cluster.site.jurisdiction,
        "cluster": node.cluster.name,
        "cluster_identity": str(node.cluster.identity),
        "node": node.name,
        "node_uid": node.uid,
        "is_node_dedicated": run.is_node_dedicated,
        "accelerator": run.stock.accelerator.code,
        "devices": run.devices,
        "allocated_at": at(run.allocated_at),
        "released_at": at(run.released_at),
    }


def _describe_move(row: Transition) -> dict[str, Any]:
    return {
        "at": at(row.occurred_at),
        "recorded_at": at(row.recorded_at),
        "from": row.from_state,
        "to": row.to_state,
        "reason": row.reason,
        "by": row.actor_name,
        "attempt": row.attempt,
    }


def _describe_usage(row: UsageInterval) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "kind": row.kind,
        "devices": row.quantity,
        "started_at": at(row.started_at),
        "ended_at": at(row.ended_at),
    }


def _relied_on(decisions: Iterable[PlacementDecision], member: str) -> set[str]:
    return {item["id"] for row in decisions for item in getattr(row, member)}


def _describe_paper(paper: AssuranceDocument | None) -> dict[str, Any] | None:
    if paper is None:
        return None
    return {"file_name": paper.file_name, "hash_suite": paper.hash_suite, "digest": paper.digest}


def _read_certificates(decisions: Sequence[PlacementDecision]) -> dict[str, Any]:
    """As they stand when the pack is made: also what happened to them since."""
    rows = Certification.objects.filter(id__in=_relied_on(decisions, "certificates"))
    rows = rows.select_related("scheme", "site", "provider", "document").defer("document__content")
    return {
        str(row.id): {
            "scheme": row.scheme.code,
            "level": row.level,
            "issuer": row.issuer,
            "document": row.document_number,
            "holder": row.site.code if row.site else row.provider.code if row.provider else "",
            "valid_from": at(row.valid_from),
            "valid_to": at(row.valid_to),
            "revoked_at": at(row.revoked_at),
            "revocation_reason": row.revocation_reason,
            "paper": _describe_paper(row.document),
        }
        for row in rows
    }


def _read_assessments(decisions: Sequence[PlacementDecision]) -> dict[str, Any]:
    rows = CustomerAssessment.objects.filter(id__in=_relied_on(decisions, "assessments"))
    rows = rows.select_related("scheme", "provider", "document").defer("document__content")
    return {
        str(row.id): {
            "scheme": row.scheme.code,
            "provider": row.provider.code,
            "review_number": row.review_number,
            "committee_on": row.committee_on.isoformat(),
            "reported_on": row.reported_on.isoformat() if row.reported_on else None,
            "valid_from": at(row.valid_from),
            "recheck_due_at": at(row.recheck_due_at),
            "withdrawn_at": at(row.withdrawn_at),
            "paper": _describe_paper(row.document),
        }
        for row in rows
    }


def _describe_act(row: AuditEntry) -> dict[str, Any]:
    return {
        "at": at(row.occurred_at),
        "action": row.action,
        "by": row.actor_name,
        "address": row.address,
        "request": row.request_id,
        "reason": row.reason,
        "changes": row.changes,
    }
