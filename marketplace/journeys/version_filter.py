"""Driver, firmware and runtime ranges as people ask for them; placement reads them by the same parser."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from marketplace.kernel.errors import ValidationFailed
from marketplace.scheduling.versions import COMPONENTS, RangeMalformed, VersionRange, read_ranges

TEXT_CHARACTERS_MAX = 120


class VersionRangeInvalid(ValidationFailed):
    """A range that cannot be read, or of a component that has no version."""

    code = "version_range_invalid"
    remedy = _("Write bounds such as >=580.65,<590, one version such as ==580.95.05, or a family such as 580.")


def read_version_filter(versions: Mapping[str, str]) -> tuple[tuple[str, VersionRange], ...]:
    """The ranges by component; empty texts ask for nothing.

    Raises:
        VersionRangeInvalid: Names the component.
    """
    found: list[tuple[str, VersionRange]] = []
    for component, text in versions.items():
        if component not in COMPONENTS:
            reason = _("versions has driver, firmware and runtime; there is no %(component)s.")
            raise VersionRangeInvalid(
                reason=reason % {"component": component[:40]}, pointer=f"/versions/{component[:40]}"
            )
        if len(text) > TEXT_CHARACTERS_MAX:
            raise VersionRangeInvalid(
                reason=_("A range has at most %(most)s characters.") % {"most": TEXT_CHARACTERS_MAX},
                pointer=f"/versions/{component}",
            )
        try:
            found.extend(read_ranges({component: text.strip()}))
        except RangeMalformed as error:
            raise VersionRangeInvalid(
                reason=_("%(text)s is no version range.") % {"text": str(error) or "''"},
                pointer=f"/versions/{component}",
            ) from error
    return tuple(found)


def keep_versions(versions: Mapping[str, str]) -> dict[str, str]:
    """What is stored: without empty texts."""
    return {component: text.strip() for component, text in versions.items() if text.strip()}
