"""What a data class asks of a site, dated and versioned."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange
from marketplace.sovereignty.models.data_class import DataClass


class DataClassRule(models.Model):
    """One version of a class's requirements; versions of a class never overlap and are never edited.

    Attributes:
        requirements: Shape of `sovereignty.rules.Requirements`, validated there when saved.
        source: The law's article or guideline it comes from.
        effective_to: First instant at which the next version is in force; equal to `effective_from` when that one replaced it
            before it ever began.
    """

    TYPE_PREFIX = "rul"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    data_class = models.ForeignKey(DataClass, on_delete=models.PROTECT, related_name="rules")
    version = models.PositiveIntegerField()
    requirements = models.JSONField()
    source = models.CharField(max_length=200, blank=True)
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One version in force at any instant."""

        constraints = [
            models.UniqueConstraint(fields=["data_class", "version"], name="sovereignty_rule_version_once"),
            models.CheckConstraint(
                condition=Q(effective_to__isnull=True) | Q(effective_to__gte=models.F("effective_from")),
                name="sovereignty_rule_not_inverted",
            ),
            ExclusionConstraint(
                name="sovereignty_rule_no_overlap",
                expressions=[
                    ("data_class", RangeOperators.EQUAL),
                    (tstzrange("effective_from", "effective_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        """Class and version."""
        return f"{self.data_class_id} v{self.version}"
