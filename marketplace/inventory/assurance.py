"""The one writer of certificates, customers' assessments and their papers; nothing is edited, only revoked or withdrawn."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import (
    AssuranceDocument,
    Certification,
    CustomerAssessment,
    Provider,
    Site,
)
from marketplace.inventory.models.assurance_document import DOCUMENT_BYTES_MAX
from marketplace.kernel import crypto
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.clock import KST
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.kernel.uploads import UploadTooLarge
from marketplace.sovereignty.models import AssuranceScheme, HeldBy

MEDIA_TYPES: Final[Mapping[bytes, str]] = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}
"""Told by the first bytes, never by the name: what is kept for years must open, and must not run."""
VALIDITY_MAX: Final = timedelta(days=3_660)
"""No scheme certifies for more than ten years; a longer validity is a slip of the pen (2062 for 2026)."""


class CertificationInvalid(ValidationFailed):
    """Inverted or overlapping validity, an unknown level, or no single holder."""

    code = "certification_invalid"


class AssessmentInvalid(ValidationFailed):
    """Inverted dates, a scheme that is no customer's, or a project of somebody else."""

    code = "assessment_invalid"


class DocumentInvalid(ValidationFailed):
    """An empty file, or neither PDF, PNG nor JPEG."""

    code = "document_invalid"


