"""Reads of data classes, schemes and the rules in force; shared by every tenant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from marketplace.kernel.errors import ValidationFailed
from marketplace.sovereignty.models import AssuranceScheme, DataClass, DataClassRule, HeldBy
from marketplace.sovereignty.requirements import parse_requirements
from marketplace.sovereignty.rules import Requirements


class DataClassUnknown(ValidationFailed):
    """A project names a data class that the catalogue does not have, or that has no rule in force."""

    code = "data_class_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVersion:
    """A version of a class's rule as stored, with the half-open period in which it is in force."""

    data_class: str
    rule_id: UUID
    version: int
    body: Mapping[str, Any]
    effective_from: datetime
    effective_to: datetime | None

    def is_in_force(self, *, now: datetime) -> bool:
        """Whether it decides at this instant."""
        return self.effective_from <= now and (self.effective_to is None or now < self.effective_to)


def read_rule_versions(*, data_classes: Iterable[str] | None = None) -> tuple[RuleVersion, ...]:
    """Every version of the rules, also past and coming ones; None = of all classes."""
    rows = DataClassRule.objects.order_by("data_class__code", "version")
    if data_classes is not None:
        rows = rows.filter(data_class__code__in=sorted(set(data_classes)))
    found = rows.values_list("data_class__code", "id", "version", "requirements", "effective_from", "effective_to")
    return tuple(
        RuleVersion(
            data_class=code,
            rule_id=rule_id,
            version=version,
            body=body,
            effective_from=effective_from,
            effective_to=effective_to,
        )
        for code, rule_id, version, body, effective_from, effective_to in found
    )


def choose_requirements(
    *, versions: Iterable[RuleVersion], data_classes: Iterable[str], now: datetime
) -> tuple[Requirements, ...]:
    """The requirements in force for each class, ordered by class code; reads nothing.

    Raises:
        DataClassUnknown: A class has no rule in force: nothing may be placed on a guess.
    """
    wanted = sorted(set(data_classes))
    found = {row.data_class: row for row in versions if row.data_class in wanted and row.is_in_force(now=now)}
    missing = [code for code in wanted if code not in found]
    if missing:
        raise DataClassUnknown(reason=f"No rule is in force for data class {missing[0]}.", pointer="/data_classes")
    return tuple(
        parse_requirements(data_class=code, rule_id=row.rule_id, version=row.version, body=row.body)
        for code, row in ((code, found[code]) for code in wanted)
    )


def list_requirements_in_force(*, data_classes: Iterable[str], now: datetime) -> tuple[Requirements, ...]:
    """As `choose_requirements`, read from the database; one query.

    Raises:
        DataClassUnknown: A class has no rule in force.
    """
    wanted = sorted(set(data_classes))
    versions = read_rule_versions(data_classes=wanted)
    return choose_requirements(versions=versions, data_classes=wanted, now=now)


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
