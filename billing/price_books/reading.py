"""Price books and published versions as operators see them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from billing.models import BookState, PriceBook, PriceVersion
from marketplace.kernel.errors import NotFound
from marketplace.tenants.models import Sector, Tenant

VERSIONS_SHOWN_MAX: Final = 300
DAYS_BEFORE: Final = 90
DAYS_AFTER: Final = 185
DAY_WIDTH: Final = 3
"""Pixels of the timeline; 275 days are 825 wide."""
LABEL_HEIGHT: Final = 24
ROW_HEIGHT: Final = 34


class Stage(StrEnum):
    """Where a version or a published book stands."""

    DRAFT = "draft"
    REVIEW = "review"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    ENDED = "ended"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownBook:
    """A book with its stage."""

    book: PriceBook
    stage: Stage
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVersion:
    """A version with its stage, and for whom it is in words that an operator knows.

    Attributes:
        audience: A tenant's name, a sector, or empty for everyone.
    """

    version: PriceVersion
    stage: Stage
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One version on the timeline."""

    x: int
    width: int
    y: int
    text_y: int
    shown: ShownVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Versions in force within a window around now, one row for each thing, plan and audience."""

    width: int
    height: int
    now_x: int
    labels: tuple[tuple[ShownVersion, int], ...]
    bars: tuple[Bar, ...]
    months: tuple[tuple[datetime, int], ...]


def stage_of(version: PriceVersion, *, now: datetime) -> Stage:
    """Scheduled, active or ended at an instant."""
    if version.effective_from > now:
        return Stage.SCHEDULED
    return Stage.ENDED if version.effective_to is not None and version.effective_to <= now else Stage.ACTIVE


def list_books(*, now: datetime) -> list[ShownBook]:
    """Open ones first, then newest first; the last hundred."""
    books = PriceBook.objects.prefetch_related("entries__version").order_by("-id")[:100]
    shown = [show_book(book, now=now) for book in books]
    return sorted(shown, key=lambda item: item.stage not in (Stage.REVIEW, Stage.DRAFT))


def show_book(book: PriceBook, *, now: datetime) -> ShownBook:
    """A book with its stage: a published one is active while any of its prices is."""
    entries = list(book.entries.all())
    if book.status != BookState.PUBLISHED:
        return ShownBook(book=book, stage=Stage(book.status), entries=len(entries))
    stages = {stage_of(entry.version, now=now) for entry in entries if entry.version is not None}
    stage = next((one for one in (Stage.SCHEDULED, Stage.ACTIVE) if one in stages), Stage.ENDED)
    return ShownBook(book=book, stage=stage, entries=len(entries))


def get_book(*, book_id: UUID) -> PriceBook:
    """A book with its entries.

    Raises:
        NotFound: There is none.
    """
    book = PriceBook.objects.prefetch_related("entries__version").filter(id=book_id).first()
    if book is None:
        raise NotFound
    return book


def list_versions(*, now: datetime, offer_code: str = "") -> list[ShownVersion]:
    """Versions by thing, plan and audience, each in order of time; at most so many, those that hold last first."""
    rows: QuerySet[PriceVersion] = PriceVersion.objects.select_related("offer__accelerator", "offer__site", "site")
    if offer_code:
        rows = rows.filter(offer__code=offer_code)
    found = list(rows.order_by("-effective_from")[:VERSIONS_SHOWN_MAX])
    names = dict(Tenant.objects.filter(id__in=[row.tenant_id for row in found]).values_list("id", "name"))
    shown = [
        ShownVersion(
            version=row,
            stage=stage_of(row, now=now),
            audience=_name_audience(row, names),
        )
        for row in found
    ]
    return sorted(shown, key=lambda item: (*_row_of(item), item.version.effective_from))


def _name_audience(row: PriceVersion, names: Mapping[UUID, str]) -> str:
    if row.tenant_id is not None:
        return names.get(row.tenant_id, "")
    return str(Sector(row.sector).label) if row.sector else ""


def _row_of(item: ShownVersion) -> tuple[str, str, str]:
    version = item.version
    code = version.offer.code if version.offer else f"~{version.site.code if version.site else ''}"
    return code, version.plan, version.audience


def draw_timeline(versions: Iterable[ShownVersion], *, now: datetime) -> Timeline:
    """Bars from three months back to six ahead; what lies outside is cut."""
    begin, end = now - timedelta(days=DAYS_BEFORE), now + timedelta(days=DAYS_AFTER)
    rows: list[tuple[str, str, str]] = []
    labels: list[tuple[ShownVersion, int]] = []
    bars: list[Bar] = []
    for item in versions:
        since, until = max(item.version.effective_from, begin), min(item.version.effective_to or end, end)
        if since >= until:
            continue
        if not rows or rows[-1] != _row_of(item):
            rows.append(_row_of(item))
            labels.append((item, LABEL_HEIGHT + (len(rows) - 1) * ROW_HEIGHT + 12))
        y = LABEL_HEIGHT + (len(rows) - 1) * ROW_HEIGHT + 16
        x = (since - begin).days * DAY_WIDTH
        bars.append(Bar(x=x, width=max(2, (until - begin).days * DAY_WIDTH - x - 1), y=y, text_y=y + 11, shown=item))
    return Timeline(
        width=(DAYS_BEFORE + DAYS_AFTER) * DAY_WIDTH,
        height=LABEL_HEIGHT + len(rows) * ROW_HEIGHT + 4,
        now_x=DAYS_BEFORE * DAY_WIDTH,
        labels=tuple(labels),
        bars=tuple(bars),
        months=tuple(_months(begin, end)),
    )


def _months(begin: datetime, end: datetime) -> Sequence[tuple[datetime, int]]:
    found = []
    for day in range((end - begin).days):
        at = begin + timedelta(days=day)
        if at.day == 1:
            found.append((at, day * DAY_WIDTH))
    return found
