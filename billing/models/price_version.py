"""The dated price of an offer, or of storage at a site, for everyone, a sector or one tenant."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import Offer, Site
from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange


class PricePlan(models.TextChoices):
    """How capacity is bought; values are those of rating.Plan."""

    ON_DEMAND = "on_demand", _("On demand")
    INTERRUPTIBLE = "interruptible", _("Interruptible")
    MONTHLY = "monthly", _("Fixed per month")


class PriceUnit(models.TextChoices):
    """What one price buys; values are those of rating.Unit."""

    DEVICE = "device", _("Device")
    SERVER = "server", _("Server")
    GIB = "gib", _("GiB of storage")


class PriceTerms(models.Model):
    """What a price says; shared by versions in force and by the entries of a price book that is still being written.

    Attributes:
        shape: How it becomes cost over time; a name in rating.SHAPES.
        unit_devices: Devices in one unit.
        price_micros: Millionths of a won per unit and hour or month, VAT apart; positive.
        held_price_micros: Per unit and hour while a stopped instance keeps its devices; null = they are not kept.
        minimum_s: Minimum term, in seconds of use.
        minimum_won: Minimum charge of an instance.
        sector: Only tenants of this sector; empty = all.
        tenant_id: Only this tenant; it alone sees the price.
    """

    plan = models.CharField(max_length=16, choices=PricePlan, default=PricePlan.ON_DEMAND)
    shape = models.CharField(max_length=16, default="hourly")
    unit = models.CharField(max_length=8, choices=PriceUnit, default=PriceUnit.DEVICE)
    unit_devices = models.PositiveSmallIntegerField(default=1)
    price_micros = models.BigIntegerField()
    held_price_micros = models.BigIntegerField(null=True, blank=True)
    minimum_s = models.PositiveIntegerField(default=0)
    minimum_won = models.BigIntegerField(default=0)
    sector = models.CharField(max_length=16, blank=True, default="")
    tenant_id = models.UUIDField(null=True, blank=True)

    class Meta:
        """No table of its own."""

        abstract = True


class PriceVersion(PriceTerms):
    """What an offer costs from an instant on; immutable except that an open end may be set once.

    Attributes:
        offer, site: What is priced: an offer's devices, or storage at a site.
        audience: `all`, `sector:<sector>` or `tenant:<id>`: for whom; a tenant's price goes before its sector's, and that before
            everyone's.
        price_micros_per_device_hour: The same price for comparing offers; null for storage.
        effective_to: First instant at which it no longer holds; null = until a successor is published.
    """

    TYPE_PREFIX = "prc"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, related_name="price_versions")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="storage_prices")
    audience = models.CharField(max_length=60, default="all")
    price_micros_per_device_hour = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, default="KRW")
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One price in force per offer, plan and audience at any instant."""

        constraints = [
            models.CheckConstraint(
                condition=Q(price_micros__gt=0, unit_devices__gte=1, minimum_won__gte=0)
                & (Q(held_price_micros__isnull=True) | Q(held_price_micros__gte=0))
                & (Q(price_micros_per_device_hour__isnull=True) | Q(price_micros_per_device_hour__gt=0)),
                name="billing_price_positive",
            ),
            models.CheckConstraint(
                condition=Q(offer__isnull=False, site__isnull=True, price_micros_per_device_hour__isnull=False)
                | Q(offer__isnull=True, site__isnull=False, unit="gib"),
                name="billing_price_of_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(effective_to__isnull=True) | Q(effective_to__gt=F("effective_from")),
                name="billing_price_not_inverted",
            ),
            ExclusionConstraint(
                name="billing_price_no_overlap",
                expressions=[
                    ("offer", RangeOperators.EQUAL),
                    ("plan", RangeOperators.EQUAL),
                    ("audience", RangeOperators.EQUAL),
                    (tstzrange("effective_from", "effective_to"), RangeOperators.OVERLAPS),
                ],
            ),
            ExclusionConstraint(
                name="billing_storage_price_no_overlap",
                expressions=[
                    ("site", RangeOperators.EQUAL),
                    ("audience", RangeOperators.EQUAL),
                    (tstzrange("effective_from", "effective_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        """Price."""
        return str(self.price_micros)
