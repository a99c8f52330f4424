"""Bank transfers, as an operator records them from the bank's statement."""

from datetime import datetime
from typing import Final

from billing.payments.port import Payment, check_payment

METHOD: Final = "bank_transfer"


def read_transfer(*, paid_won: int, currency: str, reference: str, received_at: datetime) -> Payment:
    """A transfer that has arrived.

    Args:
        paid_won: As on the statement, VAT included.
        reference: The statement's own number of the entry.

    Raises:
        CurrencyNotAccepted, PaymentAmountInvalid, ValidationFailed: It cannot be booked.
    """
    return check_payment(
        paid_won=paid_won, currency=currency, method=METHOD, reference=reference, received_at=received_at
    )
