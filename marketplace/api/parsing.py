"""Requests in: strict bodies, known query parameters, public ids."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from marketplace.kernel import ids
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.kernel.money import micros_from_won_text


class OrjsonParser(BaseParser):
    """JSON in. Refuses what the standard library lets through or falls over: NaN, lone surrogates, brackets 2,000 deep."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The value.

        Raises:
            ParseError: Not JSON; the message says where.
        """
        del media_type, parser_context
        try:
            return orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise ParseError(f"JSON parse error - {error}") from error


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses members it does not know, by name: a misspelt limit must not be ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Check the members' names, then their values."""
        if isinstance(data, Mapping):
            unknown = sorted(set(map(str, data)) - set(self.fields))
            if unknown:
                raise serializers.ValidationError({name: [_("There is no such member.")] for name in unknown})
        return super().to_internal_value(data)


class StrictInteger(serializers.IntegerField):
    """A JSON number without fraction; strings and booleans are not numbers."""

    def to_internal_value(self, data: Any) -> int:
        """The number."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class BoundedListField(serializers.ListField):
    """A list that is refused for its length before any of its items is looked at; `max_length` alone looks at all of them first."""

    def to_internal_value(self, data: Any) -> Any:
        """The items."""
        if self.max_length is not None and isinstance(data, list) and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class WonField(serializers.CharField):
    """Won as a decimal string with at most six decimals → micros."""

    def to_internal_value(self, data: Any) -> Any:
        """Millionths of a won."""
        if not isinstance(data, str):
            raise serializers.ValidationError(_('Money is a decimal string, e.g. "5400".'))
        try:
            return micros_from_won_text(data)
        except ValueError as error:
            raise serializers.ValidationError(_('Money is a decimal string, e.g. "5400".')) from error


class VersionsField(serializers.DictField):
    """Ranges by component; what they say is read by `journeys.version_filter`."""

    def __init__(self, **options: Any) -> None:
        """At most the three components, each a text."""
        text = (
            'Ranges that the node\'s versions must lie in, e.g. {"driver": ">=580.65,<590"}: driver, firmware, runtime.'
        )
        child = serializers.CharField(max_length=120, allow_blank=True)
        super().__init__(**{"child": child, "default": dict, "help_text": text, **options})


class PublicIdField(serializers.CharField):
    """A public id → UUID."""

    def __init__(self, *, prefix: str, **options: Any) -> None:
        """Remember the prefix."""
        self.prefix = prefix
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        """The stored id; a malformed one is told as such, since nothing can exist under it."""
        try:
            return ids.parse_id(prefix=self.prefix, text=data if isinstance(data, str) else "")
        except ids.MalformedId as error:
            message = _("An id of the form %(prefix)s_… is needed.") % {"prefix": self.prefix}
            raise serializers.ValidationError(message) from error


def parse_body(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
    """The validated body.

    Raises:
        serializers.ValidationError: Every wrong member at once.
    """
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    values: dict[str, Any] = checked.validated_data
    return values


def path_id(prefix: str, text: str) -> UUID:
    """The id in a URL.

    Raises:
        NotFound: Malformed: answered exactly as an unknown one.
    """
    try:
        return ids.parse_id(prefix=prefix, text=text)
    except ids.MalformedId as error:
        raise NotFound from error


def check_query(request: Request, allowed: Iterable[str]) -> None:
    """Refuse query parameters that the route does not have.

    Raises:
        ValidationFailed: Names the first unknown one.
    """
    unknown = sorted(set(request.query_params) - set(allowed))
    if unknown:
        reason = _("There is no query parameter %(name)s here.") % {"name": unknown[0][:60]}
        raise ValidationFailed(reason=reason, pointer=f"?{unknown[0][:60]}")


def is_dry_run(request: Request) -> bool:
    """Whether `?dry_run=true`.

    Raises:
        ValidationFailed: Another value than true or false.
    """
    value = request.query_params.get("dry_run", "false")
    if value not in ("true", "false"):
        raise ValidationFailed(reason=_("dry_run is true or false."), pointer="?dry_run")
    return value == "true"
