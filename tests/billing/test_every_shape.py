"""Every price shape from the operator's publication to the invoice line: published, quoted, rented, run, metered, closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from billing.agreements import CommitmentDraft, DiscountDraft, grant_discount, sign_commitment
from billing.ledger import find_difference
from billing.metering import meter_instance
from billing.models import Charge
from billing.month_close import close_month
from billing.prices import PriceDraft, publish
from billing.rating import read_snapshot
from marketplace.instances.models import InstanceTerm
from marketplace.instances.operations import begin_stopping, record_gone, record_started
from marketplace.instances.states import Reason
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.quote import QuoteRequest, quote
from marketplace.journeys.rent import RentRequest, rent
from marketplace.kernel.actors import as_actor
from tests.market import NOW, STAFF, Renter, SmallMarket, add_renter, build_market, request_of

pytestmark = pytest.mark.django_db

WON = 1_000_000
NOVEMBER = date(2026, 11, 1)
END = NOW + timedelta(hours=1)
AFTER = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is agreed, and the lines of the invoice for an hour of it: kind, won, the sum in words."""

    price: Mapping[str, Any] = field(default_factory=dict)
    audience: str = ""
    commitment: Mapping[str, Any] | None = None
    discount: Mapping[str, Any] | None = None
    devices: int = 2
    lines: Sequence[tuple[str, int, str]]


USAGE = ("usage", 10_800, "7,200 장치·초 × 장치·시간당 ₩5,400 ÷ 3,600 = ₩10,800")
FEE = ("commitment", 40_000, "36,000 장치·초 × 장치·시간당 ₩4,000 ÷ 3,600 = ₩40,000")
COVERED = ("covered", -5_400, "-3,600 장치·초 × 장치·시간당 ₩5,400 ÷ 3,600 = -₩5,400")
CASES = {
    "per device and hour": Case(lines=[USAGE]),
    "per server": Case(
        price={"unit": "server", "unit_devices": 8, "price_micros": 40_000 * WON},
        devices=8,
        lines=[("usage", 40_000, "3,600 서버·초 × 서버·시간당 ₩40,000 ÷ 3,600 = ₩40,000")],
    ),
    "fixed per month": Case(
        price={"plan": "monthly", "shape": "monthly", "price_micros": 3_000_000 * WON},
        lines=[("usage", 8_333, "7,200 장치·초 × 장치·월 ₩3,000,000 ÷ 그 달의 초 = ₩8,333.333333…, 반올림하여 ₩8,333")],
    ),
    "interruptible": Case(
        price={"plan": "interruptible", "price_micros": 2_000 * WON},
        lines=[("usage", 4_000, "7,200 장치·초 × 장치·시간당 ₩2,000 ÷ 3,600 = ₩4,000")],
    ),
    "minimum term": Case(
        price={"price_micros": 5_400 * WON, "minimum_s": 7_200},
        lines=[USAGE, ("minimum", 10_800, "7,200 장치·초 × 장치·시간당 ₩5,400 ÷ 3,600 = ₩10,800")],
    ),
    "minimum charge": Case(
        price={"price_micros": 5_400 * WON, "minimum_won": 20_000},
        lines=[USAGE, ("minimum", 9_200, "최소 요금 ₩20,000 − 사용분 ₩10,800 = ₩9,200")],
    ),
    "for a sector": Case(
        price={"sector": "finance", "price_micros": 5_000 * WON},
        lines=[("usage", 10_000, "7,200 장치·초 × 장치·시간당 ₩5,000 ÷ 3,600 = ₩10,000")],
    ),
    "for one organization": Case(
        price={"price_micros": 4_800 * WON},
        audience="tenant",
        lines=[("usage", 9_600, "7,200 장치·초 × 장치·시간당 ₩4,800 ÷ 3,600 = ₩9,600")],
    ),
    "discount": Case(
        discount={"basis_points": 1_250}, lines=[USAGE, ("discount", -1_350, "12.5% × ₩10,800 = -₩1,350")]
    ),
    "discount with a cap": Case(
        discount={"basis_points": 1_250, "cap_won": 1_000},
        lines=[USAGE, ("discount", -1_000, "12.5% × ₩10,800, 한도까지 = -₩1,000")],
    ),
    "commitment": Case(
        commitment={"units": 1, "price_micros": 4_000 * WON},
        lines=[FEE, USAGE, COVERED],
    ),
    "commitment, discount and minimum": Case(
        price={"price_micros": 5_400 * WON, "minimum_s": 7_200},
        commitment={"units": 1, "price_micros": 4_000 * WON},
        discount={"basis_points": 1_000},
        lines=[
            FEE,
            USAGE,
            COVERED,
            ("minimum", 10_800, "7,200 장치·초 × 장치·시간당 ₩5,400 ÷ 3,600 = ₩10,800"),
            ("discount", -1_620, "10% × ₩16,200 = -₩1,620"),
        ],
    ),
}


