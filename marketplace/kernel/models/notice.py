"""What somebody should know or act on, open until its cause is gone."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids


class Severity(models.TextChoices):
    """How much it matters; a notice's severity may rise while it is open."""

    INFO = "info", _("Notice")
    WARNING = "warning", _("Warning")
    CRITICAL = "critical", _("Critical")


class Notice(models.Model):
    """One cause, told once: to a tenant's members, or to operators where `tenant_id` is null.

    Attributes:
        key: Names the cause, e.g. `certificate-expiring:<id>`; one open notice per key.
        code: Names the sentence (journeys.notice_texts).
        facts: The sentence's fields.
        object_type: TypeID prefix of the thing it is about.
        acknowledged_at: A member hid it, or an operator looks after it; a risen severity takes that back.
    """

    TYPE_PREFIX = "not"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField(null=True)
    project_id = models.UUIDField(null=True)
    key = models.CharField(max_length=160)
    code = models.CharField(max_length=64)
    severity = models.CharField(max_length=8, choices=Severity)
    facts = models.JSONField(default=dict)
    object_type = models.CharField(max_length=16, blank=True)
    object_id = models.UUIDField(null=True)
    raised_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=254, blank=True)
    resolved_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One open notice per cause; read by audience, newest first."""

        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(resolved_at__isnull=True), name="kernel_notice_open_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "-raised_at"], condition=Q(resolved_at__isnull=True), name="kernel_notice_open"
            ),
        ]

    def __str__(self) -> str:
        """The key."""
        return self.key
