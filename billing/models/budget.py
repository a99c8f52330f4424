"""Limits on money that a tenant sets itself."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.tenants.models import Project, Tenant


class BudgetPeriod(models.TextChoices):
    """What a budget covers."""

    MONTH = "month", _("Each month")
    TOTAL = "total", _("In total")


class OnLimit(models.TextChoices):
    """What happens when it is reached; each includes those before it."""

    WARN = "warn", _("Warn")
    BLOCK = "block", _("Start nothing new")
    STOP = "stop", _("Stop what runs")


class Budget(models.Model):
    """So many won, VAT apart, for a project or the whole tenant.

    Attributes:
        project: Null = the whole tenant.
        thresholds: Percentages at which people are told, rising.
        announced_percent: The highest threshold told in the period; 0 = none.
        announced_for: First day of the month that `announced_percent` is about; null for a total.
        is_reached: Whether the limit itself was reached in the period, as last evaluated.
        next_crossing_at: When the next threshold is reached at the present rate; null = never at this rate.
        closed_at: When it was taken away; it then says nothing any more.
    """

    TYPE_PREFIX = "bud"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True, related_name="+")
    period = models.CharField(max_length=8, choices=BudgetPeriod)
    amount_won = models.BigIntegerField()
    thresholds = ArrayField(models.PositiveSmallIntegerField(), default=list)
    on_limit = models.CharField(max_length=8, choices=OnLimit)
    announced_percent = models.PositiveSmallIntegerField(default=0)
    announced_for = models.DateField(null=True)
    is_reached = models.BooleanField(default=False)
    next_crossing_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        """One per scope and period."""

        constraints = [
            models.CheckConstraint(condition=Q(amount_won__gt=0), name="billing_budget_positive"),
            models.UniqueConstraint(
                fields=["tenant", "project", "period"],
                condition=Q(closed_at__isnull=True),
                nulls_distinct=False,
                name="billing_budget_once",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant"], name="billing_budget_open", condition=Q(closed_at__isnull=True)),
            models.Index(fields=["next_crossing_at"], name="billing_budget_due", condition=Q(closed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        """Amount."""
        return str(self.amount_won)
