"""The price book: what is in force and when, prices that are being written, and a second person's decision."""

from datetime import datetime
from uuid import UUID

from django.core import signing
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from billing.models import BookState, PriceBook, PricePlan, PriceUnit
from billing.price_books.comparing import compare, list_movers
from billing.price_books.csv_file import BYTES_MAX, COLUMNS, read_draft, read_entries
from billing.price_books.deciding import decide_book, discard_book, may_decide, submit_book
from billing.price_books.reading import Stage, draw_timeline, get_book, list_books, list_versions, show_book
from billing.price_books.writing import create_book, put_entries, remove_entry
from billing.prices import PriceInvalid
from billing.rating import SHAPES
from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.models import Offer, Site
from marketplace.kernel import clock, ids
from marketplace.kernel.days import begin_of, parse_day
from marketplace.kernel.errors import ValidationFailed
from marketplace.tenants.models import Sector, Tenant

SALT = "price-book"
LOOKED_AT_S = 3_600


@require_GET
@operator_page("prices")
def prices(page: OperatorPage) -> HttpResponse:
    """Books that are open, the timeline with its table, and the form that begins a book."""
    now = clock.now()
    offer_code = page.request.GET.get("offer", "")[:60]
    versions = list_versions(now=now, offer_code=offer_code)
    return page.render(
        "prices.html",
        title=_("Price book"),
        books=list_books(now=now),
        versions=versions,
        timeline=draw_timeline(versions, now=now),
        offer_code=offer_code,
        offers=Offer.objects.order_by("code").values_list("code", flat=True),
        stages=describe_stages(),
    )


@require_POST
@operator_page("prices")
def new_book(page: OperatorPage) -> HttpResponse:
    """Begin a draft."""
    posted = page.request.POST
    book = create_book(
        actor=page.actor,
        title=posted.get("title", ""),
        effective_from=_begin(posted.get("effective_on", "")),
        is_announced=posted.get("announce") == "yes",
        reason=page.read_reason(),
        now=clock.now(),
    )
    return page.done(_("The draft is written."), to="console:price-book", book_id=_public(book.id))


@require_GET
@operator_page("prices")
def price_book(page: OperatorPage, book_id: str) -> HttpResponse:
    """A book: its prices beside those they follow, who would move, and what can be done next."""
    return _show(page, get_book(book_id=page.read_id(prefix="pbk", text=book_id)))


@require_POST
@operator_page("prices")
def put_price(page: OperatorPage, book_id: str) -> HttpResponse:
    """Add a price to a draft, or replace it."""
    cells = {name: page.request.POST.get(name, "").strip() for name in COLUMNS}
    kind, _colon, code = page.request.POST.get("thing", "").partition(":")
    cells["offer"], cells["storage_site"] = (code, "") if kind == "offer" else ("", code)
    try:
        draft = read_draft(
            cells,
            offers=dict(Offer.objects.values_list("code", "id")),
            sites=dict(Site.objects.values_list("code", "id")),
        )
    except (ValueError, KeyError) as error:
        reason = _("%(what)s cannot be read.") % {"what": str(error).strip("'")[:80] or _("An empty price")}
        raise PriceInvalid(reason=reason, pointer="/price") from error
    wanted = page.read_id(prefix="pbk", text=book_id)
    put_entries(actor=page.actor, book_id=wanted, drafts=[draft], reason=page.read_reason(), now=clock.now())
    return page.done(_("The price is in the draft."), to="console:price-book", book_id=book_id)


@require_POST
@operator_page("prices")
def remove_price(page: OperatorPage, book_id: str, entry_id: str) -> HttpResponse:
    """Take a price out of a draft."""
    remove_entry(
        actor=page.actor,
        book_id=page.read_id(prefix="pbk", text=book_id),
        entry_id=page.read_id(prefix="pbe", text=entry_id),
        reason=page.read_reason(),
        now=clock.now(),
    )
    return page.done(_("The price is out of the draft."), to="console:price-book", book_id=book_id)


