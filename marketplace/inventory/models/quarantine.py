"""Stock that is kept out of sale because something is wrong with it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.health import Cause
from marketplace.inventory.models.node import Node, NodeStock
from marketplace.kernel import ids


class QuarantineKind(models.TextChoices):
    """What is out of sale."""

    DEVICE = "device", _("Devices")
    NODE = "node", _("Node")
    VERSION = "version", _("Driver, firmware or runtime version")


class Component(models.TextChoices):
    """What has a version."""

    DRIVER = "driver", _("Driver")
    FIRMWARE = "firmware", _("Firmware")
    RUNTIME = "runtime", _("Runtime")


class Quarantine(models.Model):
    """Devices of a node, a whole node, or every node with a version; in force until released, kept for ever.

    Attributes:
        node: Of a node; `stock` of devices; `vendor`, `component` and `version` of a version.
        devices: How many devices of the stock; which ones, if known, stands in `device_ids`.
        cause: `operator`, or what the automatic judgement found, with its numbers in `facts`.
        reason: Why, in the words of who did it.
    """

    TYPE_PREFIX = "qua"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    kind = models.CharField(max_length=8, choices=QuarantineKind)
    node = models.ForeignKey(Node, on_delete=models.PROTECT, null=True, related_name="quarantines")
    stock = models.ForeignKey(NodeStock, on_delete=models.PROTECT, null=True, related_name="quarantines")
    devices = models.PositiveIntegerField(default=0)
    device_ids = models.JSONField(default=list)
    vendor = models.CharField(max_length=60, blank=True)
    component = models.CharField(max_length=8, choices=Component, blank=True)
    version = models.CharField(max_length=60, blank=True)
    cause = models.CharField(max_length=20, choices=[(cause.value, cause.name) for cause in Cause])
    facts = models.JSONField(default=dict)
    reason = models.TextField()
    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=254)
    released_at = models.DateTimeField(null=True)
    released_by = models.CharField(max_length=254, blank=True)
    release_reason = models.TextField(blank=True)

    class Meta:
        """Says what it is about; the same thing is in quarantine once."""

        constraints = [
            models.CheckConstraint(
                condition=Q(kind="device", stock__isnull=False, node__isnull=True, version="", devices__gte=1)
                | Q(kind="node", stock__isnull=True, node__isnull=False, version="", devices=0)
                | (
                    Q(kind="version", stock__isnull=True, node__isnull=True, devices=0) & ~Q(version="") & ~Q(vendor="")
                ),
                name="inventory_quarantine_target",
            ),
            models.UniqueConstraint(
                fields=["node"], condition=Q(released_at__isnull=True), name="inventory_quarantine_node_once"
            ),
            models.UniqueConstraint(
                fields=["vendor", "component", "version"],
                condition=Q(released_at__isnull=True, kind="version"),
                name="inventory_quarantine_version_once",
            ),
        ]
        indexes = [
            models.Index(fields=["kind"], name="inventory_quarantine_open", condition=Q(released_at__isnull=True))
        ]

    def __str__(self) -> str:
        """The kind."""
        return self.kind
