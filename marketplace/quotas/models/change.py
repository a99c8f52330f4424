"""What was changed at a limit or share, from what to what: its history, and the way back while there is one."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids


class ChangeKind(models.TextChoices):
    """What was done."""

    LIMIT = "limit", _("Limit set")
    PERIOD = "period", _("Period set")
    PERIOD_REVOKED = "period_revoked", _("Period revoked")
    SHARE = "share", _("Share set")
    SHARE_REVOKED = "share_revoked", _("Share revoked")


class LimitChange(models.Model):
    """One change; append-only. What one person did at one instant (`made_by_id`, `made_at`) belongs together.

    Attributes:
        tenant_id, quota_id: Null for a share. No key: undoing a new limit takes its row away, and the history stays.
        before, after: Limit and enforcement, for a share also `overcommit_percent`; `before` is null where nothing was limited.
        undone_at: When it was taken back.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    kind = models.CharField(max_length=16, choices=ChangeKind)
    tenant_id = models.UUIDField(null=True)
    quota_id = models.UUIDField(null=True)
    share_id = models.UUIDField(null=True)
    period_id = models.UUIDField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    made_by_id = models.UUIDField(null=True)
    made_by_name = models.CharField(max_length=254)
    made_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    class Meta:
        """Found by who and when, and by line."""

        indexes = [
            models.Index(fields=["made_by_id", "made_at"], name="quotas_change_by_whom"),
            models.Index(fields=["quota_id", "-made_at"], name="quotas_change_by_line"),
        ]

    def __str__(self) -> str:
        """What was done."""
        return f"{self.kind} {self.before} → {self.after}"
