"""What happened on nodes: the record that health and downtime are read from."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models.node import Node
from marketplace.kernel import ids


class IncidentKind(models.TextChoices):
    """What happened."""

    LOST = "lost", _("Not Ready")
    RETURNED = "returned", _("Ready again")
    CONDITION = "condition", _("A problem was reported")
    DEVICES_SHORT = "devices_short", _("Devices became unusable")
    DEVICES_WHOLE = "devices_whole", _("All devices usable again")
    START_FAILED = "start_failed", _("A start failed")


class NodeIncident(models.Model):
    """One event of a node; append-only.

    Attributes:
        facts: Numbers for people: the condition, the devices, the message.
    """

    TYPE_PREFIX = "inc"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="incidents")
    kind = models.CharField(max_length=14, choices=IncidentKind)
    facts = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()

    class Meta:
        """Read per node, newest first, or over all nodes of the last hour."""

        indexes = [
            models.Index(fields=["node", "-occurred_at"], name="inventory_incident_node"),
            models.Index(fields=["occurred_at"], name="inventory_incident_at"),
        ]

    def __str__(self) -> str:
        """The kind."""
        return self.kind
