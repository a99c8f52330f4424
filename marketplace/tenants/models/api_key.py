"""A project's key to the REST API."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from marketplace.kernel import ids
from marketplace.tenants.models.project import Project
from marketplace.tenants.models.tenant import Tenant


class ApiKey(models.Model):
    """`ondol_<prefix>_<secret><checksum>`: the prefix finds the row, only an HMAC of the whole is stored, the text is shown once.

    Attributes:
        hash_suite: Named hash (kernel.crypto) that made `secret_hash`.
        scopes: Permission names; none by default.
    """

    TYPE_PREFIX = "key"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="api_keys")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True)
    hash_suite = models.CharField(max_length=32)
    secret_hash = models.BinaryField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=40), default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        """Read by tenant."""

        indexes = [models.Index(fields=["tenant", "-created_at"])]

    def __str__(self) -> str:
        """The prefix, never the secret."""
        return self.prefix
