"""Reads of data classes, schemes and the rules in force; shared by every tenant."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Q, QuerySet

from marketplace.kernel.errors import ValidationFailed
from marketplace.sovereignty.models import AssuranceScheme, DataClass, DataClassRule, HeldBy
from marketplace.sovereignty.requirements import parse_requirements
from marketplace.sovereignty.rules import Requirements


class DataClassUnknown(ValidationFailed):
    """A project names a data class that the catalogue does not have, or that has no rule in force."""

    code = "data_class_unknown"


def list_requirements_in_force(*, data_classes: Iterable[str], now: datetime) -> tuple[Requirements, ...]:
    """The rule version in force for each class, ordered by class code.

    Raises:
        DataClassUnknown: A class has no rule in force: nothing may be placed on a guess.
    """
    wanted = sorted(set(data_classes))
    rows = DataClassRule.objects.filter(
        Q(effective_to__isnull=True) | Q(effective_to__gt=now), data_class__code__in=wanted, effective_from__lte=now
    ).values_list("data_class__code", "id", "version", "requirements")
    found = {code: (rule_id, version, body) for code, rule_id, version, body in rows}
    missing = [code for code in wanted if code not in found]
    if missing:
        raise DataClassUnknown(reason=f"No rule is in force for data class {missing[0]}.", pointer="/data_classes")
    return tuple(
        parse_requirements(data_class=code, rule_id=found[code][0], version=found[code][1], body=found[code][2])
        for code in wanted
    )


def read_scheme_levels() -> Mapping[str, tuple[str, ...]]:
    """For each scheme code its levels, weakest first."""
    return {code: tuple(levels) for code, levels in AssuranceScheme.objects.values_list("code", "levels")}


def read_scheme_names(*, language: str) -> Mapping[str, str]:
    """Code → name in the language (`ko` or `en`)."""
    name = "name_en" if language == "en" else "name_ko"
    return dict(AssuranceScheme.objects.values_list("code", name))


def read_data_class_names(*, language: str) -> Mapping[str, str]:
    """Code → name in the language (`ko` or `en`)."""
    name = "name_en" if language == "en" else "name_ko"
    return dict(DataClass.objects.values_list("code", name))


def list_schemes(*, held_by: HeldBy) -> QuerySet[AssuranceScheme]:
    """Assurance schemes of providers and sites, or those of customers, by code."""
    return AssuranceScheme.objects.filter(held_by=held_by).order_by("code")
