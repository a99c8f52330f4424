"""Kinds of certificates and assessments, as data."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids


class HeldBy(models.TextChoices):
    """Whose paper it is."""

    SUPPLIER = "supplier", _("Provider or site")
    CUSTOMER = "customer", _("Customer, for one provider")


class AssuranceScheme(models.Model):
    """CSAP, ISMS-P, the finance assessment, N2SF, ISO 27001 …: data, never an enum (CSAP itself was being reformed in 2026).

    Attributes:
        held_by: A certificate of a provider or site, or a customer's own assessment of a provider.
        levels: From weakest to strongest, e.g. ["low", "mid", "high"]; empty where the scheme has none.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    code = models.SlugField(max_length=40, unique=True)
    name_ko = models.CharField(max_length=100)
    name_en = models.CharField(max_length=100)
    levels = ArrayField(models.CharField(max_length=20), default=list)
    held_by = models.CharField(max_length=8, choices=HeldBy, default=HeldBy.SUPPLIER)

    def __str__(self) -> str:
        """The code."""
        return self.code
