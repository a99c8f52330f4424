"""Certificates and rules in the console: what ends, who is affected, what a new version would do."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from marketplace.instances.models import Instance
from marketplace.inventory.models import AssuranceDocument, Certification
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.watch_assurance import watch_assurance
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry, Notice
from marketplace.sovereignty.models import DataClassRule
from tests.market import NOW, STAFF, Renter, SmallMarket, add_renter, build_market, rent_as, run_instance, see_clusters

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7 a certificate"
DAY = timedelta(days=1)


@pytest.fixture
def market(console: Client) -> SmallMarket:
    """One certified site; the clock stands at noon."""
    return build_market()


@pytest.fixture
def bank(market: SmallMarket) -> Renter:
    """A bank with a running instance."""
    renter = add_renter()
    run_instance(renter, started_at=NOW, ended_at=None)
    return renter


def record(console: Client, content: bytes = PDF, **changes: Any) -> Any:
    """Hand in a CSAP certificate of the site."""
    body = {
        "scheme": "csap", "level": "mid", "holder": "site:pangyo", "issuer": "KISA", "document_number": "CSAP-1",
        "valid_from": "2026-11-01", "valid_to": "2027-10-31", "reason": "갱신 심사 통과",
    }  # fmt: skip
    paper = io.BytesIO(content)
    paper.name = "csap.pdf"
    return console.post("/pages/certificates", {**body, **changes, "document": paper})


def test_a_certificate_is_recorded_with_its_paper_and_reason(console: Client, market: SmallMarket) -> None:
    """Whole days in Seoul, the last one included; the paper comes back as it was."""
    response = record(console)
    assert response.status_code == 302
    with as_actor(STAFF):
        row = Certification.objects.get(scheme__code="csap")
        assert AuditEntry.objects.get(object_id=row.id).reason == "갱신 심사 통과"
    assert (row.valid_from.isoformat(), row.valid_to.isoformat()) == (
        "2026-10-31T15:00:00+00:00", "2027-10-31T15:00:00+00:00",
    )  # fmt: skip
    text = console.get(response.headers["Location"]).content.decode()
    assert "CSAP-1" in text
    assert console.get(f"{response.headers['Location']}/paper").content == PDF


def test_a_file_of_50_mb_is_refused_in_words_and_leaves_nothing(console: Client, market: SmallMarket) -> None:
    response = record(console, PDF + bytes(50 * 1024 * 1024))
    assert response.status_code == 413
    assert "The file is larger than 10 MiB." in response.content.decode()
    with as_actor(STAFF):
        assert not Certification.objects.filter(scheme__code="csap").exists()
        assert not AssuranceDocument.objects.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"valid_to": "2026-10-01"}, "The validity ends before it begins."),
        ({"scheme": "isms-p", "level": ""}, "It overlaps isms-p-pangyo"),
        ({"valid_from": "yesterday"}, "Give a day such as 2026-11-24."),
        ({"holder": "site:nowhere"}, "Name one holder"),
        ({"reason": " "}, "Say why; the audit log keeps it."),
    ],
)
def test_bad_input_is_told_on_the_page_and_what_was_typed_stays(
    console: Client, market: SmallMarket, changes: dict[str, Any], sentence: str
) -> None:
    response = record(console, **changes)
    text = response.content.decode().replace("&#x27;", "'")
    assert response.status_code == 422
    assert sentence in text
    assert 'value="CSAP-1"' in text
    with as_actor(STAFF):
        assert Certification.objects.count() == 2


def test_a_revocation_stops_new_placements_at_that_second_and_moves_nothing(console: Client, bank: Renter) -> None:
    """The running instance is listed, its organization told; it goes on running; a new one waits with the reason."""
    waiting = rent_as(bank, name="next")
    with as_actor(STAFF):
        row = Certification.objects.get(scheme__code="isms-p")
    public = ids.format_id(prefix="crt", value=row.id)
    assert console.post(f"/pages/certificates/{public}/revoke", {"reason": "심사 취소"}).status_code == 302
    text = console.get(f"/pages/certificates/{public}").content.decode()
    assert "가온은행" in text
    assert "Running instances that would not be placed there today" in text
    see_clusters(now=NOW)
    admit_pass(holder="test", now=NOW)
    with as_actor(STAFF):
        states = dict(Instance.objects.values_list("name", "state"))
        waiting.refresh_from_db()
        told = dict(Notice.objects.filter(resolved_at__isnull=True).values_list("code", "tenant_id"))
    assert states == {"train": "running", "next": "queued"}
    assert waiting.conditions["CapacityAllocated"]["reason"] == "NoCertifiedSite"
    assert told == {"certificate.ended": None, "certificate.ended_for_tenant": bank.tenant.id}


def test_an_expiry_alarms_at_90_30_and_7_days_and_ends_when_renewed(market: SmallMarket) -> None:
    """400 days: nothing; then information, warning, critical; an expired one with nobody on it is no alarm."""

    def severity(*, days_left: int) -> str | None:
        with as_actor(STAFF):
            watch_assurance(now=NOW + (399 - days_left) * DAY)
            found = Notice.objects.filter(code="certificate.expiring", resolved_at__isnull=True)
            return found.values_list("severity", flat=True).first()

    left = {days: severity(days_left=days) for days in (91, 90, 31, 30, 8, 7, 1)}
    assert left == {91: None, 90: "info", 31: "info", 30: "warning", 8: "warning", 7: "critical", 1: "critical"}
    with as_actor(STAFF):
        assert watch_assurance(now=NOW + 401 * DAY) == 0
        assert not Notice.objects.filter(resolved_at__isnull=True).exists()


def edit(console: Client, act: str, **changes: Any) -> Any:
    """Send the editor of the bank's class."""
    body = {
        "act": act, "all_of": "finance-csp\nisms-p", "certificate_days_min": "30", "jurisdictions": "kr",
        "isolation_min": "hardware", "source": "시험", "reason": "강화", "effective_from": "",
    }  # fmt: skip
    return console.post("/pages/rules/personal-credit", {**body, **changes})


