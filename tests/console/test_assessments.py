"""Customers' assessments in the console: a paper is opened with a reason, which its organization can read."""

import pytest
from django.test import Client

from marketplace.inventory.models import CustomerAssessment
from marketplace.journeys.assess import AssessmentRequest, assess
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.days import parse_day
from marketplace.kernel.models import AuditEntry
from tests.market import NOW, Renter, add_renter, build_market

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7 minutes"


@pytest.fixture
def bank(console: Client) -> Renter:
    """A bank that recorded its assessment with the minutes."""
    build_market()
    found = add_renter()
    with as_actor(found.actor):
        assess(
            actor=found.actor,
            request=AssessmentRequest(
                project_id=None, provider="hanbit", scheme="finance-own-assessment",
                committee_on=parse_day(text="2026-11-20", pointer=""), reported_on=None, review_number="2026-7",
                recheck_due_on=parse_day(text="2027-11-19", pointer=""), document=("심의 자료.pdf", PDF),
            ),
            now=NOW,
        )  # fmt: skip
    return found


def test_a_paper_is_opened_with_a_reason_and_the_organization_can_read_it(console: Client, bank: Renter) -> None:
    text = console.get("/pages/assessments").content.decode()
    assert "심의 자료.pdf" in text
    with as_actor(bank.actor):
        row = CustomerAssessment.objects.get()
    url = f"/pages/assessments/{ids.format_id(prefix='asm', value=row.id)}/paper"
    assert console.get(url).status_code == 405
    assert console.post(url, {"reason": ""}).status_code == 422
    answer = console.post(url, {"reason": "감독 기관 요청"})
    assert answer.content == PDF
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=utf-8")
    with as_actor(bank.actor):
        entry = AuditEntry.objects.get(action="assessment.paper_opened")
        assert (entry.reason, entry.actor_name) == ("감독 기관 요청", "operator@ondol.example")


def test_an_empty_list_says_so(console: Client) -> None:
    assert "No customer has recorded an assessment yet." in console.get("/pages/assessments").content.decode()
