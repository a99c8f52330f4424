"""A refusal by rule as a sentence, in the active language, with its numbers."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.sovereignty.rules import Rule

SENTENCES: Final[Mapping[str, Promise]] = {
    Rule.CERTIFICATE_MISSING: _("The site has no certificate that data class %(data_class)s requires: %(required)s."),
    Rule.CERTIFICATE_LEVEL_TOO_LOW: _(
        "Data class %(data_class)s requires %(required)s; the site holds %(actual)s (%(document)s), which is a lower level."
    ),
    Rule.CERTIFICATE_EXPIRED: _(
        "Data class %(data_class)s requires %(required)s;"
        " the site's certificate %(document)s is not valid now (until %(valid_to)s)."
    ),
    Rule.CERTIFICATE_REVOKED: _(
        "Data class %(data_class)s requires %(required)s; the site's certificate %(document)s was revoked."
    ),
    Rule.CERTIFICATE_EXPIRES_TOO_SOON: _(
        "Data class %(data_class)s requires %(required)s until %(needed_until)s; the site's certificate %(document)s"
        " ends at %(valid_to)s."
    ),
    Rule.JURISDICTION: _("Data class %(data_class)s must stay in %(required)s; the site is in %(actual)s."),
    Rule.OPERATOR_NATIONALITY: _(
        "Data class %(data_class)s requires an operator from %(required)s; this one is from %(actual)s."
    ),
    Rule.ZONE: _("Data class %(data_class)s requires the zone %(required)s; the site is in the zone %(actual)s."),
    Rule.ZONE_RESERVED: _("The site takes organizations of the sectors %(required)s only; this one is of %(actual)s."),
    Rule.ZONE_NOT_EXCLUSIVE: _(
        "Data class %(data_class)s requires a site reserved for the organization's sector; this one takes everybody."
    ),
    Rule.NETWORK_SEPARATION: _("Data class %(data_class)s requires a network-separated site; this one is not."),
    Rule.ISOLATION: _("Data class %(data_class)s requires isolation by %(required)s; this accelerator has %(actual)s."),
    Rule.IMAGE: _("Data class %(data_class)s takes only images from %(required)s; the request names %(actual)s."),
    Rule.CUSTOMER_ASSESSMENT_MISSING: _(
        "Your organization's assessment of this provider is missing: data class %(data_class)s requires %(required)s"
        " for %(provider)s."
    ),
    Rule.CUSTOMER_ASSESSMENT_OVERDUE: _(
        "Your organization's assessment %(document)s of %(provider)s was due for its re-check on %(recheck_due)s:"
        " data class %(data_class)s requires %(required)s."
    ),
}


def explain_refusal(*, rule: str, data_class: str, facts: Mapping[str, Any]) -> str:
    """The sentence for one stored or fresh refusal; an unknown rule (from a newer version) is shown by its token."""
    sentence = SENTENCES.get(rule)
    return str(sentence) % {"data_class": data_class, **facts} if sentence is not None else rule
