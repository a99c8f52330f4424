"""Stored requirements of a rule version, read strictly: a misspelt member would otherwise silently permit. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from marketplace.sovereignty.rules import (
    ISOLATION_ORDER,
    Requirements,
    SchemeRequirement,
)

CERTIFICATE_DAYS_MAX: Final = 3_660
LIST_MAX: Final = 50


class RequirementsMalformed(ValueError):
    """Stored requirements do not have the shape described at `Requirements`; the message names the member."""


def parse_requirements(*, data_class: str, rule_id: UUID, version: int, body: Mapping[str, Any]) -> Requirements:
    """Read the stored JSON of a rule version.

    Raises:
        RequirementsMalformed: An unknown member, or one of the wrong type.
    """
    unknown = sorted(set(body) - set(_READERS))
    if unknown:
        message = f"unknown members: {', '.join(unknown)}"
        raise RequirementsMalformed(message)
    values = {name: _READERS[name](name, value) for name, value in body.items()}
    return Requirements(data_class=data_class, rule_id=rule_id, version=version, **values)


def describe_requirements(required: Requirements) -> dict[str, Any]:
    """The stored form: members that ask for nothing are left out. `parse_requirements` reads it back unchanged."""
    default = Requirements(data_class="", rule_id=required.rule_id, version=0)
    body = {
        name: _plain(getattr(required, name)) for name in _READERS if getattr(required, name) != getattr(default, name)
    }
    return dict(sorted(body.items()))


def _plain(value: Any) -> Any:
    if isinstance(value, SchemeRequirement):
        return {"scheme": value.scheme, **({"level_min": value.level_min} if value.level_min else {})}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    is_list = isinstance(value, list) and len(value) <= LIST_MAX
    if not is_list or not all(isinstance(item, str) and item.strip() == item and item for item in value):
        message = f"{name}: a list of texts"
        raise RequirementsMalformed(message)
    return tuple(value)


def _countries(name: str, value: Any) -> tuple[str, ...]:
    codes = _texts(name, value)
    if not all(len(code) == 2 and code.isascii() and code.isupper() for code in codes):
        message = f"{name}: country codes of two capital letters"
        raise RequirementsMalformed(message)
    return codes


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        message = f"{name}: true or false"
        raise RequirementsMalformed(message)
    return value


def _isolation(name: str, value: Any) -> str:
    if value not in ("", *ISOLATION_ORDER):
        message = f"{name}: {value!r} is not an isolation class"
        raise RequirementsMalformed(message)
    return str(value)


def _days(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= CERTIFICATE_DAYS_MAX:
        message = f"{name}: a whole number of days, 0 to {CERTIFICATE_DAYS_MAX}"
        raise RequirementsMalformed(message)
    return value


def _schemes(name: str, value: Any) -> tuple[SchemeRequirement, ...]:
    items: Sequence[Any] = value if isinstance(value, list) and len(value) <= LIST_MAX else [None]
    for item in items:
        if not isinstance(item, Mapping) or "scheme" not in item or set(item) - {"scheme", "level_min"}:
            message = f"{name}: a required certificate has a member `scheme`, perhaps `level_min`, and no other"
            raise RequirementsMalformed(message)
        _texts(name, [item["scheme"]])
        if not isinstance(item.get("level_min", ""), str):
            message = f"{name}: level_min is a text"
            raise RequirementsMalformed(message)
    return tuple(SchemeRequirement(scheme=item["scheme"], level_min=item.get("level_min", "")) for item in items)


def _groups(name: str, value: Any) -> tuple[tuple[SchemeRequirement, ...], ...]:
    if (
        not isinstance(value, list)
        or len(value) > LIST_MAX
        or not all(isinstance(group, list) and group for group in value)
    ):
        message = f"{name}: a list of lists, none of them empty (nothing could satisfy an empty one)"
        raise RequirementsMalformed(message)
    return tuple(_schemes(name, group) for group in value)


_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "all_of": _schemes,
    "any_of": _groups,
    "jurisdictions": _countries,
    "operator_nationalities": _countries,
    "zones": _texts,
    "needs_exclusive_zone": _yes_or_no,
    "needs_network_separation": _yes_or_no,
    "isolation_min": _isolation,
    "needs_dedicated_node": _yes_or_no,
    "image_registries": _texts,
    "needs_image_digest": _yes_or_no,
    "customer_assessments": _texts,
    "certificate_days_min": _days,
}
"""Every member a rule may have, and how it is read; absent ones ask for nothing."""
