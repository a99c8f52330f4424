"""Writes of schemes, classes and rules; by operators, audited."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from marketplace.kernel import ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import ValidationFailed
from marketplace.sovereignty.models import AssuranceScheme, DataClass, DataClassRule
from marketplace.sovereignty.rules import RequirementsMalformed, parse_requirements


class RuleInvalid(ValidationFailed):
    """Requirements that cannot be stored: wrong shape, unknown scheme or level, or a start in the past."""

    code = "rule_invalid"


def define_scheme(
    *, actor: Actor, code: str, name_ko: str, name_en: str, levels: Sequence[str], now: datetime
) -> AssuranceScheme:
    """Add or rename an assurance scheme. Safe to repeat."""
    scheme, _created = AssuranceScheme.objects.update_or_create(
        code=code, defaults={"name_ko": name_ko, "name_en": name_en, "levels": list(levels)}
    )
    record_act(actor=actor, action="assurance_scheme.defined", object_type="scheme", object_id=scheme.id, now=now)
    return scheme


def define_data_class(*, actor: Actor, code: str, name_ko: str, name_en: str, now: datetime) -> DataClass:
    """Add or rename a data class. Safe to repeat."""
    data_class, _created = DataClass.objects.update_or_create(
        code=code, defaults={"name_ko": name_ko, "name_en": name_en}
    )
    record_act(actor=actor, action="data_class.defined", object_type="class", object_id=data_class.id, now=now)
    return data_class


def publish_rule(
    *,
    actor: Actor,
    data_class: str,
    requirements: Mapping[str, Any],
    effective_from: datetime,
    source: str,
    now: datetime,
) -> DataClassRule:
    """Publish a class's next rule version; the one in force ends where it begins.

    Raises:
        RuleInvalid: Malformed requirements, an unknown scheme or level, or a start before the version in force began.

    Locks the class row, so that two publishers queue up.
    """
    holder = DataClass.objects.select_for_update(no_key=True).get(code=data_class)
    version = (DataClassRule.objects.filter(data_class=holder).aggregate(last=Max("version"))["last"] or 0) + 1
    _check_requirements(data_class=data_class, body=requirements)
    current = DataClassRule.objects.filter(data_class=holder, effective_to__isnull=True).first()
    if current is not None:
        if current.effective_from >= effective_from:
            raise RuleInvalid(reason="A later version is already scheduled.", pointer="/effective_from")
        DataClassRule.objects.filter(id=current.id).update(effective_to=effective_from)
    rule = DataClassRule.objects.create(
        data_class=holder,
        version=version,
        requirements=dict(requirements),
        source=source,
        effective_from=effective_from,
    )
    record_act(
        actor=actor, action="data_class_rule.published", object_type="rul", object_id=rule.id, now=now,
        changes={"data_class": data_class, "version": version},
    )  # fmt: skip
    return rule


def _check_requirements(*, data_class: str, body: Mapping[str, Any]) -> None:
    placeholder: UUID = ids.new_id()
    try:
        parsed = parse_requirements(data_class=data_class, rule_id=placeholder, version=1, body=body)
    except RequirementsMalformed as error:
        raise RuleInvalid(reason=str(error), pointer="/requirements") from error
    levels = dict(AssuranceScheme.objects.values_list("code", "levels"))
    for item in (*parsed.all_of, *(item for group in parsed.any_of for item in group)):
        if item.scheme not in levels:
            raise RuleInvalid(reason=f"Unknown assurance scheme {item.scheme}.", pointer="/requirements")
        if item.level_min and item.level_min not in levels[item.scheme]:
            raise RuleInvalid(reason=f"{item.scheme} has no level {item.level_min}.", pointer="/requirements")