def agree(case: Case, market: SmallMarket, renter: Renter) -> None:
    """What the operator does before anything is rented."""
    with as_actor(STAFF):
        if case.price:
            tenant = {"tenant_id": renter.tenant.id} if case.audience == "tenant" else {}
            draft = PriceDraft(**{"offer_id": market.offer.id, **case.price, **tenant})
            publish(actor=STAFF, draft=draft, effective_from=NOW, now=NOW)
        payer: dict[str, Any] = {"billing_profile_id": renter.project.billing_profile_id}
        if case.commitment:
            ten_hours: dict[str, Any] = {
                "started_at": NOW,
                "ended_at": NOW + timedelta(hours=10),
                "offer_id": market.offer.id,
            }
            sign_commitment(
                actor=STAFF, draft=CommitmentDraft(**payer, **ten_hours, **case.commitment), now=NOW, reason="contract"
            )
        if case.discount:
            months: dict[str, Any] = {"first_month": NOVEMBER, "last_month": NOVEMBER}
            grant_discount(
                actor=STAFF, draft=DiscountDraft(**payer, **months, **case.discount), now=NOW, reason="contract"
            )


@pytest.mark.parametrize("name", CASES)
def test_a_price_shape_from_publication_to_the_invoice_line(name: str) -> None:
    """The quote shows it, the rent keeps it, the close prints its sum, and the ledger adds up."""
    case = CASES[name]
    market, renter = build_market(), add_renter()
    agree(case, market, renter)
    plan = case.price.get("plan", "on_demand")
    asked = QuoteRequest(project_id=renter.project.id, devices=case.devices, plan=plan, hours=1)
    with as_actor(renter.actor):
        (offer,) = quote(actor=renter.actor, request=asked, now=NOW).offers
        wanted = request_of(renter, devices=case.devices)
        instance = rent(
            actor=renter.actor,
            request=RentRequest(
                project_id=wanted.project_id,
                spec=wanted.spec,
                plan=plan,
                price_version_ids=[offer.priced.price_version_id],
            ),
            now=NOW,
        )
        term = InstanceTerm.objects.get(instance=instance)
        kept = read_snapshot(
            term.price,
            price_version_id=term.price_version_id,
            price_micros_per_device_hour=term.price_micros_per_device_hour,
        )
    assert kept == offer.priced.price
    admit_pass(holder="test", now=NOW)
    with as_actor(STAFF):
        record_started(instance_id=instance.id, attempt=1, started_at=NOW, reported_at=NOW, now=NOW)
        begin_stopping(instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=END, now=END)
        record_gone(instance_id=instance.id, attempt=1, now=END)
        meter_instance(instance_id=instance.id, now=END)
    (invoice,) = close_month(actor=STAFF, month=NOVEMBER, now=AFTER)
    printed = [(line["kind"], line["supply_won"], line["calculation"]) for line in invoice.document["lines"]]
    assert sorted(printed) == sorted(case.lines)
    assert invoice.supply_won == sum(won for _kind, won, _text in case.lines)
    assert close_month(actor=STAFF, month=NOVEMBER, now=AFTER + timedelta(days=1)) == []
    with as_actor(STAFF):
        assert find_difference() is None
        assert set(Charge.objects.values_list("offer_id", flat=True)) == {market.offer.id}
