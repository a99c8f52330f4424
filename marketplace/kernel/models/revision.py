"""The state of a part of the database, as one value that changes with it."""

from django.db import models

from marketplace.kernel import ids


class Revision(models.Model):
    """What was remembered under this value is still what the tables say.

    Attributes:
        topic: A set of tables, each with a trigger (`NewRevision`) that sets another value in the transaction that changes it.
        value: Never the same twice, so that what a transaction saw that was rolled back is never taken for the truth.
    """

    topic = models.CharField(max_length=32, primary_key=True)
    value = models.UUIDField(default=ids.new_id)

    def __str__(self) -> str:
        """Topic and value."""
        return f"{self.topic} {self.value}"
