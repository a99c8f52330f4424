"""Prices that are being written: a set that is reviewed by a second person and comes into force as a whole."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models.price_version import PriceTerms, PriceVersion
from marketplace.inventory.models import Offer, Site
from marketplace.kernel import ids


class BookState(models.TextChoices):
    """Where a book is on its way; scheduled, active and ended follow from its versions."""

    DRAFT = "draft"
    REVIEW = "review"
    PUBLISHED = "published"
    DISCARDED = "discarded"


class PriceBook(models.Model):
    """Prices that begin together. Nobody but staff sees one; what tenants see are the versions that it was published as.

    Attributes:
        is_announced: Whether its prices are announced to what runs when it is published.
        written_by_user, submitted_by_user: Who may not decide on it.
        reason: Why it was written; the audit log has the reason of every later step.
    """

    TYPE_PREFIX = "pbk"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    title = models.CharField(max_length=120)
    effective_from = models.DateTimeField()
    is_announced = models.BooleanField(default=False)
    status = models.CharField(max_length=12, choices=BookState, default=BookState.DRAFT)
    reason = models.TextField()
    written_by = models.CharField(max_length=254)
    written_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    written_at = models.DateTimeField()
    submitted_by = models.CharField(max_length=254, blank=True)
    submitted_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    submitted_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        """Newest first."""

        indexes = [models.Index(fields=["status", "-id"], name="billing_pricebook_by_status")]

    def __str__(self) -> str:
        """The title."""
        return self.title


class PriceBookEntry(PriceTerms):
    """One price of a book.

    Attributes:
        version: What it was published as.
    """

    TYPE_PREFIX = "pbe"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    book = models.ForeignKey(PriceBook, on_delete=models.CASCADE, related_name="entries")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, related_name="+")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="+")
    audience = models.CharField(max_length=60, default="all")
    version = models.ForeignKey(PriceVersion, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        """One price per thing, plan and audience in a book."""

        constraints = [
            models.UniqueConstraint(
                fields=["book", "offer", "site", "plan", "audience"],
                nulls_distinct=False,
                name="billing_bookentry_once",
            ),
            models.CheckConstraint(
                condition=Q(offer__isnull=False, site__isnull=True) | Q(offer__isnull=True, site__isnull=False),
                name="billing_bookentry_of_one_thing",
            ),
        ]

    def __str__(self) -> str:
        """The price."""
        return str(self.price_micros)
