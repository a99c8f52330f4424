"""What a quote says before anything is rented: how long credit and budgets last, and what is agreed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.agreements import CommitmentDraft, sign_commitment
from billing.models import OnLimit
from marketplace.journeys.quote import QuotedOffer, QuoteRequest, quote
from marketplace.kernel.actors import as_actor
from tests.billing.paying import budget_for, meter_and_watch, prepay
from tests.market import NOW, STAFF, Renter, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db


def ask(renter: Renter, *, hours: int = 0) -> QuotedOffer:
    """A quote for two devices at ₩5,400, so many hours after noon."""
    with as_actor(renter.actor):
        request = QuoteRequest(project_id=renter.project.id, devices=2)
        (offer,) = quote(actor=renter.actor, request=request, now=NOW + timedelta(hours=hours)).offers
    return offer


def test_without_credit_and_budget_nothing_ends_it() -> None:
    """A payer in arrears."""
    build_market()
    lasts = ask(add_renter()).plans[0].lasts
    assert (lasts.credit_s, lasts.budget_s, lasts.purses) == (None, None, ())


def test_credit_and_budget_last_as_long_as_both_runs_leave_of_them() -> None:
    """₩100,000 of credit and ₩54,000 of a budget at ₩10,800 an hour; half as long while as much runs already."""
    build_market()
    renter = add_renter()
    prepay(renter, 110_000)
    budget_for(renter, 54_000, on_limit=OnLimit.BLOCK)
    budget_for(renter, 1, on_limit=OnLimit.WARN, is_whole_tenant=True)
    lasts = ask(renter).plans[0].lasts
    assert (lasts.credit_s, lasts.budget_s) == (33_334, 18_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    lasts = ask(renter, hours=1).plans[0].lasts
    assert (lasts.credit_s, lasts.budget_s) == ((100_000 - 10_800) * 3_600 // 21_600 + 1, 43_200 * 3_600 // 21_600)


def test_a_key_that_may_not_see_credit_is_not_told() -> None:
    """Nor of budgets."""
    build_market()
    renter = add_renter()
    prepay(renter, 110_000)
    budget_for(renter, 54_000)
    blind = replace(renter, actor=replace(renter.actor, permissions=frozenset({"offers.read"})))
    lasts = ask(blind).plans[0].lasts
    assert (lasts.credit_s, lasts.budget_s) == (None, None)


def test_what_is_agreed_stands_beside_the_price() -> None:
    """The commitment of this payer, and of nobody else."""
    market, renter, other = build_market(), add_renter(), add_renter(number="6068100016", name="다솜은행")
    with as_actor(STAFF):
        row = sign_commitment(
            actor=STAFF, reason="contract", now=NOW,
            draft=CommitmentDraft(
                billing_profile_id=renter.project.billing_profile_id, offer_id=market.offer.id, units=1,
                price_micros=4_000_000_000, started_at=NOW, ended_at=NOW + timedelta(days=30),
            ),
        )  # fmt: skip
    assert [one.id for one in ask(renter).agreed.commitments] == [row.id]
    assert ask(other).agreed.commitments == ()
