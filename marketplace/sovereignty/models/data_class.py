"""Classes of data a project may hold."""

from django.db import models

from marketplace.kernel import ids


class DataClass(models.Model):
    """N2SF C/S/O, CSAP grades, personal credit data, national core technology, open: data with dated rules."""

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    code = models.SlugField(max_length=40, unique=True)
    name_ko = models.CharField(max_length=100)
    name_en = models.CharField(max_length=100)

    def __str__(self) -> str:
        """The code."""
        return self.code
