"""Planned work on nodes: nothing new is placed, what runs is moved or left, nobody pays."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models.cluster import Cluster
from marketplace.inventory.models.node import Node
from marketplace.inventory.models.outage import Outage
from marketplace.inventory.models.site import Site
from marketplace.kernel import ids


class Drain(models.TextChoices):
    """What happens to instances that run when it begins."""

    MOVE = "move", _("Stopped and queued again for another node")
    LEAVE = "leave", _("Left alone, and not billed meanwhile")


class MaintenanceWindow(models.Model):
    """Work on a node, a cluster or a site in [starts_at, ends_at).

    Attributes:
        closes_at: From here on nothing new is placed there.
        ended_at: When it was really over, if before `ends_at`.
        cancelled_at: Called off before it began; it then never counted.
        drained_at: When the instances that ran were told to move.
        outage: What the meter reads; opened at the start, closed at the real end.
        notice_ko, notice_en: What customers are told.
    """

    TYPE_PREFIX = "mnt"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="maintenance")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, null=True, related_name="maintenance")
    node = models.ForeignKey(Node, on_delete=models.PROTECT, null=True, related_name="maintenance")
    closes_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    drain = models.CharField(max_length=5, choices=Drain, default=Drain.MOVE)
    reason = models.TextField()
    notice_ko = models.CharField(max_length=300, blank=True)
    notice_en = models.CharField(max_length=300, blank=True)
    planned_at = models.DateTimeField()
    planned_by = models.CharField(max_length=254)
    outage = models.OneToOneField(Outage, on_delete=models.PROTECT, null=True, related_name="maintenance")
    drained_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        """One place; in order of time."""

        constraints = [
            models.CheckConstraint(
                condition=Q(site__isnull=False, cluster__isnull=True, node__isnull=True)
                | Q(site__isnull=True, cluster__isnull=False, node__isnull=True)
                | Q(site__isnull=True, cluster__isnull=True, node__isnull=False),
                name="inventory_maintenance_place",
            ),
            models.CheckConstraint(
                condition=Q(closes_at__lte=F("starts_at"), starts_at__lt=F("ends_at")),
                name="inventory_maintenance_not_inverted",
            ),
        ]
        indexes = [models.Index(fields=["ends_at"], name="inventory_maintenance_ends")]

    def __str__(self) -> str:
        """The start."""
        return self.starts_at.isoformat()

    @property
    def place_name(self) -> str:
        """The site's code, or the cluster's or node's name."""
        place = self.site or self.cluster or self.node
        return str(place)
