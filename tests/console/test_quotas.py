"""The operator's quota pages: inbox, tree, file."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from marketplace.journeys.admit import admit_pass
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry
from marketplace.quotas.models import Quota, QuotaPeriod, QuotaRequest, Share
from marketplace.quotas.operations import ask_quota
from tests.console.operators import add_operator
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, see_clusters

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank(operator: Any) -> Renter:
    """A bank with a limit of 16 beside 128 devices."""
    build_market(devices=128)
    return add_renter(quota=16)


def ask(bank: Renter, limit: int = 20) -> str:
    """The path of a new request."""
    with as_actor(bank.actor):
        request = ask_quota(
            actor=bank.actor,
            quota_id=Quota.objects.get().id,
            wanted_limit=limit,
            justification="Next quarter's model.",
            now=NOW,
        )
    return f"/pages/quota-requests/{ids.format_id(prefix='qrq', value=request.id)}"


def limit() -> int:
    """The bank's limit in force."""
    with as_actor(STAFF):
        return Quota.objects.get(scope_kind="tenant", selector="").limit


def test_the_inbox_leads_to_a_request_with_use_stock_and_who_waits(console: Client, bank: Renter) -> None:
    path = ask(bank)
    assert path in console.get("/pages/quota-requests").content.decode()
    text = console.get(path).content.decode()
    for shown in ("16 → 20", "0 / 16", "20 / 128", "Waiting instances", "Next quarter&#x27;s model."):
        assert shown in text


def test_a_decision_needs_a_reason_and_a_part_may_be_granted(console: Client, bank: Renter) -> None:
    path = ask(bank)
    assert console.post(f"{path}/decide", {"decision": "approve", "limit": "18", "reason": " "}).status_code == 422
    assert console.post(f"{path}/decide", {"decision": "shrug", "reason": "r"}).status_code == 422
    assert limit() == 16
    response = console.post(f"{path}/decide", {"decision": "approve", "limit": "18", "reason": "enough"})
    assert response.headers["Location"] == "/pages/quota-requests"
    assert limit() == 18
    with as_actor(STAFF):
        assert QuotaRequest.objects.get().status == "partly_approved"
        entry = AuditEntry.objects.get(action="quota_request.partly_approved")
    assert (entry.reason, entry.actor_name) == ("enough", "operator@ondol.example")


@pytest.mark.parametrize(("decision", "status"), [("send_back", "sent_back"), ("refuse", "refused")])
def test_sending_back_and_refusing_leave_the_limit(console: Client, bank: Renter, decision: str, status: str) -> None:
    console.post(f"{ask(bank)}/decide", {"decision": decision, "reason": "why"})
    with as_actor(STAFF):
        assert QuotaRequest.objects.get().status == status
    assert limit() == 16


def test_a_large_raise_takes_two_operators(console: Client, bank: Renter) -> None:
    path = ask(bank, 60)
    approve = {"decision": "approve", "limit": "60", "reason": "programme"}
    console.post(f"{path}/decide", approve)
    assert console.post(f"{path}/decide", approve).status_code == 403
    assert limit() == 16
    console.force_login(add_operator(email="second@ondol.example"))
    console.post(f"{path}/decide", approve)
    assert limit() == 60


def test_the_tree_sets_limits_periods_and_shares(console: Client, bank: Renter) -> None:
    tenant = f"/pages/quotas/tenants/{ids.format_id(prefix='ten', value=bank.tenant.id)}"
    form = {
        "scope": "tenant",
        "selector": "any",
        "meter": "devices",
        "enforcement": "hard",
        "limit": "24",
        "reason": "r",
    }
    console.post(f"{tenant}/set", form)
    assert limit() == 24
    console.post(f"{tenant}/set", {**form, "limit": "30", "from": "2026-11-24", "to": "2026-12-01"})
    assert limit() == 30
    project = ids.format_id(prefix="prj", value=bank.project.id)
    assert console.post(f"{tenant}/set", {**form, "scope": project, "limit": "25"}).status_code == 422
    share = {**form, "sector": "finance", "limit": "100", "overcommit_percent": "100"}
    console.post("/pages/quotas/shares", share)
    assert console.post("/pages/quotas/shares", {**share, "limit": "5"}).status_code == 422
    with as_actor(STAFF):
        stored = Share.objects.get()
        period = QuotaPeriod.objects.get()
    assert stored.limit == 100
    assert "0 / 100" in console.get("/pages/quotas").content.decode()
    assert "0 / 30" in console.get(tenant).content.decode()
    console.post(f"{tenant}/periods/{ids.format_id(prefix='qpr', value=period.id)}/revoke", {"reason": "over"})
    assert limit() == 24
    console.post(f"/pages/quotas/shares/{ids.format_id(prefix='qsh', value=stored.id)}/revoke", {"reason": "over"})
    assert "Neither the platform nor a sector is limited." in console.get("/pages/quotas").content.decode()


