"""A Kubernetes cluster of a site; its credentials live in `clusters`."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models.site import Site
from marketplace.kernel import ids


class ClusterStatus(models.TextChoices):
    """Whether new instances may be placed there."""

    ACTIVE = "active", _("Active")
    DRAINING = "draining", _("Draining")
    REMOVED = "removed", _("Removed")


class Cluster(models.Model):
    """A cluster's identity and freshness.

    Attributes:
        identity: UID of its `kube-system` namespace; unique, so that no cluster is registered twice.
        last_seen_at: Last time its API server answered; stock of a silent cluster is not sold.
    """

    TYPE_PREFIX = "clu"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="clusters")
    name = models.CharField(max_length=60, unique=True)
    identity = models.UUIDField(unique=True)
    version = models.CharField(max_length=40, blank=True)
    status = models.CharField(max_length=12, choices=ClusterStatus, default=ClusterStatus.ACTIVE)
    last_seen_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        """The name."""
        return self.name
