"""Top-ups with a second person, ways of paying, and the ledger browser."""

import pytest
from django.test import Client

from billing.models import CreditLot, LedgerTransaction, TopUp
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry
from tests.billing.paying import seller_id
from tests.console.operators import add_operator
from tests.market import STAFF, Renter, add_renter, build_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def form() -> dict[str, str]:
    """A transfer of ₩110,000."""
    build_market()
    renter: Renter = add_renter()
    return {
        "payer": ids.format_id(prefix="bil", value=renter.project.billing_profile_id),
        "seller": ids.format_id(prefix="sel", value=seller_id()),
        "paid": "110,000",
        "currency": "KRW",
        "reference": "20261124-7",
        "received_on": "2026-11-24",
        "expires_on": "",
        "reason": "statement of today",
    }


def test_a_small_transfer_is_booked_with_its_reason(console: Client, form: dict[str, str]) -> None:
    """And shown in the ledger, which adds up."""
    assert console.post("/pages/credit/top-ups", form).status_code == 302
    with as_actor(STAFF):
        assert CreditLot.objects.get().amount_won == 100_000
        assert AuditEntry.objects.get(action="credit.top_up_recorded").reason == "statement of today"
    assert "₩100,000" in console.get("/pages/credit").content.decode()
    text = console.get("/pages/ledger?check=1").content.decode()
    assert "₩110,000" in text
    assert "Every transaction, balance, invoice, line and charge was added again." in text


WHOLE = "A payment is a whole number of won, more than 0."


@pytest.mark.parametrize(
    ("member", "value", "status", "sentence"),
    [
        ("paid", "-5", 422, WHOLE),
        ("paid", "1.5", 422, WHOLE),
        ("paid", "1,5", 422, WHOLE),
        ("paid", "0", 422, WHOLE),
        ("paid", "", 422, WHOLE),
        ("paid", "9" * 20, 422, WHOLE),
        ("paid", "100,000,000,001", 422, "A payment is at most ₩100,000,000,000."),
        ("paid", "1", 422, "Without VAT nothing is left of so small a payment."),
        ("currency", "USD", 422, "USD is not accepted; only KRW is."),
        ("currency", "", 422, "– is not accepted; only KRW is."),
        ("reference", "", 422, "A reference has 1 to 80 characters."),
        ("reference", "9" * 81, 422, "A reference has 1 to 80 characters."),
        ("reason", " ", 422, "Say why; the audit log keeps it."),
        ("received_on", "yesterday", 422, ""),
        ("received_on", "2026-11-25", 422, "A payment cannot arrive in the future."),
        ("expires_on", "2026-11-24", 422, "Credit cannot expire before it is there."),
        ("payer", "x", 404, ""),
    ],
)
def test_what_cannot_be_booked_is_refused_and_nothing_is_written(
    console: Client, form: dict[str, str], member: str, value: str, status: int, sentence: str
) -> None:
    """Each with its own sentence."""
    refused = console.post("/pages/credit/top-ups", {**form, member: value})
    assert (refused.status_code, sentence in refused.content.decode()) == (status, True)
    with as_actor(STAFF):
        assert (TopUp.objects.count(), CreditLot.objects.count(), LedgerTransaction.objects.count()) == (0, 0, 0)


def test_a_reference_is_booked_once_and_with_another_amount_refused(console: Client, form: dict[str, str]) -> None:
    """The same form twice is one top-up; nothing of the second amount is posted."""
    for _again in range(2):
        assert console.post("/pages/credit/top-ups", form).status_code == 302
    refused = console.post("/pages/credit/top-ups", {**form, "paid": "120000"})
    assert refused.status_code == 409
    assert "The payment 20261124-7 was recorded before with ₩110,000." in refused.content.decode()
    with as_actor(STAFF):
        assert (TopUp.objects.count(), LedgerTransaction.objects.count()) == (1, 1)


def test_accounts_are_found_by_name(console: Client, form: dict[str, str]) -> None:
    """A page at a time; an offset that is none is the first page."""
    assert console.post("/pages/credit/top-ups", form).status_code == 302
    assert "₩100,000" in console.get("/pages/credit?q=가온&offset=x").content.decode()
    assert "No account by this name." in console.get("/pages/credit?q=nobody").content.decode()


def test_a_large_one_needs_another_operator(console: Client, form: dict[str, str]) -> None:
    """Whoever recorded it has no button, and may not post one."""
    assert console.post("/pages/credit/top-ups", {**form, "paid": "11000000"}).status_code == 302
    with as_actor(STAFF):
        top_up = TopUp.objects.get()
    url = f"/pages/credit/top-ups/{ids.format_id(prefix='top', value=top_up.id)}/decide"
    answer = {"decision": "accept", "reason": "compared"}
    assert console.post(url, answer).status_code == 403
    assert "You recorded it; somebody else decides." in console.get("/pages/credit").content.decode()
    console.force_login(add_operator(email="second@ondol.example"))
    assert console.post(url, answer).status_code == 302
    with as_actor(STAFF):
        assert CreditLot.objects.get().amount_won == 10_000_000


def test_the_way_of_paying_is_set_with_a_reason(console: Client, form: dict[str, str]) -> None:
    """Audited."""
    wanted = {"payer": form["payer"], "mode": "prepaid", "reason": "asked for by letter"}
    assert console.post("/pages/credit/payment-mode", {**wanted, "mode": "barter"}).status_code == 422
    assert console.post("/pages/credit/payment-mode", wanted).status_code == 302
    with as_actor(STAFF):
        entry = AuditEntry.objects.get(action="billing_profile.payment_mode_set")
    assert (entry.reason, entry.changes) == ("asked for by letter", {"payment_mode": ["arrears", "prepaid"]})