def test_a_file_is_shown_and_then_done(console: Client, bank: Renter) -> None:
    """What comes out goes in again."""
    text = console.get("/pages/quotas/file/download").content.decode("utf-8-sig")
    assert text.splitlines()[1].endswith(",any,devices,16,hard,,,가온은행,0")
    file = SimpleUploadedFile("quotas.csv", text.replace(",16,", ",20,").encode())
    preview = console.post("/pages/quotas/file", {"file": file}).content.decode()
    assert "1 rows, 1 change a limit, 0 wait for a second person." in preview
    assert "가온은행" in preview
    assert limit() == 16
    seal = preview.split('name="seal" value="')[1].split('"')[0]
    assert console.post("/pages/quotas/file/apply", {"seal": seal + "x", "reason": "r"}).status_code == 422
    assert limit() == 16
    console.post("/pages/quotas/file/apply", {"seal": seal, "reason": "yearly"})
    assert limit() == 20


def test_a_file_with_an_error_names_the_row_and_cannot_be_done(console: Client, bank: Renter) -> None:
    text = console.get("/pages/quotas/file/download").content.decode("utf-8-sig").replace(",16,", ",-1,")
    response = console.post("/pages/quotas/file", {"file": SimpleUploadedFile("q.csv", text.encode())})
    page = response.content.decode()
    assert response.status_code == 422
    assert "1 row cannot be used" in page
    assert 'name="seal"' not in page
    for wrong in (b"\xff\xfe\x00", b"x" * 5_000_000):
        assert console.post("/pages/quotas/file", {"file": SimpleUploadedFile("q.csv", wrong)}).status_code == 422
    assert limit() == 16


def undo(console: Client) -> int:
    return console.post("/pages/undo").status_code


def test_a_decision_and_an_edit_can_be_undone_for_half_a_minute(
    console: Client, bank: Renter, time_machine: Any
) -> None:
    path = ask(bank)
    console.post(f"{path}/decide", {"decision": "approve", "limit": "18", "reason": "enough"})
    assert "The last change can be undone for 30 seconds." in console.get("/pages/quota-requests").content.decode()
    assert limit() == 18
    assert undo(console) == 302
    assert limit() == 16
    with as_actor(STAFF):
        assert QuotaRequest.objects.get().status == "open"
    assert undo(console) == 409
    tenant = f"/pages/quotas/tenants/{ids.format_id(prefix='ten', value=bank.tenant.id)}"
    form = {"scope": "tenant", "selector": "any", "meter": "devices", "enforcement": "hard", "reason": "r"}
    # What is done at one instant goes back together, and here the clock stands.
    time_machine.move_to(NOW + timedelta(seconds=1), tick=False)
    console.post(f"{tenant}/set", {**form, "limit": "24"})
    undo(console)
    assert limit() == 16
    time_machine.move_to(NOW + timedelta(seconds=2), tick=False)
    console.post(f"{tenant}/set", {**form, "limit": "24"})
    time_machine.move_to(NOW + timedelta(seconds=33), tick=False)
    assert "can be undone" not in console.get(tenant).content.decode()
    assert undo(console) == 409
    assert limit() == 24


def test_an_answer_may_be_chosen_and_the_organization_reads_it(console: Client, bank: Renter) -> None:
    path = ask(bank)
    assert "No capacity" in console.get(path).content.decode()
    assert console.post(f"{path}/decide", {"decision": "refuse", "reason": ""}).status_code == 422
    console.post(f"{path}/decide", {"decision": "refuse", "reason": "", "reply": "papers"})
    with as_actor(STAFF):
        stored = QuotaRequest.objects.get()
    assert stored.decision_reason == "Please attach the approved plan or the agreement that this is for."


def test_a_limit_above_the_stock_and_a_share_below_use_are_refused_by_name(console: Client, bank: Renter) -> None:
    tenant = f"/pages/quotas/tenants/{ids.format_id(prefix='ten', value=bank.tenant.id)}"
    form = {"scope": "tenant", "selector": "any", "meter": "devices", "enforcement": "hard", "reason": "r"}
    refused = console.post(f"{tenant}/set", {**form, "limit": "129"})
    assert refused.status_code == 409
    assert "129 would be promised in total, and the stock has 128." in refused.content.decode()
    assert limit() == 16
    see_clusters(now=NOW)
    rent_as(bank, devices=8)
    admit_pass(holder="test", now=NOW)
    share = {**form, "sector": "finance", "limit": "7", "overcommit_percent": "400"}
    console.post(f"{tenant}/set", {**form, "limit": "0", "below_use": "keep"})
    refused = console.post("/pages/quotas/shares", share)
    assert refused.status_code == 422
    assert "The limit would be 7, below the 8 in use." in refused.content.decode()
    with as_actor(STAFF):
        assert not Share.objects.exists()
    console.post("/pages/quotas/shares", {**share, "below_use": "keep"})
    with as_actor(STAFF):
        assert Share.objects.get().limit == 7
