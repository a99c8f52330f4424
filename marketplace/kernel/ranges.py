"""Half-open time ranges as the database sees them."""

from django.contrib.postgres.fields import DateTimeRangeField
from django.db.models import Func


def tstzrange(lower: str, upper: str) -> Func:
    """`tstzrange(lower, upper)` of two columns: half-open, unbounded above where `upper` is null; for exclusion constraints."""
    return Func(lower, upper, function="TSTZRANGE", output_field=DateTimeRangeField())
