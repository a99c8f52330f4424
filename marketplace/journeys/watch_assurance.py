"""Alarms before certificates and assessments end, and who is affected when one has ended. Moves and ends nothing.

A certificate that ended needs no sweep to stop new placements: the rules look at its dates at each decision, to the second.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from marketplace.inventory.models import Certification, CustomerAssessment
from marketplace.inventory.queries import list_certifications
from marketplace.journeys.standing import Standing, judge_running
from marketplace.kernel.clock import KST
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import list_open_keys, raise_notice, resolve_notice

THRESHOLDS: Final = ((7, Severity.CRITICAL), (30, Severity.WARNING), (90, Severity.INFO))
"""Days left, soonest first; crossing one alarms again, also where somebody had said that they look after it."""
DAY: Final = timedelta(days=1)


def watch_assurance(*, now: datetime) -> int:
    """Open, raise and close the notices about certificates and assessments; how many are open. Safe to repeat.

    Requires an open staff transaction.
    """
    certificates = list(list_certifications())
    standings = judge_running(now=now)
    wanted: dict[str, dict[str, Any]] = {}
    for certificate in certificates:
        wanted.update(_about_certificate(certificate, certificates, standings, now=now))
    for assessment in CustomerAssessment.objects.filter(withdrawn_at__isnull=True).select_related("provider", "scheme"):
        wanted.update(_about_assessment(assessment, now=now))
    for key, values in wanted.items():
        raise_notice(key=key, now=now, **values)
    for prefix in ("certificate-expiring:", "certificate-ended:", "assessment-due:"):
        for key in list_open_keys(prefix=prefix):
            if key not in wanted:
                resolve_notice(key=key, now=now)
    return len(wanted)


def list_affected(*, certification: Certification, now: datetime) -> list[Standing]:
    """Instances that run on a site which would be refused now, and that were placed on this certificate."""
    return _affected(certification, judge_running(now=now))


def _affected(certification: Certification, standings: Sequence[Standing]) -> list[Standing]:
    return [item for item in standings if item.is_affected and str(certification.id) in item.relied_on]


def has_ended(certification: Certification, *, now: datetime) -> bool:
    """Expired or revoked."""
    revoked = certification.revoked_at
    return certification.valid_to <= now or (revoked is not None and revoked <= now)


def severity_of(left: timedelta) -> Severity | None:
    """How much an end in so much time matters; None beyond 90 days."""
    return next((severity for days, severity in THRESHOLDS if left <= days * DAY), None)


def _about_certificate(
    certification: Certification, everything: Sequence[Certification], standings: Sequence[Standing], *, now: datetime
) -> dict[str, dict[str, Any]]:
    facts = {
        "document": certification.document_number or certification.scheme.code,
        "scheme": certification.scheme.name_ko,
        "holder": certification.site.code if certification.site else str(certification.provider),
        "day": f"{certification.valid_to.astimezone(KST):%Y-%m-%d}",
    }
    about = {"object_type": "crt", "object_id": certification.id}
    if has_ended(certification, now=now):
        return _about_ended(certification, _affected(certification, standings), facts, about)
    severity = severity_of(certification.valid_to - now)
    if severity is None or _is_renewed(certification, everything):
        return {}
    days = (certification.valid_to - now) // DAY
    return {
        f"certificate-expiring:{certification.id}": {
            **about, "code": "certificate.expiring", "severity": severity, "facts": {**facts, "days": days},
        }
    }  # fmt: skip


def _about_ended(
    certification: Certification, affected: Sequence[Standing], facts: dict[str, str], about: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    if not affected:
        return {}
    key = f"certificate-ended:{certification.id}"
    told: dict[str, dict[str, Any]] = {
        key: {
            **about, "code": "certificate.ended", "severity": Severity.CRITICAL,
            "facts": {**facts, "instances": len(affected)},
        }
    }  # fmt: skip
    tenants: Counter[UUID] = Counter(item.tenant_id for item in affected)
    for tenant_id, count in tenants.items():
        names = ", ".join(item.instance for item in affected if item.tenant_id == tenant_id)[:200]
        told[f"{key}:{tenant_id}"] = {
            **about, "tenant_id": tenant_id, "code": "certificate.ended_for_tenant", "severity": Severity.WARNING,
            "facts": {**facts, "instances": count, "names": names},
        }  # fmt: skip
    return told


def _is_renewed(certification: Certification, everything: Sequence[Certification]) -> bool:
    """Whether another certificate of the same holder takes over without a gap."""
    same = (certification.scheme_id, certification.level, certification.site_id, certification.provider_id)
    return any(
        (other.scheme_id, other.level, other.site_id, other.provider_id) == same
        and other.revoked_at is None
        and other.valid_from <= certification.valid_to < other.valid_to
        for other in everything
        if other.id != certification.id
    )


def _about_assessment(assessment: CustomerAssessment, *, now: datetime) -> dict[str, dict[str, Any]]:
    severity = severity_of(assessment.recheck_due_at - now)
    same: dict[str, Any] = {
        "tenant_id": assessment.tenant_id,
        "project_id": assessment.project_id,
        "provider_id": assessment.provider_id,
        "scheme_id": assessment.scheme_id,
    }
    newer = CustomerAssessment.objects.filter(
        withdrawn_at__isnull=True, recheck_due_at__gt=assessment.recheck_due_at, **same
    )
    if severity is None or newer.exists():
        return {}
    facts = {
        "number": assessment.review_number,
        "provider": assessment.provider.name_ko,
        "scheme": assessment.scheme.name_ko,
        "day": f"{assessment.recheck_due_at.astimezone(KST):%Y-%m-%d}",
    }
    return {
        f"assessment-due:{assessment.id}": {
            "tenant_id": assessment.tenant_id, "project_id": assessment.project_id, "code": "assessment.due",
            "severity": severity, "facts": facts, "object_type": "asm", "object_id": assessment.id,
        }
    }  # fmt: skip
