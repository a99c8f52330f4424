"""Refusals by rule as people read them: data classes and schemes by their names, times as days in Seoul."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from django.utils.translation import get_language

from marketplace.inventory.queries import read_provider_names
from marketplace.kernel.clock import KST
from marketplace.sovereignty.queries import read_data_class_names, read_scheme_names
from marketplace.sovereignty.texts import explain_refusal

_TIMES: Final = frozenset({"valid_to", "needed_until", "recheck_due"})
_CODES: Final = frozenset({"required", "actual"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalWords:
    """Names in the active language; stored evidence keeps the codes."""

    data_classes: Mapping[str, str]
    schemes: Mapping[str, str]
    providers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Self:
        """Three queries."""
        language = get_language() or ""
        return cls(
            data_classes=read_data_class_names(language=language),
            schemes=read_scheme_names(language=language),
            providers=read_provider_names(language=language),
        )

    def data_class(self, code: str) -> str:
        """A data class's name, or its code when the catalogue no longer has it."""
        return self.data_classes.get(code, code)

    def scheme(self, code: str) -> str:
        """An assurance scheme's name, or its code."""
        return self.schemes.get(code, code)

    def provider(self, code: str) -> str:
        """A provider's name, or its code."""
        return self.providers.get(code, code)

    def explain(self, reason: Mapping[str, Any]) -> str:
        """The sentence for one reason, `{rule, data_class, facts}`, fresh or as stored with a decision."""
        facts = {key: self._word(key, value) for key, value in reason["facts"].items()}
        return explain_refusal(rule=reason["rule"], data_class=self.data_class(reason["data_class"]), facts=facts)

    def _word(self, key: str, value: object) -> object:
        if key in _TIMES:
            return f"{datetime.fromisoformat(str(value)).astimezone(KST):%Y-%m-%d}"
        if key == "provider":
            return self.provider(str(value))
        if key not in _CODES:
            return value
        # "csap mid / isms-p": alternatives, each a scheme and perhaps a level; other codes have no name and stay.
        parts = (part.partition(" ") for part in str(value).split(" / "))
        return " / ".join(f"{self.schemes.get(code, code)} {level}".strip() for code, _space, level in parts)
