"""The quota pages of the portal: tree, asking, history, withdrawing, papers."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketplace.kernel import ids
from marketplace.kernel.actors import Actor, ActorKind, as_actor
from marketplace.quotas.models import Quota, QuotaRequest, ScopeKind, SelectorKind
from marketplace.quotas.operations import send_back_request, set_quota
from marketplace.tenants.models import Role
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as
from tests.portal.test_pages import add_person

pytestmark = pytest.mark.django_db
WHY = "다음 분기 신용평가 모델 학습에 필요합니다."
OPERATOR = Actor(kind=ActorKind.OPERATOR, name="operator@ondol.example", user_id=ids.new_id())


@pytest.fixture
def renter(time_machine: Any) -> Renter:
    """A bank in a small market at noon; the clock stands."""
    time_machine.move_to(NOW, tick=False)
    build_market()
    return add_renter()


@pytest.fixture
def signed_in(renter: Renter, client: Client) -> Client:
    """The bank's owner, in English."""
    client.force_login(add_person(renter))
    client.cookies["ondol_language"] = "en"
    return client


def quota_id() -> str:
    """The tenant's line."""
    with as_actor(STAFF):
        return ids.format_id(prefix="quo", value=Quota.objects.get(scope_kind="tenant").id)


def ask(client: Client, **changes: Any) -> Any:
    """Send the form."""
    return client.post("/quotas/ask", {"quota": quota_id(), "limit": "20", "justification": WHY, **changes})


def test_the_tree_shows_limits_use_and_what_was_asked(signed_in: Client, renter: Renter) -> None:
    rent_as(renter, devices=4)
    with as_actor(STAFF):
        set_quota(
            actor=STAFF, tenant_id=renter.tenant.id, scope_kind=ScopeKind.PROJECT, scope_id=renter.project.id,
            selector_kind=SelectorKind.ANY, selector="", limit=8, now=NOW,
        )  # fmt: skip
    ask(signed_in)
    text = signed_in.get("/quotas").content.decode()
    for shown in ("4 / 16 · 25%", "4 / 8 · 50%", "Waiting for the operator", "16 → 20"):
        assert shown in text


def test_asking_leads_to_the_request_with_its_paper_and_it_can_be_withdrawn(signed_in: Client) -> None:
    paper = SimpleUploadedFile("계획서.pdf", b"%PDF-1.7 plan")
    response = ask(signed_in, attachments=paper)
    assert response.status_code == 302
    path = response.headers["Location"]
    text = signed_in.get(path).content.decode()
    assert "계획서.pdf" in text
    link = text.split('href="/quotas/papers/')[1].split('"')[0]
    answer = signed_in.get(f"/quotas/papers/{link}")
    assert answer.content == b"%PDF-1.7 plan"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    signed_in.post(f"{path}/withdraw")
    assert "Withdrawn" in signed_in.get(path).content.decode()


def test_a_refused_form_keeps_what_was_typed_and_writes_nothing(signed_in: Client) -> None:
    response = ask(signed_in, limit="16")
    text = response.content.decode()
    assert response.status_code == 422
    assert "Ask for a limit above the present 16." in text
    assert WHY in text
    assert ask(signed_in, limit="-3").status_code == 422
    assert ask(signed_in, attachments=SimpleUploadedFile("a.html", b"<script>")).status_code == 422
    with as_actor(STAFF):
        assert not QuotaRequest.objects.exists()


def test_a_returned_request_is_sent_again(signed_in: Client) -> None:
    path = ask(signed_in).headers["Location"]
    with as_actor(OPERATOR):
        request = QuotaRequest.objects.get()
        send_back_request(actor=OPERATOR, request_id=request.id, reason="Attach the sizing.", now=NOW)
    assert "Attach the sizing." in signed_in.get(path).content.decode()
    signed_in.post(f"{path}/resubmit", {"limit": "18", "justification": WHY + " 산출 근거."})
    with as_actor(STAFF):
        request = QuotaRequest.objects.get()
    assert (request.status, request.wanted_limit) == ("open", 18)


def test_a_viewer_sees_the_tree_and_may_not_ask(renter: Renter, client: Client) -> None:
    client.force_login(add_person(renter, email="viewer@gaon.example", role=Role.VIEWER))
    client.cookies["ondol_language"] = "en"
    assert "/quotas/ask" not in client.get("/quotas").content.decode()
    assert client.get("/quotas/ask").status_code == 403
    assert ask(client).status_code == 403


def test_another_tenants_request_and_paper_are_not_found(signed_in: Client) -> None:
    path = ask(signed_in, attachments=SimpleUploadedFile("a.pdf", b"%PDF-")).headers["Location"]
    paper = signed_in.get(path).content.decode().split('href="/quotas/papers/')[1].split('"')[0]
    stranger = add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))
    signed_in.force_login(add_person(stranger, email="visitor@dasom.example"))
    for other in (path, f"/quotas/papers/{paper}"):
        assert signed_in.get(other).status_code == 404
    assert signed_in.post(f"{path}/withdraw").status_code == 404


def test_the_tree_takes_as_many_queries_for_three_lines_as_for_one(signed_in: Client, renter: Renter) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert signed_in.get("/quotas").status_code == 200
        return len(captured)

    one = count()
    with as_actor(STAFF):
        for selector in ("gpu", "npu"):
            set_quota(
                actor=STAFF, tenant_id=renter.tenant.id, scope_kind=ScopeKind.TENANT, scope_id=renter.tenant.id,
                selector_kind=SelectorKind.KIND, selector=selector, limit=8, now=NOW,
            )  # fmt: skip
    assert count() == one
