"""A customer's own assessment of a provider."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from marketplace.inventory.models.assurance_document import AssuranceDocument
from marketplace.inventory.models.provider import Provider
from marketplace.kernel import ids
from marketplace.sovereignty.models import AssuranceScheme
from marketplace.tenants.models import Project, Tenant


class CustomerAssessment(models.Model):
    """The bank's assessment of a provider (전자금융감독규정 제14조의2), the agency's 보안성 검토; withdrawn, never edited.

    A site's certificate is not enough for them: the customer itself assesses each provider, takes it through its committee,
    reports it, and does so again when it is due.

    Attributes:
        project: The one project it was made for; null = every project of the tenant.
        committee_on: When the customer's own committee agreed.
        reported_on: When it was reported to the supervisor; null where none is asked for.
        review_number: The number of the security review or of the committee's minutes.
        recheck_due_at: From here on it no longer holds for new placements.
        document: The paper itself, if the customer hands it in; its hash stands in the evidence pack either way.
    """

    TYPE_PREFIX = "asm"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="assessments")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True, blank=True, related_name="assessments")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="assessments")
    scheme = models.ForeignKey(AssuranceScheme, on_delete=models.PROTECT, related_name="assessments")
    committee_on = models.DateField()
    reported_on = models.DateField(null=True, blank=True)
    review_number = models.CharField(max_length=80)
    valid_from = models.DateTimeField()
    recheck_due_at = models.DateTimeField()
    document = models.ForeignKey(AssuranceDocument, on_delete=models.PROTECT, null=True, related_name="assessments")
    recorded_by = models.CharField(max_length=254)
    recorded_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawal_reason = models.TextField(null=True, blank=True)

    class Meta:
        """Not inverted; read by tenant."""

        constraints = [
            models.CheckConstraint(
                condition=Q(recheck_due_at__gt=F("valid_from")), name="inventory_customerassessment_not_inverted"
            ),
        ]
        indexes = [models.Index(fields=["tenant", "recheck_due_at"], name="inventory_assessment_due")]

    def __str__(self) -> str:
        """The review's number."""
        return self.review_number
