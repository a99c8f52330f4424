"""Why an instance runs where it runs, or why it waits: kept for years."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from marketplace.instances.models.instance import Instance
from marketplace.kernel import ids
from marketplace.sovereignty.models import FactsSnapshot


class DecisionOutcome(models.TextChoices):
    """What was decided."""

    PLACED = "placed", _("Placed")
    WAITING = "waiting", _("Waiting")
    REFUSED = "refused", _("Refused")


class PlacementDecision(models.Model):
    """One decision with its inputs and every candidate; append-only.

    A waiting decision is stored when its reason or candidates differ from the last one, not at each pass.

    Attributes:
        inputs: The request as decided on: accelerators, devices, image, data classes, sector, the customer's assessments, prices.
        candidates: Every site and pool that was not taken: `{site, accelerator, rejection, reasons[], nodes[], facts}`.
        rule_versions: Ids of the DataClassRule versions applied.
        certificates: Those relied on: of the chosen site, or of every permitted one while it waits.
        assessments: The customer's own that were relied on.
        facts: Sites, certificates and offers as they were seen; null on decisions older than this column.
    """

    TYPE_PREFIX = "dec"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="decisions", null=True)
    attempt = models.PositiveIntegerField()
    outcome = models.CharField(max_length=8, choices=DecisionOutcome)
    reason = models.CharField(max_length=40)
    inputs = models.JSONField()
    candidates = models.JSONField()
    chosen = models.JSONField(null=True)
    rule_versions = models.JSONField(default=list)
    certificates = models.JSONField(default=list)
    assessments = models.JSONField(default=list)
    facts = models.ForeignKey(FactsSnapshot, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        """Read per instance, newest first."""

        indexes = [models.Index(fields=["instance", "-id"])]

    def __str__(self) -> str:
        """Outcome."""
        return self.outcome
