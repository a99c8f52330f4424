"""Writes of schemes, classes and rules; by operators, audited."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.canonical import canonical_digest
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.sovereignty.models import AssuranceScheme, DataClass, DataClassRule, FactsSnapshot, HeldBy
from marketplace.sovereignty.requirements import RequirementsMalformed, parse_requirements
from marketplace.sovereignty.rules import Requirements


class RuleInvalid(ValidationFailed):
    """Requirements that cannot be stored: wrong shape, unknown scheme or level, or a start in the past."""

    code = "rule_invalid"


def define_scheme(
    *,
    actor: Actor,
    code: str,
    name_ko: str,
    name_en: str,
    levels: Sequence[str],
    now: datetime,
    held_by: HeldBy = HeldBy.SUPPLIER,
) -> AssuranceScheme:
    """Add or rename an assurance scheme. Safe to repeat."""
    scheme, _created = AssuranceScheme.objects.update_or_create(
        code=code, defaults={"name_ko": name_ko, "name_en": name_en, "levels": list(levels), "held_by": held_by}
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
    reason: str = "",
) -> DataClassRule:
    """Publish a class's next rule version; the one in force ends where it begins.

    A version that is scheduled and has not begun is replaced by one with the same start: it then never was in force.

    Raises:
        NotFound: There is no such class.
        RuleInvalid: Malformed requirements, an unknown scheme or level, a start in the past (decisions were made since), or
            one before a version that is scheduled.

    Locks the class row, so that two publishers queue up.
    """
    holder = DataClass.objects.select_for_update(no_key=True).filter(code=data_class).first()
    if holder is None:
        raise NotFound(pointer="/data_class")
    version = (DataClassRule.objects.filter(data_class=holder).aggregate(last=Max("version"))["last"] or 0) + 1
    check_requirements(data_class=data_class, body=requirements)
    current = DataClassRule.objects.filter(data_class=holder, effective_to__isnull=True).first()
    if current is not None:
        _check_start(current, effective_from, now=now)
        DataClassRule.objects.filter(id=current.id).update(effective_to=effective_from)
    rule = DataClassRule.objects.create(
        data_class=holder,
        version=version,
        requirements=dict(requirements),
        source=source,
        effective_from=effective_from,
    )
    record_act(
        actor=actor, action="data_class_rule.published", object_type="rul", object_id=rule.id, now=now, reason=reason,
        changes={"data_class": data_class, "version": version, "effective_from": effective_from.isoformat()},
    )  # fmt: skip
    return rule


def _check_start(current: DataClassRule, effective_from: datetime, *, now: datetime) -> None:
    if effective_from < now and current.effective_from <= now:
        raise RuleInvalid(
            reason=_("A rule begins now or later: decisions were already made by the one in force."),
            pointer="/effective_from",
        )
    if effective_from < current.effective_from:
        raise RuleInvalid(
            reason=_("Version %(version)s is scheduled for a later day; begin there to replace it, or after it.")
            % {"version": current.version},
            pointer="/effective_from",
        )
    if effective_from == current.effective_from <= now:
        raise RuleInvalid(reason=_("Another version began at this instant."), pointer="/effective_from")


def keep_facts(*, body: Mapping[str, Any]) -> UUID:
    """Keep what the rules looked at, once for all decisions that saw the same; its id. Safe to repeat and to race."""
    value = dict(body)
    digest = canonical_digest(value)
    known = FactsSnapshot.objects.filter(sha256=digest).values_list("id", flat=True).first()
    if known is not None:
        return known
    FactsSnapshot.objects.bulk_create([FactsSnapshot(sha256=digest, body=value)], ignore_conflicts=True)
    return FactsSnapshot.objects.values_list("id", flat=True).get(sha256=digest)


def check_requirements(*, data_class: str, body: Mapping[str, Any]) -> Requirements:
    """The requirements as the rules read them, once every scheme and level in them is known.

    Raises:
        RuleInvalid: With the member.
    """
    placeholder: UUID = ids.new_id()
    try:
        parsed = parse_requirements(data_class=data_class, rule_id=placeholder, version=1, body=body)
    except RequirementsMalformed as error:
        raise RuleInvalid(reason=str(error), pointer="/requirements") from error
    rows = AssuranceScheme.objects.values_list("code", "levels", "held_by")
    levels = {code: found for code, found, held_by in rows if held_by == HeldBy.SUPPLIER}
    made_by_customers = {code for code, _levels, held_by in rows if held_by == HeldBy.CUSTOMER}
    for item in (*parsed.all_of, *(item for group in parsed.any_of for item in group)):
        if item.scheme not in levels:
            reason = _("There is no certificate scheme %(scheme)s.") % {"scheme": item.scheme}
            raise RuleInvalid(reason=reason, pointer="/requirements")
        if item.level_min and item.level_min not in levels[item.scheme]:
            reason = _("%(scheme)s has no level %(level)s.") % {"scheme": item.scheme, "level": item.level_min}
            raise RuleInvalid(reason=reason, pointer="/requirements")
    for scheme in parsed.customer_assessments:
        if scheme not in made_by_customers:
            reason = _("Customers make no assessment %(scheme)s.") % {"scheme": scheme}
            raise RuleInvalid(reason=reason, pointer="/requirements")
    return parsed
