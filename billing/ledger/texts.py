"""What accounts are called, in the reader's language."""

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.ledger.accounts import AccountKind

_NAMES: Final[Mapping[str, Promise]] = {
    AccountKind.RECEIVABLE: _("Receivable"),
    AccountKind.BANK: _("Bank"),
    AccountKind.CREDIT: _("Credit paid ahead"),
    AccountKind.CREDIT_VAT: _("VAT paid ahead"),
    AccountKind.SETTLED: _("Credit used, not invoiced"),
    AccountKind.EXPIRED_CREDIT: _("Expired credit"),
    AccountKind.GRANT: _("Borne by a programme"),
    AccountKind.REVENUE: _("Revenue"),
    AccountKind.VAT_PAYABLE: _("VAT payable"),
    AccountKind.PLATFORM_FEE: _("Platform fee"),
    AccountKind.PROVIDER_PAYABLE: _("Payable to the provider"),
}


def name_account(kind: str) -> str:
    """An account's name; the token for one of a newer version."""
    return str(_NAMES.get(kind, kind))
