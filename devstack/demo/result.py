"""What the demo's story returns to `python -m devstack demo`."""

from collections.abc import Sequence
from dataclasses import dataclass


class StoryFailed(Exception):
    """A step of the story did not come out as told; the message says which and what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The invoice with which the story ends, and how visitors sign in.

    Attributes:
        visitor_lines: Printed after the address: who may sign in, with which password.
    """

    invoice_number: str
    supply_won: int
    vat_won: int
    total_won: int
    visitor_lines: Sequence[str] = ()

    def summary(self) -> str:
        """The last line of `make demo ONCE=1`."""
        amounts = f"supply={self.supply_won} vat={self.vat_won} total={self.total_won}"
        return f"DEMO OK invoice={self.invoice_number} {amounts}"
