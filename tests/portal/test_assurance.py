"""Own assessments on the portal and by the API: record, withdraw, who may."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from marketplace.inventory.assurance import add_certification
from marketplace.inventory.models import AssuranceDocument, Certification, CustomerAssessment, Site
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.tenants.models import Role
from tests.api.caller import make_caller
from tests.market import NOW, STAFF, Renter, add_renter
from tests.portal.test_pages import add_person, renter, signed_in

__all__ = ["renter", "signed_in"]
pytestmark = pytest.mark.django_db

FORM = {
    "provider": "hanbit", "scheme": "finance-own-assessment", "project": "", "review_number": "정보보호위 2026-7",
    "committee_on": "2026-11-20", "reported_on": "2026-11-23", "recheck_due_on": "2027-11-19",
}  # fmt: skip


def hand_in(client: Client, content: bytes = b"%PDF-1.7 minutes", **changes: Any) -> Any:
    """Record with a paper."""
    paper = io.BytesIO(content)
    paper.name = "minutes.pdf"
    return client.post("/assurance", {**FORM, **changes, "document": paper})


def test_an_assessment_is_recorded_with_its_paper_and_shown(signed_in: Client, renter: Renter) -> None:
    """It holds through the last day in Seoul."""
    assert hand_in(signed_in).status_code == 302
    with as_actor(STAFF):
        row = CustomerAssessment.objects.get()
        paper = AssuranceDocument.objects.get()
    assert (row.tenant_id, paper.tenant_id) == (renter.tenant.id, renter.tenant.id)
    assert row.recheck_due_at.isoformat() == "2027-11-19T15:00:00+00:00"
    for language, word in (("en", "Own assessment of the provider"), ("ko", "이용자 자체 평가")):
        signed_in.cookies["ondol_language"] = language
        text = signed_in.get("/assurance").content.decode()
        assert word in text
        assert "정보보호위 2026-7" in text


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"committee_on": "2026-12-01"}, 422, "The committee has not met yet"),
        ({"recheck_due_on": "2026-11-01"}, 422, "The re-check is due in the past"),
        ({"recheck_due_on": "soon"}, 422, "Give a day such as 2026-11-24."),
        ({"provider": "nobody"}, 422, "There is no such provider."),
        ({"content": b"%PDF-" + bytes(50 * 1024 * 1024)}, 413, "The file is larger than 10 MiB."),
        ({"content": b"MZ"}, 422, "The document is a PDF, PNG or JPEG file."),
    ],
)
def test_bad_input_is_told_and_nothing_is_kept(
    signed_in: Client, changes: dict[str, Any], status: int, sentence: str
) -> None:
    response = hand_in(signed_in, **changes)
    text = response.content.decode()
    assert response.status_code == status
    assert sentence in text
    assert 'value="정보보호위 2026-7"' in text
    with as_actor(STAFF):
        assert not CustomerAssessment.objects.exists()
        assert not AssuranceDocument.objects.exists()


def test_who_may_not_record_is_told_whom_to_ask(renter: Renter, client: Client) -> None:
    add_person(renter)
    client.force_login(add_person(renter, email="developer@gaon.example", role=Role.DEVELOPER))
    client.cookies["ondol_language"] = "en"
    text = client.get("/assurance").content.decode()
    assert "Your role cannot record assessments. Whom to ask:" in text
    assert "engineer@gaon.example" in text
    assert hand_in(client).status_code == 403
    with as_actor(STAFF):
        assert not CustomerAssessment.objects.exists()


def test_the_api_records_lists_and_withdraws_within_the_tenant(renter: Renter) -> None:
    caller = make_caller(renter)
    body = {**FORM, "project": caller.project}
    status, made, _response = caller.call("POST", "/assessments", body)
    assert (status, made["provider"], made["withdrawn_at"]) == (201, "hanbit", None)
    assert caller.call("POST", "/assessments", {**body, "scheme": "csap"})[1]["code"] == "assessment_invalid"
    stranger = make_caller(add_renter(number="6068100016", name="다솜정밀", data_classes=("open",)))
    assert stranger.call("GET", "/assessments")[1]["data"] == []
    action = {"type": "withdraw", "reason": "공급사 변경"}
    assert stranger.call("POST", f"/assessments/{made['id']}/actions", action)[0] == 404
    status, withdrawn, _response = caller.call("POST", f"/assessments/{made['id']}/actions", action)
    assert status == 200
    assert withdrawn["withdrawn_at"] is not None
    assert {row["scheme"] for row in caller.call("GET", "/certificates")[1]["data"]} == {"finance-csp", "isms-p"}


def test_papers_are_downloads_for_their_organization_alone(signed_in: Client, renter: Renter) -> None:
    """Never shown in the page, never guessed; another tenant's does not exist; a site's certificate is for everybody."""
    content = b"%PDF-1.7 <script>alert(1)</script>"
    hand_in(signed_in, content)
    with as_actor(STAFF):
        site = Site.objects.get()
        add_certification(
            actor=STAFF, scheme="csap", level="mid", issuer="KISA", document_number="CSAP-9", site_id=site.id,
            valid_from=NOW, valid_to=NOW + timedelta(days=30), document=("csap.pdf", b"%PDF-1.7 csap"), now=NOW,
        )  # fmt: skip
        row = CustomerAssessment.objects.get()
        certificate = Certification.objects.get(scheme__code="csap")
    own = f"/assurance/{ids.format_id(prefix='asm', value=row.id)}/paper"
    public = f"/assurance/certificates/{ids.format_id(prefix='crt', value=certificate.id)}/paper"
    page = signed_in.get("/assurance").content.decode()
    assert own in page
    assert public in page
    answer = signed_in.get(own)
    assert answer.content == content
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="minutes.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-store"
    stranger = add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))
    signed_in.force_login(add_person(stranger, email="stranger@dasom.example"))
    assert signed_in.get(own).status_code == 404
    assert signed_in.get(public).content == b"%PDF-1.7 csap"
    assert signed_in.get("/assurance/nonsense/paper").status_code == 404
