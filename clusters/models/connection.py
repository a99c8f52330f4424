"""How a cluster is reached; credentials encrypted."""

from django.db import models
from django.db.models.functions import Now

from marketplace.inventory.models import Cluster
from marketplace.kernel import ids


class ClusterConnection(models.Model):
    """Server, certificate authority and sealed credentials of a cluster, and its circuit breaker.

    Attributes:
        address: The network address that was checked against the allowed networks; connections go there.
        suite: With `key_id` names how `ciphertext` was sealed (kernel.crypto); associated data is the cluster's id.
        ciphertext: Sealed JSON `{token}` or `{client_certificate, client_key}`.
        failures: Consecutive failures; with `open_until` the breaker: until then nobody calls the cluster.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    cluster = models.OneToOneField(Cluster, on_delete=models.PROTECT, related_name="connection")
    server = models.URLField(max_length=300)
    address = models.GenericIPAddressField()
    certificate_authority = models.TextField()
    suite = models.CharField(max_length=32)
    key_id = models.CharField(max_length=32)
    ciphertext = models.BinaryField()
    failures = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        """The server."""
        return self.server
