"""Quota requests: ask, withdraw, approve in whole or part, twice above the threshold, send back, refuse."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marketplace.kernel import ids
from marketplace.kernel.actors import Actor, ActorKind, as_actor
from marketplace.kernel.errors import Forbidden, NotFound, OndolError
from marketplace.kernel.models import AuditEntry, Notice
from marketplace.quotas.attachments import Paper, media_type_of, plain_name
from marketplace.quotas.models import (
    Quota,
    QuotaAttachment,
    QuotaPeriod,
    QuotaRequest,
    QuotaRequestEvent,
    ScopeKind,
    SelectorKind,
    ShareScope,
)
from marketplace.quotas.operations import (
    QuotaAboveParent,
    QuotaEdit,
    QuotaOvercommitted,
    QuotaPeriodInvalid,
    QuotaRequestInvalid,
    QuotaRequestPending,
    QuotaRequestSettled,
    SecondPersonNeeded,
    ShareEdit,
    Thresholds,
    approve_request,
    ask_quota,
    edit_or_propose,
    key_of,
    refuse_request,
    remind_of_ends,
    resubmit_request,
    send_back_request,
    set_quota,
    set_share,
    withdraw_request,
)
from tests.market import NOW, STAFF, Renter, add_renter, build_market

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
THRESHOLDS = Thresholds(units=10, storage_gib=1_000)
FIRST = Actor(kind=ActorKind.OPERATOR, name="first@ondol.example", user_id=ids.new_id())
SECOND = Actor(kind=ActorKind.OPERATOR, name="second@ondol.example", user_id=ids.new_id())
WHY = "다음 분기 신용평가 모델 학습에 필요합니다."


@pytest.fixture
def bank() -> Renter:
    """A bank with a quota of 16 beside 64 devices."""
    build_market(devices=64)
    return add_renter(quota=16)


def quota_of(renter: Renter) -> Quota:
    """The tenant's line."""
    with as_actor(STAFF):
        return Quota.objects.get(tenant_id=renter.tenant.id, scope_kind=ScopeKind.TENANT)


def ask(renter: Renter, limit: int = 20, **changes: Any) -> QuotaRequest:
    """As the customer's administrator."""
    quota_id = changes.pop("quota_id", None) or quota_of(renter).id
    actor = changes.pop("actor", renter.actor)
    values = {"justification": WHY, "now": NOW, **changes}
    with as_actor(actor):
        return ask_quota(actor=actor, quota_id=quota_id, wanted_limit=limit, **values)


def approve(request: QuotaRequest, limit: int, *, actor: Actor = FIRST, **changes: Any) -> QuotaRequest:
    """As an operator."""
    with as_actor(actor):
        return approve_request(
            actor=actor,
            request_id=request.id,
            granted_limit=limit,
            reason="ok",
            thresholds=THRESHOLDS,
            now=NOW,
            **changes,
        )


def count_rows() -> tuple[int, int, int, int]:
    """What a refusal must leave as it was."""
    with as_actor(STAFF):
        return (
            QuotaRequest.objects.count(), QuotaRequestEvent.objects.count(), QuotaAttachment.objects.count(),
            AuditEntry.objects.count(),
        )  # fmt: skip


def test_an_approved_request_raises_the_limit_and_tells_the_tenant(bank: Renter) -> None:
    request = approve(ask(bank, 20, papers=[Paper(name="계획.pdf", content=b"%PDF-1.7 plan")]), 20)
    assert (request.status, request.granted_limit) == ("approved", 20)
    assert quota_of(bank).limit == 20
    with as_actor(STAFF):
        assert list(QuotaRequestEvent.objects.order_by("id").values_list("kind", flat=True)) == ["asked", "approved"]
        actions = set(AuditEntry.objects.filter(tenant_id=bank.tenant.id).values_list("action", flat=True))
        notice = Notice.objects.get()
    assert {"quota_request.asked", "quota_request.approved", "quota.set"} <= actions
    assert (notice.code, notice.tenant_id) == ("quota.request_approved", bank.tenant.id)


def test_a_part_may_be_granted_and_for_a_period(bank: Renter) -> None:
    request = ask(bank, 24, effective_from=NOW, effective_to=NOW + 10 * DAY)
    assert approve(request, 20).status == "partly_approved"
    quota = quota_of(bank)
    assert (quota.limit, quota.base_limit, quota.next_change_at) == (20, 16, NOW + 10 * DAY)


