"""A data centre (센터)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models.provider import Provider
from marketplace.kernel import ids


class Zone(models.TextChoices):
    """Physically separate parts a provider runs for one kind of customer."""

    PUBLIC = "public", _("Public only")
    FINANCE = "finance", _("Finance only")
    GENERAL = "general", _("General")


class MeteredBy(models.TextChoices):
    """Whose word usage is billed by."""

    ONDOL = "ondol", _("Ondol, by watching the cluster")
    SITE = "site", _("The site, by usage events")


class Site(models.Model):
    """Where clusters stand.

    Attributes:
        jurisdiction: ISO 3166-1 alpha-2 of the law the machines stand under.
        metered_by: Holds for devices that are promised from now on; each allocation keeps what held when it was made.
        reserved_sectors: Sectors whose organizations alone may rent there (공공 전용, 금융 전용); empty = everyone.
    """

    TYPE_PREFIX = "sit"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="sites")
    code = models.SlugField(max_length=40, unique=True)
    name_ko = models.CharField(max_length=100)
    name_en = models.CharField(max_length=100)
    jurisdiction = models.CharField(max_length=2, default="KR")
    zone = models.CharField(max_length=12, choices=Zone, default=Zone.GENERAL)
    reserved_sectors = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    metered_by = models.CharField(max_length=8, choices=MeteredBy, default=MeteredBy.ONDOL)
    is_network_separated = models.BooleanField(default=False)

    def __str__(self) -> str:
        """The code."""
        return self.code
