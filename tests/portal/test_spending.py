"""The pages of credit and budgets, and what the top bar says."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from billing.models import Budget
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.tenants.models import Role
from tests.billing.paying import meter_and_watch, prepay
from tests.market import NOW, STAFF, Renter, add_renter, build_market, run_instance
from tests.portal.test_pages import add_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def renter(time_machine: Any) -> Renter:
    """A bank in a small market at noon; the clock stands."""
    time_machine.move_to(NOW, tick=False)
    build_market()
    return add_renter()


@pytest.fixture
def signed_in(renter: Renter, client: Client) -> Client:
    """The bank's owner, in Korean."""
    client.force_login(add_person(renter))
    client.cookies["ondol_language"] = "ko"
    return client


def read(client: Client, path: str) -> str:
    """A page that must be there."""
    response = client.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


def test_without_credit_it_says_how_one_pays(signed_in: Client) -> None:
    """And the top bar says nothing."""
    text = read(signed_in, "/credit")
    assert "후불로 결제하는 기관입니다" in text
    assert "topbar-credit" not in text


def test_the_top_bar_says_what_is_left_and_when_it_stops(signed_in: Client, renter: Renter, time_machine: Any) -> None:
    """₩120,000 at ₩10,800 an hour, three hours later."""
    prepay(renter, 132_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    time_machine.move_to(NOW + timedelta(hours=3), tick=False)
    for path in ("/", "/credit"):
        assert "잔액 ₩87,600 · 약 8시간 후 중지" in read(signed_in, path)
    assert "₩120,000" in read(signed_in, "/credit")


def test_a_budget_is_set_shown_and_removed(signed_in: Client, renter: Renter) -> None:
    """A wrong amount comes back with its reason and what was typed."""
    wanted = {"scope": "", "period": "month", "amount": "-5", "thresholds": ["50", "80"], "on_limit": "stop"}
    refused = signed_in.post("/budgets", wanted)
    assert refused.status_code == 422
    assert "원 단위 정수" in refused.content.decode()
    whole = {**wanted, "amount": "1,000,000"}
    for member, value in (("period", "year"), ("on_limit", ""), ("thresholds", ["half"]), ("amount", "2000000000000")):
        assert signed_in.post("/budgets", {**whole, member: value}).status_code == 422, member
    with as_actor(STAFF):
        assert Budget.objects.count() == 0
    assert signed_in.post("/budgets", whole).status_code == 302
    assert "₩0 / ₩1,000,000" in read(signed_in, "/budgets")
    with as_actor(STAFF):
        budget = Budget.objects.get()
        assert (budget.amount_won, budget.thresholds, budget.on_limit) == (1_000_000, [50, 80], "stop")
    close = f"/budgets/{ids.format_id(prefix='bud', value=budget.id)}/close"
    assert signed_in.post(close).status_code == 302
    assert "설정된 예산이 없습니다" in read(signed_in, "/budgets")
    other = add_renter(number="6068100016", name="다솜정밀")
    signed_in.force_login(add_person(other, email="other@dasom.example"))
    assert signed_in.post(close).status_code == 404
    del renter


def test_a_viewer_sees_no_form(renter: Renter, client: Client) -> None:
    """And may not post one."""
    client.force_login(add_person(renter, role=Role.VIEWER))
    assert 'name="amount"' not in read(client, "/budgets")
    posted = client.post("/budgets", {"scope": "", "amount": "5", "period": "month", "on_limit": "warn"})
    assert posted.status_code == 403
