"""Kinds of certificates and assessments, as data."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from marketplace.kernel import ids


class AssuranceScheme(models.Model):
    """CSAP, ISMS-P, the finance assessment, N2SF, ISO 27001 …: data, never an enum (CSAP itself was being reformed in 2026).

    Attributes:
        levels: From weakest to strongest, e.g. ["low", "mid", "high"]; empty where the scheme has none.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    code = models.SlugField(max_length=40, unique=True)
    name_ko = models.CharField(max_length=100)
    name_en = models.CharField(max_length=100)
    levels = ArrayField(models.CharField(max_length=20), default=list)

    def __str__(self) -> str:
        """The code."""
        return self.code
