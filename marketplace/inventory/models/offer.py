"""What can be rented: an accelerator in a shape at a site, on terms."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models.accelerator import Accelerator
from marketplace.inventory.models.site import Site
from marketplace.kernel import ids


class OfferStatus(models.TextChoices):
    """Whether an offer is on sale."""

    DRAFT = "draft", _("Draft")
    ACTIVE = "active", _("On sale")
    RETIRED = "retired", _("Retired")


class OfferAccess(models.TextChoices):
    """Who may rent it."""

    OPEN = "open", _("Everyone")
    RESERVATION = "reservation", _("By reservation only")


class Offer(models.Model):
    """An accelerator × shape × site; prices are dated versions in `billing`, the seller follows from the provider's selling term.

    Attributes:
        cpu_millis_per_device: Processor share that comes with each device.
        devices_max: Most devices one instance may have on one node.
        access: By reservation, only organizations with an agreed price of their own may rent it.
    """

    TYPE_PREFIX = "off"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    code = models.SlugField(max_length=80, unique=True)
    accelerator = models.ForeignKey(Accelerator, on_delete=models.PROTECT, related_name="offers")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="offers")
    cpu_millis_per_device = models.PositiveIntegerField()
    memory_mib_per_device = models.PositiveIntegerField()
    storage_mib_per_device = models.PositiveIntegerField(default=51_200)
    devices_max = models.PositiveSmallIntegerField()
    access = models.CharField(max_length=12, choices=OfferAccess, default=OfferAccess.OPEN)
    status = models.CharField(max_length=8, choices=OfferStatus, default=OfferStatus.DRAFT)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """At least one device."""

        constraints = [models.CheckConstraint(condition=Q(devices_max__gte=1), name="inventory_offer_devices")]

    def __str__(self) -> str:
        """The code."""
        return self.code