@require_POST
@operator_page("prices")
def read_file(page: OperatorPage, book_id: str) -> HttpResponse:
    """What a file would put into the draft; nothing is written."""
    book = get_book(book_id=page.read_id(prefix="pbk", text=book_id))
    file = page.request.FILES.get("file")
    if file is None or (file.size or 0) > BYTES_MAX:
        raise ValidationFailed(reason=_("Choose a CSV file of at most 1 MiB."), pointer="/file")
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationFailed(reason=_("The file is not UTF-8; save it as CSV UTF-8."), pointer="/file") from error
    drafts, errors = read_entries(text)
    seal = "" if errors or not drafts else signing.dumps({"text": text}, salt=SALT, compress=True)
    return _show(page, book, status=422 if errors else 200, file_errors=errors, file_drafts=drafts, seal=seal)


@require_POST
@operator_page("prices")
def put_file(page: OperatorPage, book_id: str) -> HttpResponse:
    """Put everything into the draft that was looked at, or nothing."""
    reason = page.read_reason()
    try:
        sealed = signing.loads(page.request.POST.get("seal", ""), salt=SALT, max_age=LOOKED_AT_S)
    except signing.BadSignature as error:
        message = _("Look at the file again; more than an hour has passed.")
        raise ValidationFailed(reason=message, pointer="/file") from error
    drafts, errors = read_entries(sealed["text"])
    if errors:
        raise PriceInvalid(reason=errors[0].message, pointer="/file")
    wanted = page.read_id(prefix="pbk", text=book_id)
    put_entries(actor=page.actor, book_id=wanted, drafts=drafts, reason=reason, now=clock.now())
    message = _("%(count)s prices are in the draft.") % {"count": len(drafts)}
    return page.done(message, to="console:price-book", book_id=book_id)


@require_POST
@operator_page("prices")
def move_book(page: OperatorPage, book_id: str) -> HttpResponse:
    """Submit, publish, send back or discard."""
    wanted, reason, now = page.read_id(prefix="pbk", text=book_id), page.read_reason(), clock.now()
    step = page.request.POST.get("step", "")
    if step == "submit":
        submit_book(actor=page.actor, book_id=wanted, reason=reason, now=now)
        message = _("The book waits for a second person.")
    elif step in ("publish", "send_back"):
        decide_book(actor=page.actor, book_id=wanted, accept=step == "publish", reason=reason, now=now)
        message = _("The prices are published.") if step == "publish" else _("The book is a draft again.")
    elif step == "discard":
        discard_book(actor=page.actor, book_id=wanted, reason=reason, now=now)
        message = _("The book is discarded.")
    else:
        raise ValidationFailed(reason=_("Choose what to do."), pointer="/step")
    return page.done(message, to="console:price-book", book_id=book_id)


def describe_stages() -> dict[str, str]:
    """Each stage in a word."""
    return {
        Stage.DRAFT: _("Draft"),
        Stage.REVIEW: _("In review"),
        Stage.SCHEDULED: _("Scheduled"),
        Stage.ACTIVE: _("In force"),
        Stage.ENDED: _("No longer in force"),
        Stage.DISCARDED: _("Discarded"),
    }


def _show(page: OperatorPage, book: PriceBook, *, status: int = 200, **more: object) -> HttpResponse:
    return page.render(
        "price_book.html",
        status=status,
        title=book.title,
        book=book,
        book_id=_public(book.id),
        shown=show_book(book, now=clock.now()),
        stages=describe_stages(),
        comparisons=compare(book=book),
        tenant_names=dict(
            Tenant.objects.filter(id__in=[row.tenant_id for row in book.entries.all()]).values_list("id", "name")
        ),
        movers=list_movers(book=book) if book.status in (BookState.DRAFT, BookState.REVIEW) else [],
        is_draft=book.status == BookState.DRAFT,
        is_in_review=book.status == BookState.REVIEW,
        may_decide=may_decide(actor=page.actor, book=book),
        offers=Offer.objects.order_by("code"),
        sites=Site.objects.order_by("code"),
        plans=PricePlan.choices,
        units=PriceUnit.choices,
        shapes=list(SHAPES),
        sectors=Sector.choices,
        tenants=Tenant.objects.order_by("name"),
        columns=", ".join(COLUMNS),
        **more,
    )


def _public(value: UUID) -> str:
    return ids.format_id(prefix="pbk", value=value)


def _begin(text: str) -> datetime:
    """A day's first instant in Seoul."""
    return begin_of(parse_day(text=text, pointer="/effective_on"))