def keep_document(
    *, actor: Actor, file_name: str, content: bytes, tenant_id: UUID | None, now: datetime
) -> AssuranceDocument:
    """Keep a paper with its hash.

    Args:
        tenant_id: Whose assessment it belongs to; None for certificates, which everybody may open.

    Raises:
        UploadTooLarge: Over 10 MiB; nothing is kept.
        DocumentInvalid: Empty, or of another kind than PDF, PNG and JPEG.
    """
    if len(content) > DOCUMENT_BYTES_MAX:
        raise UploadTooLarge(facts={"limit_mib": DOCUMENT_BYTES_MAX // 1024 // 1024}, pointer="/document")
    media_type = next((kind for start, kind in MEDIA_TYPES.items() if content.startswith(start)), None)
    if media_type is None:
        raise DocumentInvalid(reason=_("The document is a PDF, PNG or JPEG file."), pointer="/document")
    suite, value = crypto.digest(content)
    return AssuranceDocument.objects.create(
        tenant_id=tenant_id,
        file_name=file_name.rpartition("/")[2][-200:],
        media_type=media_type,
        size_bytes=len(content),
        hash_suite=suite,
        digest=value,
        content=content,
        uploaded_by=actor.name,
        uploaded_at=now,
    )


def add_certification(
    *,
    actor: Actor,
    scheme: str,
    level: str,
    issuer: str,
    document_number: str,
    valid_from: datetime,
    valid_to: datetime,
    now: datetime,
    site_id: UUID | None = None,
    provider_id: UUID | None = None,
    document: tuple[str, bytes] | None = None,
    reason: str = "",
) -> Certification:
    """Record a certificate of one site or one provider, with its paper.

    Args:
        document: File name and content.

    Raises:
        CertificationInvalid: Unknown scheme or level, inverted or overlapping validity, or not exactly one holder.
        UploadTooLarge, DocumentInvalid: The paper cannot be kept; nothing is written.

    Locks the holder's row, so that two recorders cannot both find no overlap.
    """
    known = _check_scheme(scheme, level, held_by=HeldBy.SUPPLIER)
    _check_validity(valid_from, valid_to)
    if (site_id is None) == (provider_id is None):
        raise CertificationInvalid(reason=_("Name one holder: a site or a provider."), pointer="/site")
    _lock_holder(site_id, provider_id)
    same = {"scheme": known, "level": level, "site_id": site_id, "provider_id": provider_id}
    _refuse_overlap(valid_from=valid_from, valid_to=valid_to, same=same)
    paper = (
        keep_document(actor=actor, file_name=document[0], content=document[1], tenant_id=None, now=now)
        if document
        else None
    )
    certification = Certification.objects.create(
        scheme=known,
        level=level,
        issuer=issuer,
        document_number=document_number,
        site_id=site_id,
        provider_id=provider_id,
        valid_from=valid_from,
        valid_to=valid_to,
        document=paper,
    )
    record_act(
        actor=actor, action="certification.added", object_type="crt", object_id=certification.id, reason=reason, now=now,
        changes={"scheme": scheme, "level": level, "document": document_number, "valid_to": valid_to.isoformat()},
    )  # fmt: skip
    return certification


def _lock_holder(site_id: UUID | None, provider_id: UUID | None) -> None:
    if site_id is not None:
        Site.objects.select_for_update(no_key=True).get(id=site_id)
    if provider_id is not None:
        Provider.objects.select_for_update(no_key=True).get(id=provider_id)


def _check_scheme(scheme: str, level: str, *, held_by: HeldBy) -> AssuranceScheme:
    known = AssuranceScheme.objects.filter(code=scheme, held_by=held_by).first()
    if known is None:
        raise CertificationInvalid(reason=_("Unknown assurance scheme."), pointer="/scheme")
    if known.levels and level not in known.levels:
        raise CertificationInvalid(reason=_("The scheme has no such level."), pointer="/level")
    if level and not known.levels:
        raise CertificationInvalid(reason=_("The scheme has no levels."), pointer="/level")
    return known


def _check_validity(valid_from: datetime, valid_to: datetime) -> None:
    if valid_to <= valid_from:
        raise CertificationInvalid(reason=_("The validity ends before it begins."), pointer="/valid_to")
    if valid_to - valid_from > VALIDITY_MAX:
        raise CertificationInvalid(reason=_("No certificate holds for more than ten years."), pointer="/valid_to")


def _refuse_overlap(*, valid_from: datetime, valid_to: datetime, same: Mapping[str, Any]) -> None:
    """A friendlier answer than the database's exclusion constraint, which has the last word."""
    running = Certification.objects.filter(revoked_at__isnull=True, valid_from__lt=valid_to, valid_to__gt=valid_from)
    other = running.filter(**same).first()
    if other is not None:
        reason = _("It overlaps %(document)s, which holds from %(start)s to %(end)s; begin there, or revoke that one.")
        facts = {
            "document": other.document_number or str(same["scheme"]),
            "start": _day(other.valid_from),
            "end": _day(other.valid_to),
        }
        raise CertificationInvalid(reason=reason % facts, pointer="/valid_from")


def _day(instant: datetime) -> str:
    return f"{instant.astimezone(KST):%Y-%m-%d}"


def revoke_certification(*, actor: Actor, certification_id: UUID, reason: str, now: datetime) -> Certification:
    """End a certificate now; new placements that need it stop at this second, running instances are left alone. Safe to repeat.

    Raises:
        NotFound: There is none.

    Locks the certificate.
    """
    certification = Certification.objects.select_for_update(no_key=True).filter(id=certification_id).first()
    if certification is None:
        raise NotFound
    if certification.revoked_at is None:
        certification.revoked_at = now
        certification.revocation_reason = reason
        certification.save(update_fields=["revoked_at", "revocation_reason"])
        record_act(
            actor=actor,
            action="certification.revoked",
            object_type="crt",
            object_id=certification.id,
            reason=reason,
            now=now,
        )
    return certification


def record_assessment(
    *,
    actor: Actor,
    tenant_id: UUID,
    project_id: UUID | None,
    provider_id: UUID,
    scheme: str,
    committee_on: date,
    reported_on: date | None,
    review_number: str,
    recheck_due_at: datetime,
    now: datetime,
    document: tuple[str, bytes] | None = None,
) -> CustomerAssessment:
    """Record the customer's own assessment of a provider; it holds from now on, not before it was known.

    The caller has checked that the project is the actor's.

    Raises:
        AssessmentInvalid: A scheme that is not a customer's, no number, or dates out of order.
        UploadTooLarge, DocumentInvalid: The paper cannot be kept; nothing is written.
    """
    known = AssuranceScheme.objects.filter(code=scheme, held_by=HeldBy.CUSTOMER).first()
    if known is None:
        raise AssessmentInvalid(reason=_("This is no assessment that customers make themselves."), pointer="/scheme")
    _check_assessment(
        review_number=review_number,
        committee_on=committee_on,
        reported_on=reported_on,
        recheck_due_at=recheck_due_at,
        now=now,
    )
    paper = (
        keep_document(actor=actor, file_name=document[0], content=document[1], tenant_id=tenant_id, now=now)
        if document
        else None
    )
    assessment = CustomerAssessment.objects.create(
        tenant_id=tenant_id,
        project_id=project_id,
        provider_id=provider_id,
        scheme=known,
        committee_on=committee_on,
        reported_on=reported_on,
        review_number=review_number.strip(),
        valid_from=now,
        recheck_due_at=recheck_due_at,
        document=paper,
        recorded_by=actor.name,
        recorded_at=now,
    )
    record_act(
        actor=actor, action="assessment.recorded", object_type="asm", object_id=assessment.id, tenant_id=tenant_id, now=now,
        changes={"scheme": scheme, "review_number": review_number, "recheck_due": recheck_due_at.isoformat()},
    )  # fmt: skip
    return assessment


def _check_assessment(
    *, review_number: str, committee_on: date, reported_on: date | None, recheck_due_at: datetime, now: datetime
) -> None:
    today = now.astimezone(KST).date()
    checks = (
        (review_number.strip(), "/review_number", _("Name the number of the review or of the committee's minutes.")),
        (committee_on <= today, "/committee_on", _("The committee has not met yet; record it when it has agreed.")),
        (
            reported_on is None or committee_on <= reported_on <= today,
            "/reported_on",
            _("The report to the supervisor follows the committee and is not in the future."),
        ),
        (
            recheck_due_at > now,
            "/recheck_due_on",
            _("The re-check is due in the past; make the assessment anew first."),
        ),
        (recheck_due_at - now <= VALIDITY_MAX, "/recheck_due_on", _("A re-check is due within ten years.")),
    )
    for is_fine, pointer, reason in checks:
        if not is_fine:
            raise AssessmentInvalid(reason=reason, pointer=pointer)


def withdraw_assessment(
    *, actor: Actor, assessment: CustomerAssessment, reason: str, now: datetime
) -> CustomerAssessment:
    """End an assessment now; new placements that need it stop, running instances are left alone. Safe to repeat.

    Locks the assessment.
    """
    locked = CustomerAssessment.objects.select_for_update(no_key=True).get(id=assessment.id)
    if locked.withdrawn_at is None:
        locked.withdrawn_at = now
        locked.withdrawal_reason = reason
        locked.save(update_fields=["withdrawn_at", "withdrawal_reason"])
        record_act(
            actor=actor, action="assessment.withdrawn", object_type="asm", object_id=locked.id,
            tenant_id=locked.tenant_id, reason=reason, now=now,
        )  # fmt: skip
    return locked