@pytest.mark.parametrize(
    ("limit", "changes", "error"),
    [
        (16, {}, QuotaRequestInvalid),
        (-1, {}, QuotaRequestInvalid),
        (2**31, {}, QuotaRequestInvalid),
        (20, {"justification": "짧음"}, QuotaRequestInvalid),
        (20, {"justification": "가" * 2001}, QuotaRequestInvalid),
        (20, {"effective_from": NOW}, QuotaPeriodInvalid),
        (20, {"effective_from": NOW + DAY, "effective_to": NOW}, QuotaPeriodInvalid),
        (20, {"papers": [Paper(name="a.exe", content=b"MZ")]}, QuotaRequestInvalid),
        (20, {"papers": [Paper(name="a.pdf", content=b"<html>")]}, QuotaRequestInvalid),
        (20, {"papers": [Paper(name="a.pdf", content=b"%PDF-" + b"x" * (5 * 1_048_576))]}, QuotaRequestInvalid),
        (20, {"papers": [Paper(name="a.pdf", content=b"%PDF-")] * 4}, QuotaRequestInvalid),
        (20, {"quota_id": ids.new_id()}, NotFound),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_written(
    bank: Renter, limit: int, changes: dict[str, Any], error: type[OndolError]
) -> None:
    before = count_rows()
    with pytest.raises(error):
        ask(bank, limit, **changes)
    assert count_rows() == before


def test_a_developer_may_not_ask_and_another_tenant_sees_nothing(bank: Renter) -> None:
    with pytest.raises(Forbidden):
        ask(bank, actor=replace(bank.actor, permissions=frozenset({"quotas.read"})))
    request = ask(bank)
    other = add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))
    with pytest.raises(NotFound), as_actor(other.actor):
        withdraw_request(actor=other.actor, request_id=request.id, now=NOW)
    with pytest.raises(NotFound):
        ask(other, quota_id=quota_of(bank).id)
    with pytest.raises(Forbidden), as_actor(bank.actor):
        approve_request(
            actor=bank.actor, request_id=request.id, granted_limit=20, reason="x", thresholds=THRESHOLDS, now=NOW
        )


def test_one_request_per_limit_until_it_is_withdrawn(bank: Renter) -> None:
    request = ask(bank)
    with pytest.raises(QuotaRequestPending):
        ask(bank, 21)
    with as_actor(bank.actor):
        withdraw_request(actor=bank.actor, request_id=request.id, now=NOW)
        withdraw_request(actor=bank.actor, request_id=request.id, now=NOW)
    with pytest.raises(QuotaRequestSettled):
        approve(request, 20)
    assert quota_of(bank).limit == 16
    ask(bank, 21)


def test_a_large_raise_needs_a_second_person(bank: Renter) -> None:
    """The first may not approve twice, the second may not grant more than the first."""
    request = ask(bank, 30)
    assert approve(request, 28).status == "awaiting_second"
    assert quota_of(bank).limit == 16
    with pytest.raises(SecondPersonNeeded):
        approve(request, 28)
    with pytest.raises(QuotaRequestInvalid):
        approve(request, 29, actor=SECOND)
    assert quota_of(bank).limit == 16
    assert approve(request, 28, actor=SECOND).status == "partly_approved"
    assert quota_of(bank).limit == 28


def test_an_operators_own_large_edit_waits_for_another(bank: Renter) -> None:
    """A small one is done at once."""
    line = key_of(quota_of(bank))
    with as_actor(FIRST):
        edit_or_propose(actor=FIRST, edit=QuotaEdit(line=line, limit=25), reason="r", thresholds=THRESHOLDS, now=NOW)
    assert quota_of(bank).limit == 25
    with as_actor(FIRST):
        proposed = edit_or_propose(
            actor=FIRST, edit=QuotaEdit(line=line, limit=40), reason="r", thresholds=THRESHOLDS, now=NOW
        )
    assert isinstance(proposed, QuotaRequest)
    assert quota_of(bank).limit == 25
    with pytest.raises(SecondPersonNeeded):
        approve(proposed, 40)
    assert approve(proposed, 40, actor=SECOND).status == "approved"
    assert quota_of(bank).limit == 40


def test_sent_back_and_sent_again(bank: Renter) -> None:
    request = ask(bank)
    with as_actor(FIRST):
        send_back_request(actor=FIRST, request_id=request.id, reason="산출 근거를 첨부해 주세요.", now=NOW)
    with pytest.raises(QuotaRequestSettled):
        approve(request, 20)
    with as_actor(bank.actor):
        again = resubmit_request(
            actor=bank.actor, request_id=request.id, wanted_limit=19, justification=WHY + " 산출 근거 첨부.", now=NOW
        )
    assert (again.status, again.wanted_limit) == ("open", 19)
    assert approve(request, 19).status == "approved"


