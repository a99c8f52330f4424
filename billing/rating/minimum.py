"""What an instance that ended still owes: the rest of its minimum term, then the rest of its minimum charge. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.rating.months import cut_at_months
from billing.rating.prices import SHAPES, AgreedPrice
from marketplace.kernel.money import NUMERATOR_PER_WON


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingMinimum:
    """The sum written out.

    Attributes:
        missing_s: Seconds missing to the minimum term.
        term_numerator: Their price.
        charge_numerator: What is then still missing to the minimum charge.
    """

    missing_s: int
    term_numerator: int
    charge_numerator: int

    @property
    def numerator(self) -> int:
        """Both together."""
        return self.term_numerator + self.charge_numerator


def find_missing_minimum(
    *, price: AgreedPrice, devices: int, used_s: int, charged_numerator: int, ended_at: datetime
) -> MissingMinimum:
    """What the minimums of an agreed price add when an instance ends; zeros where they are reached.

    The missing seconds cost what they would have cost from the end on.

    Args:
        used_s: Seconds that count: metered ones, and excused ones, since an outage is not the customer's choice.
        charged_numerator: What the instance's usage has cost.
    """
    missing_s = max(0, price.minimum_s - used_s)
    term = sum(
        SHAPES[price.shape].accrue(
            price_micros=price.price_micros, units=price.units(devices), started_at=start, ended_at=end
        )
        for start, end in cut_at_months(started_at=ended_at, ended_at=ended_at + timedelta(seconds=missing_s))
    )
    charge = max(0, price.minimum_won * NUMERATOR_PER_WON - charged_numerator - term)
    return MissingMinimum(missing_s=missing_s, term_numerator=term, charge_numerator=charge)
