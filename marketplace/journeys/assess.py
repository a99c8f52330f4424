"""A customer records or withdraws its own assessment of a provider."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.inventory.assurance import AssessmentInvalid, record_assessment, withdraw_assessment
from marketplace.inventory.models import CustomerAssessment, Provider
from marketplace.inventory.queries import list_assessments
from marketplace.kernel.actors import Actor
from marketplace.kernel.clock import KST
from marketplace.kernel.errors import Forbidden, NotFound, ValidationFailed
from marketplace.kernel.hints import hint
from marketplace.tenants.access import get_project, require_permission


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentRequest:
    """What is recorded.

    Attributes:
        project_id: None = for every project of the organization.
        recheck_due_on: Last day in Seoul on which it holds for new placements.
        document: File name and content of the paper; None where the customer keeps it itself.
    """

    project_id: UUID | None
    provider: str
    scheme: str
    committee_on: date
    reported_on: date | None
    review_number: str
    recheck_due_on: date
    document: tuple[str, bytes] | None = None


def assess(*, actor: Actor, request: AssessmentRequest, now: datetime) -> CustomerAssessment:
    """Record an assessment; requests that waited for it are looked at at once.

    Raises:
        Forbidden: The actor may not, or is confined to projects and speaks for all of them.
        NotFound: The project is not the actor's.
        AssessmentInvalid, UploadTooLarge, DocumentInvalid: Nothing is written.
    """
    require_permission(actor=actor, permission="assurance.write")
    if request.project_id is not None:
        get_project(actor=actor, project_id=request.project_id)
    elif actor.project_ids is not None:
        raise Forbidden(details={"permission": "assurance.write"})
    provider = Provider.objects.filter(code=request.provider).first()
    if provider is None:
        raise AssessmentInvalid(reason=_("There is no such provider."), pointer="/provider")
    if not 2000 <= request.recheck_due_on.year < 2200:
        raise AssessmentInvalid(reason=_("A re-check is due within ten years."), pointer="/recheck_due_on")
    due = datetime.combine(request.recheck_due_on + timedelta(days=1), time.min, tzinfo=KST)
    made = record_assessment(
        actor=actor,
        tenant_id=actor.tenant_scope,
        project_id=request.project_id,
        provider_id=provider.id,
        scheme=request.scheme,
        committee_on=request.committee_on,
        reported_on=request.reported_on,
        review_number=request.review_number,
        recheck_due_at=due,
        document=request.document,
        now=now,
    )
    hint("instance.queued", made.id)
    return made


def withdraw(*, actor: Actor, assessment_id: UUID, reason: str, now: datetime) -> CustomerAssessment:
    """End an assessment from now on; running instances are left alone. Safe to repeat.

    Raises:
        Forbidden, NotFound: As everywhere.
        ValidationFailed: No reason was given.
    """
    require_permission(actor=actor, permission="assurance.write")
    found = list_assessments(actor=actor).filter(id=assessment_id).first()
    if found is None or (found.project_id is None and actor.project_ids is not None):
        raise NotFound
    if not reason.strip():
        raise ValidationFailed(reason=_("Say why; the audit log keeps it."), pointer="/reason")
    return withdraw_assessment(actor=actor, assessment=found, reason=reason.strip()[:1_000], now=now)
