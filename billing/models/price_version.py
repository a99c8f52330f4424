"""The dated price of an offer."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from marketplace.inventory.models import Offer
from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange


class PriceVersion(models.Model):
    """Won per device-hour of an offer from an instant on; immutable except that an open end may be set once.

    Attributes:
        price_micros_per_device_hour: Millionths of a won, VAT apart; positive.
        effective_to: First instant at which it no longer holds; null = until a successor is published.
    """

    TYPE_PREFIX = "prc"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="price_versions")
    price_micros_per_device_hour = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="KRW")
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One price in force per offer at any instant."""

        constraints = [
            models.CheckConstraint(condition=Q(price_micros_per_device_hour__gt=0), name="billing_price_positive"),
            models.CheckConstraint(
                condition=Q(effective_to__isnull=True) | Q(effective_to__gt=F("effective_from")),
                name="billing_price_not_inverted",
            ),
            ExclusionConstraint(
                name="billing_price_no_overlap",
                expressions=[
                    ("offer", RangeOperators.EQUAL),
                    (tstzrange("effective_from", "effective_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        """Price."""
        return str(self.price_micros_per_device_hour)
