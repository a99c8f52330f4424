"""The price book: drafts, comparison, movers, a file, a second person, publication; commitments and discounts."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from billing.models import BookState, Commitment, Discount, PriceBook, PriceVersion, TermChange
from billing.price_books.comparing import compare, list_movers
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry
from tests.console.operators import add_operator
from tests.market import NOW, STAFF, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db

BOOK = {"title": "2026-12", "effective_on": "2026-12-10", "announce": "yes", "reason": "electricity"}
PRICE = {
    "thing": "offer:pangyo-h200", "plan": "on_demand", "unit": "device", "unit_devices": "1", "price": "6,000",
    "minimum_hours": "0", "minimum_charge": "0", "reason": "electricity",
}  # fmt: skip


def write_book(console: Client, **changes: str) -> str:
    """Begin a draft; its address."""
    answer = console.post("/pages/prices/new", {**BOOK, **changes})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.headers["Location"])


def only_book() -> PriceBook:
    """The one in the database."""
    with as_actor(STAFF):
        return PriceBook.objects.get()


def second_person(console: Client) -> None:
    """Somebody else sits down."""
    console.force_login(add_operator(email="second@ondol.example"))
    console.cookies["ondol_language"] = "en"


@pytest.fixture
def market() -> SmallMarket:
    """One offer at ₩5,400."""
    return build_market()


def test_from_draft_to_force_by_a_second_person_with_consent_for_what_runs(
    console: Client, market: SmallMarket
) -> None:
    """₩5,400 → ₩6,000 is +11.11 %; two devices cost ₩876,000 more in 730 hours, and their instance must agree."""
    renter = add_renter()
    run_instance(renter, started_at=NOW, ended_at=None)
    url = write_book(console)
    assert console.post(f"{url}/prices", PRICE).status_code == 302
    page = console.get(url).content.decode()
    for text in (
        "₩5,400 per device and hour",
        "₩6,000 per device and hour",
        "+11.11%",
        "+₩876,000",
        "1 instance must agree",
    ):
        assert text in page
    with as_actor(STAFF):
        (mover,) = list_movers(book=PriceBook.objects.get())
        (comparison,) = compare(book=PriceBook.objects.get())
    assert (mover.before_won, mover.after_won, mover.devices, mover.consents) == (7_884_000, 8_760_000, 2, 1)
    assert comparison.change_basis_points == 1_111
    assert console.post(f"{url}/move", {"step": "submit", "reason": "please look"}).status_code == 302
    assert console.post(f"{url}/move", {"step": "publish", "reason": "mine"}).status_code == 403
    with as_actor(STAFF):
        assert PriceVersion.objects.count() == 1
    second_person(console)
    assert console.post(f"{url}/move", {"step": "publish", "reason": "compared"}).status_code == 302
    with as_actor(STAFF):
        old, new = PriceVersion.objects.order_by("effective_from")
        assert (old.effective_to, new.effective_from, new.price_micros) == (
            new.effective_from,
            new.effective_from,
            6_000_000_000,
        )
        assert TermChange.objects.get().answer is None
        steps = AuditEntry.objects.filter(action__startswith="price_book.").values_list("action", flat=True)
        assert {step.split(".")[1] for step in steps} == {"written", "changed", "submitted", "published"}
    page = console.get("/pages/prices").content.decode()
    assert "Scheduled" in page
    assert "In force" in page
    assert console.post(f"{url}/prices", PRICE).status_code == 409


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"price": "-1"}, 422),
        ({"price": "0"}, 422),
        ({"price": "1.5000001"}, 422),
        ({"price": ""}, 422),
        ({"minimum_charge": "1.5"}, 422),
        ({"thing": "offer:nothing"}, 422),
        ({"unit": "gib"}, 422),
        ({"sector": "navy"}, 422),
        ({"reason": " "}, 422),
    ],
)
def test_what_cannot_be_a_price_is_refused_and_the_draft_stays_empty(
    console: Client, market: SmallMarket, changes: dict[str, str], status: int
) -> None:
    """Negative, fractional beyond a millionth, unknown."""
    url = write_book(console)
    assert console.post(f"{url}/prices", {**PRICE, **changes}).status_code == status
    with as_actor(STAFF):
        assert only_book().entries.count() == 0


def test_past_overlap_and_gap_are_refused(console: Client, market: SmallMarket) -> None:
    """A book in the past, one announced too late, an empty one, and one before a price that is published already."""
    assert console.post("/pages/prices/new", {**BOOK, "effective_on": "2026-11-23"}).status_code == 422
    assert console.post("/pages/prices/new", {**BOOK, "effective_on": "2026-11-28"}).status_code == 422
    with as_actor(STAFF):
        assert PriceBook.objects.count() == 0
    later = write_book(console, title="later", effective_on="2027-01-01")
    assert console.post(f"{later}/move", {"step": "submit", "reason": "empty"}).status_code == 422
    console.post(f"{later}/prices", PRICE)
    console.post(f"{later}/move", {"step": "submit", "reason": "please"})
    sooner = write_book(console, title="sooner")
    console.post(f"{sooner}/prices", PRICE)
    second_person(console)
    assert console.post(f"{later}/move", {"step": "publish", "reason": "fine"}).status_code == 302
    answer = console.post(f"{sooner}/move", {"step": "submit", "reason": "please"})
    assert answer.status_code == 422
    assert "A later price is already published." in answer.content.decode()
    with as_actor(STAFF):
        assert PriceVersion.objects.count() == 2


def test_a_book_that_is_sent_back_can_be_changed_and_a_discarded_one_cannot(
    console: Client, market: SmallMarket
) -> None:
    """In review nothing is changed."""
    url = write_book(console)
    console.post(f"{url}/prices", PRICE)
    console.post(f"{url}/move", {"step": "submit", "reason": "please"})
    assert console.post(f"{url}/prices", PRICE).status_code == 409
    second_person(console)
    assert console.post(f"{url}/move", {"step": "send_back", "reason": "too dear"}).status_code == 302
    entry = ids.format_id(prefix="pbe", value=_only_entry())
    assert console.post(f"{url}/prices/{entry}/remove", {"reason": "wrong"}).status_code == 302
    assert console.post(f"{url}/move", {"step": "discard", "reason": "given up"}).status_code == 302
    assert console.post(f"{url}/prices", PRICE).status_code == 409
    assert only_book().status == BookState.DISCARDED


def _only_entry() -> UUID:
    with as_actor(STAFF):
        return only_book().entries.get().id


def test_a_file_is_looked_at_first_and_taken_whole_or_not_at_all(console: Client, market: SmallMarket) -> None:
    """One wrong row refuses all three, with its number; a right file puts two prices."""
    url = write_book(console)
    header = "offer,storage_site,plan,price,sector\n"
    wrong = f"{header}pangyo-h200,,on_demand,6000,\npangyo-h200,,monthly,-5,\nnowhere,,on_demand,1,\n"
    answer = console.post(f"{url}/file", {"file": SimpleUploadedFile("prices.csv", wrong.encode())})
    assert answer.status_code == 422
    assert "A price is more than 0." in answer.content.decode()
    assert "nowhere cannot be read." in answer.content.decode()
    right = f"{header}pangyo-h200,,interruptible,2000,finance\n,pangyo,on_demand,0.1,\n"
    answer = console.post(f"{url}/file", {"file": SimpleUploadedFile("prices.csv", right.encode())})
    assert "2 prices can be taken." in answer.content.decode()
    with as_actor(STAFF):
        assert only_book().entries.count() == 0
    seal = answer.context["seal"]
    assert console.post(f"{url}/file/put", {"seal": seal, "reason": "by file"}).status_code == 302
    with as_actor(STAFF):
        found = sorted((row.plan, row.unit, row.price_micros, row.audience) for row in only_book().entries.all())
    assert found == [("interruptible", "device", 2_000_000_000, "sector:finance"), ("on_demand", "gib", 100_000, "all")]


def test_commitments_and_discounts_are_signed_with_a_reason(console: Client, market: SmallMarket) -> None:
    """And listed; a discount of more than the price, a fractional number and a term in the past are refused."""
    renter = add_renter()
    payer = {"payer": ids.format_id(prefix="bil", value=renter.project.billing_profile_id), "reason": "contract 12"}
    offer = ids.format_id(prefix="off", value=market.offer.id)
    commitment = {
        **payer, "offer": offer, "units": "4", "unit_devices": "1", "shape": "hourly", "price": "4,000",
        "from": "2026-12-01", "until": "2027-12-01", "reference": "2026-0012",
    }  # fmt: skip
    discount = {**payer, "percent": "12.5", "first_month": "2026-12", "last_month": "2027-02", "cap": "1,000,000"}
    for wrong in ({"from": "2026-11-23"}, {"units": "1.5"}, {"price": "-4000"}, {"reason": ""}):
        assert console.post("/pages/agreements/commitments", {**commitment, **wrong}).status_code == 422
    for wrong in ({"percent": "101"}, {"percent": "1.234"}, {"cap": "-1"}, {"first_month": "2026-10"}):
        assert console.post("/pages/agreements/discounts", {**discount, **wrong}).status_code == 422
    with as_actor(STAFF):
        assert (Commitment.objects.count(), Discount.objects.count()) == (0, 0)
    assert console.post("/pages/agreements/commitments", commitment).status_code == 302
    assert console.post("/pages/agreements/discounts", discount).status_code == 302
    page = console.get("/pages/agreements").content.decode()
    for text in ("2026-0012", "₩4,000 per device and hour", "12.5%", "₩1,000,000"):
        assert text in page
    with as_actor(STAFF):
        row = Commitment.objects.get()
        assert row.ended_at - row.started_at == timedelta(days=365)
        assert AuditEntry.objects.get(action="commitment.signed").reason == "contract 12"
