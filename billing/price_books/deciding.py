"""Moving a price book on: into review, and by a second person into force. Always a second person: a price is everybody's money."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from billing.models import BookState, PriceBook
from billing.price_books.writing import BookClosed, check_begin, lock_book, record_book, to_draft
from billing.price_changes import announce
from billing.prices import PriceInvalid, check_publishable, publish
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound, OndolError


class SecondPersonNeeded(OndolError):
    """Who wrote or submitted a price book does not decide on it; nothing was changed."""

    code = "second_person_needed"
    http_status = 403
    title = _("You wrote or submitted this price book; somebody else has to decide.")
    remedy = _("Ask another operator to look at it.")


def submit_book(*, actor: Actor, book_id: UUID, reason: str, now: datetime) -> PriceBook:
    """Give a draft to a second person. It then cannot be changed unless it is sent back. Audited.

    Raises:
        NotFound, BookClosed: There is no such draft.
        PriceInvalid: It is empty, or a price in it could not be published: in the past, or before one that is published already.

    Locks the book.
    """
    book = lock_book(book_id=book_id, status=BookState.DRAFT)
    check_begin(effective_from=book.effective_from, is_announced=book.is_announced, now=now)
    entries = list(book.entries.all())
    if not entries:
        raise PriceInvalid(reason=_("The book has no price yet."), pointer="/entries")
    for entry in entries:
        check_publishable(draft=to_draft(entry), effective_from=book.effective_from, now=now)
    book.status, book.submitted_by, book.submitted_by_user_id = BookState.REVIEW, actor.name, actor.user_id
    book.submitted_at = now
    book.save(update_fields=["status", "submitted_by", "submitted_by_user", "submitted_at"])
    record_book(actor=actor, book=book, action="submitted", reason=reason, now=now)
    return book


def decide_book(*, actor: Actor, book_id: UUID, accept: bool, reason: str, now: datetime) -> PriceBook:
    """Publish every price of a book in review, or send it back to be a draft. Audited.

    What is published never changes; what runs is told where the book says so, and a rise then needs its tenant's consent.

    Raises:
        NotFound, BookClosed: There is no such book in review.
        SecondPersonNeeded: The actor wrote or submitted it.
        PriceInvalid: Meanwhile its beginning has passed, or a later price was published; nothing is published then.

    Locks the book, then each offer or site.
    """
    book = lock_book(book_id=book_id, status=BookState.REVIEW)
    if _is_own(actor, book):
        raise SecondPersonNeeded
    if accept:
        check_begin(effective_from=book.effective_from, is_announced=book.is_announced, now=now)
        for entry in book.entries.order_by("offer_id", "site_id", "plan", "audience"):
            draft = to_draft(entry)
            entry.version = publish(
                actor=actor, draft=draft, effective_from=book.effective_from, now=now, reason=reason
            )
            entry.save(update_fields=["version"])
            if book.is_announced and entry.offer_id is not None:
                announce(actor=actor, price_version_id=entry.version.id, now=now, reason=reason)
    book.status = BookState.PUBLISHED if accept else BookState.DRAFT
    book.decided_by, book.decided_at = actor.name, now
    book.save(update_fields=["status", "decided_by", "decided_at"])
    record_book(actor=actor, book=book, action="published" if accept else "sent_back", reason=reason, now=now)
    return book


def discard_book(*, actor: Actor, book_id: UUID, reason: str, now: datetime) -> PriceBook:
    """Give a draft or a book in review up; it stays to be read. Audited.

    Raises:
        NotFound, BookClosed: There is no such book, or it was published.

    Locks the book.
    """
    book = PriceBook.objects.select_for_update(no_key=True, of=("self",)).filter(id=book_id).first()
    if book is None:
        raise NotFound
    if book.status not in (BookState.DRAFT, BookState.REVIEW):
        raise BookClosed
    book.status, book.decided_by, book.decided_at = BookState.DISCARDED, actor.name, now
    book.save(update_fields=["status", "decided_by", "decided_at"])
    record_book(actor=actor, book=book, action="discarded", reason=reason, now=now)
    return book


def may_decide(*, actor: Actor, book: PriceBook) -> bool:
    """Whether the actor is a second person."""
    return book.status == BookState.REVIEW and not _is_own(actor, book)


def _is_own(actor: Actor, book: PriceBook) -> bool:
    if actor.user_id is None:
        return actor.name in (book.written_by, book.submitted_by)
    return actor.user_id in (book.written_by_user_id, book.submitted_by_user_id)
