"""A discount: a part of the price for a term, up to a cap. Pure.

A share of a numerator is cut to a whole unit of it (3.6e9 are a won), for the sum so far; what is new is the difference to what was
given before, so that it does not matter how often one looks.
"""

from collections.abc import Hashable, Mapping
from typing import Final, TypeVar

from marketplace.kernel.money import NUMERATOR_PER_WON

BASIS_POINTS: Final = 10_000
"""Hundredths of a percent in a whole."""

Key = TypeVar("Key", bound=Hashable)


def share(*, numerator: int, basis_points: int) -> int:
    """The discount on a cost, cut to one unit of the numerator."""
    return numerator * basis_points // BASIS_POINTS


def give(*, costs: Mapping[Key, int], basis_points: int, cap_won: int | None, given_before: int = 0) -> dict[Key, int]:
    """What is taken off each cost, positive, in the order of `costs`, until the cap is reached.

    Args:
        cap_won: Most that the discount gives in all, in whole won; None = no cap.
        given_before: Numerators it has given elsewhere, which count towards the cap.
    """
    left = None if cap_won is None else max(0, cap_won * NUMERATOR_PER_WON - given_before)
    given: dict[Key, int] = {}
    for key, numerator in costs.items():
        wanted = share(numerator=max(0, numerator), basis_points=basis_points)
        taken = wanted if left is None else min(wanted, left)
        if left is not None:
            left -= taken
        given[key] = taken
    return given
