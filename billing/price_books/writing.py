"""Writing a price book while it is a draft. Every write is audited."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from billing.models import BookState, PriceBook, PriceBookEntry
from billing.price_changes import NOTICE_DAYS_MIN
from billing.prices import PriceDraft, PriceInvalid, check_draft
from marketplace.kernel import ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.tenants.models import Tenant

ENTRIES_MAX: Final = 2_000
TITLE_CHARACTERS_MAX: Final = 120


class BookClosed(OndolError):
    """The book is not a draft, or not in review; nothing was changed."""

    code = "price_book_closed"
    http_status = 409
    title = _("The price book is no longer in this state.")
    remedy = _("Prices in force never change: write a new book for what comes next.")


def create_book(
    *, actor: Actor, title: str, effective_from: datetime, is_announced: bool, reason: str, now: datetime
) -> PriceBook:
    """Begin a draft. Audited.

    Raises:
        PriceInvalid: It would begin in the past, or sooner than what runs must be told.
    """
    if not title.strip() or len(title) > TITLE_CHARACTERS_MAX:
        raise PriceInvalid(reason=_("A title has 1 to 120 characters."), pointer="/title")
    check_begin(effective_from=effective_from, is_announced=is_announced, now=now)
    book = PriceBook.objects.create(
        id=ids.new_id(),
        title=title.strip(),
        effective_from=effective_from,
        is_announced=is_announced,
        reason=reason,
        written_by=actor.name,
        written_by_user_id=actor.user_id,
        written_at=now,
    )
    record_book(actor=actor, book=book, action="written", reason=reason, now=now)
    return book


def check_begin(*, effective_from: datetime, is_announced: bool, now: datetime) -> None:
    """Refuse a beginning that cannot be kept.

    Raises:
        PriceInvalid: In the past, or sooner than what runs must be told.
    """
    if effective_from < now:
        raise PriceInvalid(reason=_("A price cannot begin in the past."), pointer="/effective_from")
    if is_announced and effective_from < now + timedelta(days=NOTICE_DAYS_MIN):
        reason = _("A price change is announced at least 7 days before it holds.")
        raise PriceInvalid(reason=reason, pointer="/effective_from")


def put_entries(*, actor: Actor, book_id: UUID, drafts: Sequence[PriceDraft], now: datetime, reason: str) -> PriceBook:
    """Add prices to a draft; one of the same thing, plan and audience is replaced. All or none. Audited.

    Raises:
        NotFound: There is no such book.
        BookClosed: It is no draft.
        PriceInvalid: The first price that could not be one.

    Locks the book.
    """
    book = lock_book(book_id=book_id, status=BookState.DRAFT)
    for draft in drafts:
        check_draft(draft)
        if draft.tenant_id is not None and not Tenant.objects.filter(id=draft.tenant_id).exists():
            raise PriceInvalid(reason=_("There is no such organization."), pointer="/tenant")
    for draft in drafts:
        columns = {name: getattr(draft, name) for name in PriceDraft.__slots__}
        key = {name: columns.pop(name) for name in ("offer_id", "site_id", "plan")}
        PriceBookEntry.objects.update_or_create(book=book, audience=draft.audience, **key, defaults=columns)
    if book.entries.count() > ENTRIES_MAX:
        raise PriceInvalid(reason=_("A book has at most 2,000 prices."), pointer="/entries")
    record_book(actor=actor, book=book, action="changed", reason=reason, now=now)
    return book


def remove_entry(*, actor: Actor, book_id: UUID, entry_id: UUID, now: datetime, reason: str) -> PriceBook:
    """Take a price out of a draft. Audited.

    Raises:
        NotFound, BookClosed: As `put_entries`.

    Locks the book.
    """
    book = lock_book(book_id=book_id, status=BookState.DRAFT)
    removed, _by_model = book.entries.filter(id=entry_id).delete()
    if not removed:
        raise NotFound
    record_book(actor=actor, book=book, action="changed", reason=reason, now=now)
    return book


def lock_book(*, book_id: UUID, status: BookState) -> PriceBook:
    """The book, locked, if it is in a state.

    Raises:
        NotFound: There is no such book.
        BookClosed: It is in another state.
    """
    book = PriceBook.objects.select_for_update(no_key=True, of=("self",)).filter(id=book_id).first()
    if book is None:
        raise NotFound
    if book.status != status:
        raise BookClosed
    return book


def record_book(*, actor: Actor, book: PriceBook, action: str, reason: str, now: datetime) -> None:
    """The audit entry of one step."""
    record_act(
        actor=actor, action=f"price_book.{action}", object_type="pbk", object_id=book.id, now=now, reason=reason,
        changes={"title": book.title, "state": book.status, "entries": book.entries.count()},
    )  # fmt: skip


def to_draft(entry: PriceBookEntry) -> PriceDraft:
    """The entry as what `prices.publish` takes."""
    return PriceDraft(**{name: getattr(entry, name) for name in PriceDraft.__slots__})
