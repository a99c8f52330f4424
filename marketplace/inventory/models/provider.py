"""Who owns the machines, and which legal entity stands on the paper."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange


class Seller(models.Model):
    """A legal entity that supplies and invoices (supplier of record)."""

    TYPE_PREFIX = "sel"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    legal_name = models.CharField(max_length=120)
    business_number = models.CharField(max_length=10, unique=True)
    representative = models.CharField(max_length=60, blank=True)
    address = models.CharField(max_length=200, blank=True)

    class Meta:
        """Ten digits."""

        constraints = [
            models.CheckConstraint(condition=Q(business_number__regex=r"^[0-9]{10}$"), name="inventory_seller_number"),
        ]

    def __str__(self) -> str:
        """The legal name."""
        return self.legal_name


class Provider(models.Model):
    """A cloud provider (공급사) whose sites offer accelerators.

    Attributes:
        operator_nationality: ISO 3166-1 alpha-2 of who operates the machines; rules may require `KR`.
    """

    TYPE_PREFIX = "prv"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    code = models.SlugField(max_length=40, unique=True)
    name_ko = models.CharField(max_length=100)
    name_en = models.CharField(max_length=100)
    operator_nationality = models.CharField(max_length=2, default="KR")

    def __str__(self) -> str:
        """The code."""
        return self.code


class SellingMode(models.TextChoices):
    """How a provider's capacity is sold (ruling 사전-2020-법령해석부가-0552)."""

    OWN = "own", _("The operator sells its own capacity")
    RESALE = "resale", _("The operator resells the provider's capacity")
    BROKERED = "brokered", _("The provider sells; the operator brokers")


class SellingTerm(models.Model):
    """The dated selling mode of a provider and the seller that follows from it; terms of a provider never overlap."""

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="selling_terms")
    mode = models.CharField(max_length=12, choices=SellingMode)
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="selling_terms")
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One term in force at any instant."""

        constraints = [
            models.CheckConstraint(
                condition=Q(effective_to__isnull=True) | Q(effective_to__gt=F("effective_from")),
                name="inventory_sellingterm_not_inverted",
            ),
            ExclusionConstraint(
                name="inventory_sellingterm_no_overlap",
                expressions=[
                    ("provider", RangeOperators.EQUAL),
                    (tstzrange("effective_from", "effective_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        """Mode."""
        return self.mode