def test_a_refusal_keeps_the_limit_and_says_why(bank: Renter) -> None:
    request = ask(bank)
    with as_actor(FIRST):
        refused = refuse_request(actor=FIRST, request_id=request.id, reason="재고가 없습니다.", now=NOW)
    assert (refused.status, refused.decision_reason, quota_of(bank).limit) == ("refused", "재고가 없습니다.", 16)
    with pytest.raises(QuotaRequestSettled), as_actor(FIRST):
        refuse_request(actor=FIRST, request_id=request.id, reason="again", now=NOW)


def test_the_stock_is_exceeded_only_on_purpose_and_a_share_never(bank: Renter) -> None:
    """64 devices; another bank is promised 60."""
    other = add_renter(number="6068100016", name="나눔은행")
    with as_actor(STAFF):
        set_quota(
            actor=STAFF, tenant_id=other.tenant.id, scope_kind=ScopeKind.TENANT, scope_id=other.tenant.id,
            selector_kind=SelectorKind.ANY, selector="", limit=46, now=NOW,
        )  # fmt: skip
    request = ask(bank, 20)
    with pytest.raises(QuotaOvercommitted) as refused:
        approve(request, 20)
    assert (refused.value.facts["promised"], refused.value.facts["available"]) == (66, 64)
    assert quota_of(bank).limit == 16
    with as_actor(STAFF):
        edit = ShareEdit(
            scope_kind=ShareScope.SECTOR, sector="finance", selector_kind=SelectorKind.ANY, selector="", meter="devices",  # type: ignore[arg-type]
            limit=62,
        )  # fmt: skip
        set_share(actor=STAFF, edit=edit, reason="r", now=NOW)
    with pytest.raises(QuotaOvercommitted):
        approve(request, 20, may_exceed_stock=True)
    with as_actor(STAFF):
        set_share(actor=STAFF, edit=replace(edit, overcommit_percent=110), reason="r", now=NOW)
    assert approve(request, 20, may_exceed_stock=True).status == "approved"


def test_a_grant_above_the_sectors_share_is_refused(bank: Renter) -> None:
    with as_actor(STAFF):
        set_share(
            actor=STAFF, reason="r", now=NOW,
            edit=ShareEdit(
                scope_kind=ShareScope.SECTOR, sector="finance", selector_kind=SelectorKind.ANY, selector="",
                meter="devices", limit=18, overcommit_percent=200,  # type: ignore[arg-type]
            ),
        )  # fmt: skip
    request = ask(bank, 20)
    with pytest.raises(QuotaAboveParent):
        approve(request, 20)
    with as_actor(STAFF):
        assert QuotaRequest.objects.get().status == "open"
    assert approve(request, 18).status == "partly_approved"


def test_a_period_that_ends_soon_is_told_and_the_news_goes_with_it(bank: Renter) -> None:
    approve(ask(bank, 20, effective_from=NOW, effective_to=NOW + 20 * DAY), 20)

    def told(day: int) -> list[tuple[int, str]]:
        with as_actor(STAFF):
            remind_of_ends(now=NOW + day * DAY)
            open_ones = Notice.objects.filter(code="quota.period_ends", resolved_at__isnull=True)
            return [(notice.facts["days"], notice.severity) for notice in open_ones]

    expected: dict[int, list[tuple[int, str]]] = {
        5: [], 6: [(14, "info")], 13: [(7, "info")], 18: [(7, "info")], 19: [(1, "warning")], 20: [],
    }  # fmt: skip
    assert {day: told(day) for day in expected} == expected
    with as_actor(STAFF):
        assert QuotaPeriod.objects.get().limit == 20


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.PDF", b"%PDF-1", "application/pdf"),
        ("a.png", b"\x89PNG\r\n\x1a\n..", "image/png"),
        ("a.hwpx", b"PK\x03\x04", "application/hwp+zip"),
        ("a.svg", b"<svg>", None),
        ("a.pdf.html", b"%PDF-", None),
        ("pdf", b"%PDF-", "application/pdf"),
    ],
)
def test_a_papers_kind_is_told_by_name_and_first_bytes(name: str, content: bytes, expected: str | None) -> None:
    assert media_type_of(Paper(name=name, content=content)) == expected


def test_a_papers_name_has_no_folders_and_nothing_that_a_header_misreads() -> None:
    assert plain_name('C:\\x\\..\\견적 "1"\r\n.pdf') == "견적 _1___.pdf"
    assert plain_name("../../") == "attachment"