def test_the_preview_names_projects_and_running_instances_and_writes_nothing(console: Client, bank: Renter) -> None:
    response = edit(console, "preview", customer_assessments=["finance-own-assessment"])
    text = response.content.decode().replace("&#x27;", "'")
    assert response.status_code == 200
    for word in ("가온은행", "신용평가", "train", "assessment of this provider is missing"):
        assert word in text
    with as_actor(STAFF):
        assert DataClassRule.objects.filter(data_class__code="personal-credit").count() == 1


def test_a_version_is_published_with_its_reason_and_start(console: Client, bank: Renter) -> None:
    response = edit(console, "publish", effective_from="2026-12-01T00:00", needs_dedicated_node="yes")
    assert response.status_code == 302
    with as_actor(STAFF):
        row = DataClassRule.objects.get(data_class__code="personal-credit", version=2)
        assert AuditEntry.objects.get(object_id=row.id).reason == "강화"
    assert row.effective_from.isoformat() == "2026-11-30T15:00:00+00:00"
    assert row.requirements == {
        "all_of": [{"scheme": "finance-csp"}, {"scheme": "isms-p"}], "certificate_days_min": 30, "isolation_min": "hardware",
        "jurisdictions": ["KR"], "needs_dedicated_node": True,
    }  # fmt: skip


def test_a_rule_that_nobody_satisfies_is_told_with_names_and_needs_a_yes(console: Client, bank: Renter) -> None:
    response = edit(console, "publish", zones=["public"])
    text = response.content.decode()
    assert response.status_code == 409
    assert "No site on sale would satisfy the rule. pangyo: zone_not_allowed" in text
    with as_actor(STAFF):
        assert DataClassRule.objects.filter(data_class__code="personal-credit").count() == 1
    assert edit(console, "publish", zones=["public"], accept_nobody="yes").status_code == 302


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"effective_from": "2026-11-01T00:00"}, "A rule begins now or later"),
        ({"all_of": "csap medium"}, "csap has no level medium."),
        ({"all_of": "security-review"}, "There is no certificate scheme security-review."),
        ({"certificate_days_min": "many"}, "Days are a whole number."),
        ({"jurisdictions": "Korea"}, "country codes of two capital letters"),
        ({"reason": ""}, "Say why; the audit log keeps it."),
    ],
)
def test_a_rule_that_cannot_be_is_refused(
    console: Client, bank: Renter, changes: dict[str, str], sentence: str
) -> None:
    response = edit(console, "publish", **changes)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    with as_actor(STAFF):
        assert DataClassRule.objects.filter(data_class__code="personal-credit").count() == 1


@pytest.mark.parametrize("path", ["certificates", "rules", "rules/n2sf-c"])
def test_the_pages_open_in_both_languages(console: Client, market: SmallMarket, path: str) -> None:
    for language in ("en", "ko"):
        console.cookies["ondol_language"] = language
        assert console.get(f"/pages/{path}").status_code == 200
