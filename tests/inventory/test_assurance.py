"""Certificates and assessments: what is refused, what is kept, what can never be changed."""

import hashlib
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.utils import InternalError

from marketplace.inventory.assurance import (
    AssessmentInvalid,
    CertificationInvalid,
    DocumentInvalid,
    add_certification,
    record_assessment,
    revoke_certification,
    withdraw_assessment,
)
from marketplace.inventory.models import AssuranceDocument, Certification, CustomerAssessment
from marketplace.inventory.queries import list_assessments
from marketplace.kernel.actors import as_actor, savepoint
from marketplace.kernel.models import AuditEntry
from marketplace.kernel.uploads import UploadTooLarge
from tests.market import NOW, STAFF, Renter, SmallMarket, add_renter, build_market

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7 a certificate"
YEAR = timedelta(days=365)


@pytest.fixture
def market() -> SmallMarket:
    """One site without certificates."""
    return build_market(is_certified=False)


def certify(market: SmallMarket, **changes: Any) -> Certification:
    """A CSAP mid of the site for a year from now."""
    plain: dict[str, Any] = {
        "actor": STAFF, "scheme": "csap", "level": "mid", "issuer": "KISA", "document_number": "CSAP-1",
        "valid_from": NOW, "valid_to": NOW + YEAR, "site_id": market.site.id, "now": NOW,
    }  # fmt: skip
    with as_actor(STAFF):
        return add_certification(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"valid_to": NOW}, "/valid_to"),
        ({"valid_to": NOW - YEAR}, "/valid_to"),
        ({"valid_to": NOW + 20 * YEAR}, "/valid_to"),
        ({"scheme": "csap2"}, "/scheme"),
        ({"scheme": "security-review", "level": ""}, "/scheme"),
        ({"level": "medium"}, "/level"),
        ({"scheme": "isms-p", "level": "mid"}, "/level"),
        ({"site_id": None}, "/site"),
    ],
)
def test_a_certificate_that_cannot_be_is_refused_by_its_member(
    market: SmallMarket, changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(CertificationInvalid) as refused:
        certify(market, **changes)
    assert refused.value.pointer == pointer
    with as_actor(STAFF):
        assert not Certification.objects.exists()


def test_overlapping_validity_is_refused_and_says_with_which(market: SmallMarket) -> None:
    """A renewal begins where the old one ends; after a revocation it may begin at once; another level is another paper."""
    first = certify(market)
    with pytest.raises(CertificationInvalid, match="certification_invalid") as refused:
        certify(market, document_number="CSAP-2", valid_from=NOW + YEAR - timedelta(days=1), valid_to=NOW + 2 * YEAR)
    assert "CSAP-1" in str(refused.value.facts["reason"])
    certify(market, document_number="CSAP-2", valid_from=NOW + YEAR, valid_to=NOW + 2 * YEAR)
    certify(market, document_number="CSAP-3", level="low")
    with as_actor(STAFF):
        revoke_certification(actor=STAFF, certification_id=first.id, reason="심사 취소", now=NOW)
    certify(market, document_number="CSAP-4")
    with as_actor(STAFF):
        assert Certification.objects.count() == 4


def test_the_database_itself_refuses_an_overlap_and_an_edit(market: SmallMarket) -> None:
    """Neither a race nor a script can do what the operation refuses."""
    first = certify(market)
    with as_actor(STAFF):
        with pytest.raises(IntegrityError, match="inventory_certification_no_overlap"), savepoint():
            first.pk = None
            Certification.objects.create(
                scheme=first.scheme, level="mid", issuer="x", site=market.site, valid_from=NOW, valid_to=NOW + YEAR
            )
        with pytest.raises((IntegrityError, InternalError), match="append-only"), savepoint():
            Certification.objects.update(valid_to=NOW + 5 * YEAR)


def test_the_paper_is_kept_with_its_hash(market: SmallMarket) -> None:
    certification = certify(market, document=("스캔/인증서.pdf", PDF))
    with as_actor(STAFF):
        paper = AssuranceDocument.objects.get()
    assert certification.document_id == paper.id
    assert (paper.file_name, paper.media_type, paper.size_bytes) == ("인증서.pdf", "application/pdf", len(PDF))
    assert (paper.hash_suite, paper.digest) == ("sha-256", hashlib.sha256(PDF).hexdigest())


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", DocumentInvalid), (b"MZ\x90 a program", DocumentInvalid), (PDF + bytes(50 * 1024 * 1024), UploadTooLarge)],
    ids=["empty", "program", "50 MB"],
)
def test_a_paper_that_cannot_be_kept_leaves_nothing(
    market: SmallMarket, content: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        certify(market, document=("x.pdf", content))
    with as_actor(STAFF):
        assert not Certification.objects.exists()
        assert not AssuranceDocument.objects.exists()


def assess(renter: Renter, market: SmallMarket, **changes: Any) -> CustomerAssessment:
    """The bank's own assessment of the provider, due again in a year."""
    plain: dict[str, Any] = {
        "actor": renter.actor, "tenant_id": renter.tenant.id, "project_id": None, "provider_id": market.site.provider_id,
        "scheme": "finance-own-assessment", "committee_on": date(2026, 11, 20), "reported_on": date(2026, 11, 23),
        "review_number": "정보보호위 2026-7", "recheck_due_at": NOW + YEAR, "now": NOW,
    }  # fmt: skip
    with as_actor(renter.actor):
        return record_assessment(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"scheme": "csap"}, "/scheme"),
        ({"review_number": "  "}, "/review_number"),
        ({"committee_on": date(2026, 11, 25)}, "/committee_on"),
        ({"reported_on": date(2026, 11, 19)}, "/reported_on"),
        ({"recheck_due_at": NOW}, "/recheck_due_on"),
        ({"recheck_due_at": NOW + 11 * YEAR}, "/recheck_due_on"),
    ],
)
def test_an_assessment_that_cannot_be_is_refused_by_its_member(
    market: SmallMarket, changes: dict[str, Any], pointer: str
) -> None:
    renter = add_renter()
    with pytest.raises(AssessmentInvalid) as refused:
        assess(renter, market, **changes)
    assert refused.value.pointer == pointer
    with as_actor(STAFF):
        assert not CustomerAssessment.objects.exists()


def test_an_assessment_is_its_tenants_alone_and_is_withdrawn_not_edited(market: SmallMarket) -> None:
    renter = add_renter()
    other = add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))
    made = assess(renter, market, document=("minutes.pdf", PDF))
    with as_actor(other.actor):
        assert not list_assessments(actor=other.actor).exists()
        assert not AssuranceDocument.objects.exists()
    with as_actor(renter.actor):
        withdrawn = withdraw_assessment(actor=renter.actor, assessment=made, reason="공급사 변경", now=NOW)
        assert withdrawn.withdrawn_at == NOW
        with pytest.raises((IntegrityError, InternalError), match="append-only"), savepoint():
            CustomerAssessment.objects.update(review_number="another")
    with as_actor(STAFF):
        acts = AuditEntry.objects.filter(object_id=made.id).order_by("id").values_list("action", "tenant_id")
        assert list(acts) == [
            ("assessment.recorded", renter.tenant.id), ("assessment.withdrawn", renter.tenant.id),
        ]  # fmt: skip
