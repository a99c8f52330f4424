"""A lease that makes one process the active one."""

from django.db import models


class Lease(models.Model):
    """Who is the active watcher, admitter, … and until when.

    Attributes:
        fencing_token: Grows with each change of holder; a write made under an older token is discarded.
    """

    name = models.CharField(max_length=64, primary_key=True)
    holder = models.CharField(max_length=128)
    fencing_token = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        """Name and holder."""
        return f"{self.name} held by {self.holder}"
