"""What every operation's description has in common."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ProblemError(serializers.Serializer[Any]):
    """One wrong member."""

    pointer = serializers.CharField(help_text="JSON pointer into the body, or ?name of a query parameter.")
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """RFC 9457 problem document."""

    type = serializers.URLField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="Stable token; one code, one meaning.")
    errors = ProblemError(many=True)  # type: ignore[assignment] # DRF reads it as a declared field
    request_id = serializers.CharField()
    retryable = serializers.BooleanField(help_text="Whether the same request may succeed later unchanged.")
    remedy = serializers.CharField(help_text="What to do next, in the language of Accept-Language.")


PROBLEMS: Final = {
    400: "malformed_body",
    401: "unauthenticated, api_key_expired, api_key_revoked",
    403: "forbidden, tenant_suspended, quota_exceeded, data_class_not_allowed",
    404: "not_found: unknown, or another tenant's; the two are not told apart",
    409: "invalid_state, price_changed, price_above_limit, deletion_protected, idempotency_busy",
    413: "body_too_large",
    422: "validation_failed and its kin; idempotency_mismatch",
    503: "unavailable",
}


def problems(body: Any, *, status: int = 200) -> dict[Any, Any]:
    """The success answer and every problem an operation may answer with."""
    success: dict[Any, Any] = {
        status: OpenApiResponse(body) if body is not dict else OpenApiResponse({"type": "object"})
    }
    for code, description in PROBLEMS.items():
        success[code, "application/problem+json"] = OpenApiResponse(Problem, description=description)
    return success


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema says `Authorization: Bearer ondol_…`; drf-spectacular finds it by being defined."""

    target_class = "marketplace.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002 - the base class's signature
        """An HTTP bearer scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "ondol_…",
            "description": "An API key of a project.",
        }


class ProviderKeyScheme(ApiKeyScheme):  # type: ignore[no-untyped-call]
    """How the schema says `Authorization: Bearer ondolprv_…`."""

    target_class = "marketplace.api.authentication.ProviderKeyAuthentication"
    name = "providerKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """An HTTP bearer scheme."""
        return {
            **super().get_security_definition(auto_schema),
            "bearerFormat": "ondolprv_…",
            "description": "A key of a provider's meter; operators issue it.",
        }
