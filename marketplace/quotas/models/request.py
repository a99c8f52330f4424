"""A tenant's wish for more, what became of it, and the papers with it."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.quotas.models.quota import Meter, ScopeKind, SelectorKind
from marketplace.tenants.models import Tenant


class RequestStatus(models.TextChoices):
    """Where a request stands."""

    OPEN = "open", _("Waiting for the operator")
    SENT_BACK = "sent_back", _("Sent back")
    AWAITING_SECOND = "awaiting_second", _("Waiting for a second approval")
    APPROVED = "approved", _("Approved")
    PARTLY_APPROVED = "partly_approved", _("Partly approved")
    REFUSED = "refused", _("Refused")
    WITHDRAWN = "withdrawn", _("Withdrawn")


PENDING_STATUSES = (RequestStatus.OPEN, RequestStatus.SENT_BACK, RequestStatus.AWAITING_SECOND)


class RequestOrigin(models.TextChoices):
    """Who began it: an operator's own edit above the threshold waits for a second person in the same inbox."""

    CUSTOMER = "customer", _("Customer")
    OPERATOR = "operator", _("Operator")


class QuotaRequest(models.Model):
    """A wish for another limit on one line of the tree.

    Attributes:
        limit_when_asked: What was in force when it was asked; null = no such line existed.
        wanted_limit: The limit asked for, not the difference.
        effective_from, effective_to: Both null = for good.
        first_approved_*: The first of two approvals, above the threshold.
        granted_limit: What was given in the end.
    """

    TYPE_PREFIX = "qrq"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="quota_requests")
    origin = models.CharField(max_length=8, choices=RequestOrigin, default=RequestOrigin.CUSTOMER)
    scope_kind = models.CharField(max_length=8, choices=ScopeKind, default=ScopeKind.TENANT)
    scope_id = models.UUIDField()
    within_project_id = models.UUIDField(null=True, blank=True)
    selector_kind = models.CharField(max_length=12, choices=SelectorKind)
    selector = models.CharField(max_length=60, blank=True)
    meter = models.CharField(max_length=12, choices=Meter, default=Meter.DEVICES)
    limit_when_asked = models.PositiveIntegerField(null=True)
    wanted_limit = models.PositiveIntegerField()
    effective_from = models.DateTimeField(null=True, blank=True)
    effective_to = models.DateTimeField(null=True, blank=True)
    justification = models.TextField()
    status = models.CharField(max_length=16, choices=RequestStatus, default=RequestStatus.OPEN)
    asked_by_id = models.UUIDField(null=True)
    asked_by_name = models.CharField(max_length=254)
    asked_at = models.DateTimeField()
    first_approved_by_id = models.UUIDField(null=True)
    first_approved_by_name = models.CharField(max_length=254, blank=True)
    first_approved_limit = models.PositiveIntegerField(null=True)
    first_approved_at = models.DateTimeField(null=True)
    granted_limit = models.PositiveIntegerField(null=True)
    decided_by_id = models.UUIDField(null=True)
    decided_by_name = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.TextField(blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        """One pending request per line, so that nobody decides the same thing twice."""

        constraints = [
            models.UniqueConstraint(fields=["tenant", "id"], name="quotas_request_tenant_id"),
            models.UniqueConstraint(
                fields=[
                    "tenant",
                    "scope_kind",
                    "scope_id",
                    "within_project_id",
                    "selector_kind",
                    "selector",
                    "meter",
                ],
                nulls_distinct=False,
                condition=Q(status__in=["open", "sent_back", "awaiting_second"]),
                name="quotas_request_pending_once",
            ),
            models.CheckConstraint(
                condition=Q(effective_to__isnull=True) | Q(effective_to__gt=F("effective_from")),
                name="quotas_request_not_inverted",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="quotas_request_by_tenant"),
            models.Index(fields=["status", "asked_at"], name="quotas_request_inbox"),
        ]

    def __str__(self) -> str:
        """What is asked."""
        return f"{self.selector or 'any'} {self.wanted_limit} {self.meter}"


class QuotaRequestEvent(models.Model):
    """One step of a request's history; append-only.

    Attributes:
        kind: asked, changed, first_approved, approved, partly_approved, sent_back, refused, withdrawn, undone.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    request = models.ForeignKey(QuotaRequest, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=16)
    actor_name = models.CharField(max_length=254)
    text = models.TextField(blank=True)
    limit = models.PositiveIntegerField(null=True)
    occurred_at = models.DateTimeField()

    class Meta:
        """Read by request, in order."""

        indexes = [models.Index(fields=["request", "id"], name="quotas_request_events")]

    def __str__(self) -> str:
        """The step."""
        return self.kind


class QuotaAttachment(models.Model):
    """A paper that came with a request; append-only, and never shown inside a page of ours."""

    TYPE_PREFIX = "qat"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    request = models.ForeignKey(QuotaRequest, on_delete=models.PROTECT, related_name="attachments")
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=100)
    size_bytes = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()
    added_at = models.DateTimeField()

    def __str__(self) -> str:
        """The name."""
        return self.name
