"""What is known of the health of nodes, clusters and sites over stretches of time; the evidence of the honest meter."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models.cluster import Cluster
from marketplace.inventory.models.node import Node
from marketplace.inventory.models.site import Site
from marketplace.kernel import ids


class OutageKind(models.TextChoices):
    """What happened; the metering rule says what each means for usage (billing/README.md)."""

    NODE_NOT_READY = "node_not_ready", _("Node not ready")
    NODE_LOST = "node_lost", _("Node lost")
    MAINTENANCE = "maintenance", _("Maintenance")
    SITE_OUTAGE = "site_outage", _("Site outage")
    CLUSTER_SILENT = "cluster_silent", _("Cluster silent")
    STATED_UP = "stated_up", _("Service confirmed by the provider")
    CLOCK_SKEW = "clock_skew", _("Clock off by more than five seconds")


class Outage(models.Model):
    """A stretch of time in which a node, a cluster or a site had trouble, or was not seen. Opened, closed once, never changed.

    Attributes:
        site, cluster, node: What it is about: the narrowest one that is set; the wider ones are set as well.
        started_at: From here on; for a node the last lease renewal, for a silence the last answer.
        ended_at: Exclusive; null while it lasts.
        relisted_at: For a silence: when all pods of the cluster were listed for the first time after it.
        withdrawn_at: A statement that turned out wrong; from then on it counts for nothing.
        source: `watcher`, `maintenance`, or the operator who recorded a provider's statement.
        evidence: What was read: condition, lease renewal, statement.
    """

    TYPE_PREFIX = "out"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    kind = models.CharField(max_length=16, choices=OutageKind)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, null=True, related_name="+")
    node = models.ForeignKey(Node, on_delete=models.PROTECT, null=True, related_name="+")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    relisted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    source = models.CharField(max_length=254)
    evidence = models.JSONField(default=dict)
    recorded_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One open row per subject and kind; a stretch is not inverted."""

        constraints = [
            models.UniqueConstraint(
                fields=["kind", "site", "cluster", "node"],
                condition=Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="inventory_outage_open_once",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="inventory_outage_not_inverted",
            ),
        ]
        indexes = [models.Index(fields=["site", "started_at"], name="inventory_outage_by_site")]

    def __str__(self) -> str:
        """The kind."""
        return self.kind
