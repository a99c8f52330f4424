"""Data classes, schemes and rules in the operator's console."""

from django.contrib import admin

from marketplace.kernel.records import RecordAdmin
from marketplace.sovereignty.models import AssuranceScheme, DataClass, DataClassRule


@admin.register(AssuranceScheme)
class AssuranceSchemeAdmin(RecordAdmin):
    """Kinds of certificates."""

    list_display = ("code", "name_ko", "name_en", "levels")


@admin.register(DataClass)
class DataClassAdmin(RecordAdmin):
    """Classes of data."""

    list_display = ("code", "name_ko", "name_en")


@admin.register(DataClassRule)
class DataClassRuleAdmin(RecordAdmin):
    """Dated rules; versions are never edited."""

    list_display = ("data_class", "version", "effective_from", "effective_to", "source")
    list_select_related = ("data_class",)
