"""Another price for an instance that runs: announced, and in force only if agreed."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.price_version import PriceVersion
from marketplace.instances.models import Instance, InstanceTerm
from marketplace.kernel import ids


class ChangeAnswer(models.TextChoices):
    """What the customer said; a price that falls needs no answer."""

    AGREED = "agreed", _("Agreed")
    DECLINED = "declined", _("Declined: the old price stays")
    NOT_NEEDED = "not_needed", _("The price falls")


class TermChange(models.Model):
    """A new price for the agreed term of one instance from an announced instant on.

    A rise holds only once a member has agreed before `effective_at`; without that the old price stays until the instance ends.

    Attributes:
        price: The new price as rating.snapshot writes it.
        answer: Empty while nobody has answered; set once.
        answered_by: Who agreed or declined.
    """

    TYPE_PREFIX = "tch"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="+")
    term = models.ForeignKey(InstanceTerm, on_delete=models.PROTECT, related_name="+")
    price_version = models.ForeignKey(PriceVersion, on_delete=models.PROTECT, related_name="+")
    old_micros_per_device_hour = models.BigIntegerField()
    new_micros_per_device_hour = models.BigIntegerField()
    price = models.JSONField()
    announced_at = models.DateTimeField()
    effective_at = models.DateTimeField()
    answer = models.CharField(max_length=12, choices=ChangeAnswer, null=True)
    answered_at = models.DateTimeField(null=True)
    answered_by = models.CharField(max_length=254, null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One change per term and version; never for time that has passed."""

        constraints = [
            models.UniqueConstraint(fields=["term", "price_version"], name="billing_termchange_once"),
            models.CheckConstraint(
                condition=Q(effective_at__gt=F("announced_at")), name="billing_termchange_announced_before"
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "effective_at"], name="billing_termchange_by_tenant")]

    def __str__(self) -> str:
        """Old and new."""
        return f"{self.old_micros_per_device_hour} → {self.new_micros_per_device_hour}"
