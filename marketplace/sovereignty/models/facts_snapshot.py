"""What the rules looked at, kept once for all decisions that saw the same."""

from django.db import models
from django.db.models.functions import Now

from marketplace.kernel import ids


class FactsSnapshot(models.Model):
    """Sites with their certificates, scheme levels and offers as a decision saw them; found by its own hash. Append-only.

    Sites change their attributes and certificates are revoked, so a decision of three years ago can be made again only from
    what was seen then. Thousands of decisions see the same, so it is stored once. Nothing of a tenant is in it.

    Attributes:
        sha256: Of the canonical JSON of `body` (`kernel.canonical`).
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    sha256 = models.CharField(max_length=64, unique=True)
    body = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        """The beginning of the hash."""
        return self.sha256[:12]
