"""Why an instance runs where it runs, or why it waits: kept for years."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from marketplace.instances.models.instance import Instance
from marketplace.kernel import ids


class DecisionOutcome(models.TextChoices):
    """What was decided."""

    PLACED = "placed", _("Placed")
    WAITING = "waiting", _("Waiting")
    REFUSED = "refused", _("Refused")


class PlacementDecision(models.Model):
    """One decision with its inputs and every candidate; append-only.

    A waiting decision is stored when its reason or candidates differ from the last one, not at each pass.

    Attributes:
        inputs: The request as decided on: accelerators, devices, data classes, offers, prices.
        candidates: Every site and node considered: `{site, node?, verdict, rule, detail, certificates[]}`.
        rule_versions: Ids of the DataClassRule versions applied.
        certificates: Ids and validity of the certifications relied on.
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
    decided_at = models.DateTimeField()

    class Meta:
        """Read per instance, newest first."""

        indexes = [models.Index(fields=["instance", "-id"])]

    def __str__(self) -> str:
        """Outcome."""
        return self.outcome
