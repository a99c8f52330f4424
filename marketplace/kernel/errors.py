"""The base of every error that a person or a program may see.

An error class lives beside the function that raises it. The REST API renders it as problem+json, the portal as a notice: one
code, one meaning, on every face.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

TranslatedText = str | Promise


class OndolError(Exception):
    """A refusal with a stable code, an HTTP status, a sentence and what to do next; nothing was written.

    Attributes:
        code: Stable snake_case token (interfaces.md, Errors).
        http_status: Status of the REST answer.
        retryable: Whether the same request may succeed later unchanged.
        title: The situation, translated when rendered. `%(name)s` fields come from `facts`.
        remedy: What the person can do.
    """

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    title: ClassVar[TranslatedText] = _("Something went wrong on our side.")
    remedy: ClassVar[TranslatedText] = _("Try again; if it persists, give the request id to support.")

    def __init__(
        self,
        *,
        facts: Mapping[str, Any] | None = None,
        pointer: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the refusal.

        Args:
            facts: Values for the sentences' fields; shown to the caller, so never secrets or host names.
            pointer: JSON pointer to the offending member of the request body, e.g. `/devices`.
            details: Further members of the problem document (e.g. every site's reason).
        """
        self.facts = dict(facts or {})
        self.pointer = pointer
        self.details = dict(details or {})
        super().__init__(self.code)

    def message(self) -> str:
        """The situation in the active language, with its numbers."""
        return str(self.title) % self.facts if self.facts else str(self.title)

    def advice(self) -> str:
        """What to do next, in the active language."""
        return str(self.remedy) % self.facts if self.facts else str(self.remedy)


class NotFound(OndolError):
    """No such thing, or not this actor's: the two are never told apart (security.md 2)."""

    code = "not_found"
    http_status = 404
    title = _("There is nothing here under this id.")
    remedy = _("Check the id and the organization that you are signed in to.")


class Forbidden(OndolError):
    """The actor is known, the action is not theirs."""

    code = "forbidden"
    http_status = 403
    title = _("Your role does not allow this.")
    remedy = _("Ask an administrator of your organization for the role.")


class ValidationFailed(OndolError):
    """A member of the request is missing, malformed or outside its limits."""

    code = "validation_failed"
    http_status = 422
    title = _("The request has a value that cannot be used: %(reason)s")
    remedy = _("Correct the member named in `errors` and send the request again.")

    def __init__(
        self, *, reason: TranslatedText, pointer: str | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        """Make the refusal for one member; `reason` is a whole sentence."""
        self.reason = reason
        super().__init__(facts={"reason": reason, **(facts or {})}, pointer=pointer)
