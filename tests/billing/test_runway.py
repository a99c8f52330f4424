"""How long money lasts: worked cases with literal instants, and what holds for any numbers."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.credit import split_vat
from billing.runway import NEVER_S, Lot, Stage, draw_lots, look_ahead, seconds_until, view_budget
from marketplace.kernel.money import NUMERATOR_PER_WON

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WON_A_SECOND = NUMERATOR_PER_WON


def lot(won: int, *, number: int = 1, hours: int | None = None) -> Lot:
    """So much left, for so long."""
    return Lot(lot_id=UUID(int=number), remaining_won=won, expires_at=None if hours is None else NOW + hours * HOUR)


@pytest.mark.parametrize(
    ("won", "stage", "seconds", "next_in"),
    [
        (0, Stage.EXHAUSTED, 0, None),
        (1, Stage.GRACE, 1, 1),
        (3_600, Stage.GRACE, 3_600, 3_600),
        (3_601, Stage.LOW, 3_601, 1),
        (86_400, Stage.LOW, 86_400, 82_800),
        (86_401, Stage.ENOUGH, 86_401, 1),
    ],
)
def test_a_won_a_second_lasts_as_many_seconds(won: int, stage: Stage, seconds: int, next_in: int | None) -> None:
    """A day before the end it is low, an hour before it is grace, and it ends at zero."""
    runway = look_ahead(lots=[lot(won)], unsettled_numerator=0, numerator_per_second=WON_A_SECOND, now=NOW)
    assert runway.stage is stage
    assert runway.exhausts_at == NOW + timedelta(seconds=seconds)
    assert runway.next_crossing_at == (None if next_in is None else NOW + timedelta(seconds=next_in))


def test_nothing_that_runs_uses_nothing() -> None:
    """However little is left; a debt is used up at once."""
    rest = look_ahead(lots=[lot(1)], unsettled_numerator=0, numerator_per_second=0, now=NOW)
    assert (rest.stage, rest.exhausts_at, rest.next_crossing_at) == (Stage.ENOUGH, None, None)
    debt = look_ahead(lots=[lot(5)], unsettled_numerator=6 * NUMERATOR_PER_WON, numerator_per_second=0, now=NOW)
    assert debt.stage is Stage.EXHAUSTED


def test_what_expires_first_is_used_first_and_the_rest_of_it_is_gone() -> None:
    """7,200 won until in an hour and 3,600 without end, at a won a second: two hours, not three."""
    lots = [lot(3_600, number=1), lot(7_200, number=2, hours=1)]
    runway = look_ahead(lots=lots, unsettled_numerator=0, numerator_per_second=WON_A_SECOND, now=NOW)
    assert runway.exhausts_at == NOW + 2 * HOUR
    assert runway.next_crossing_at == NOW + HOUR
    assert draw_lots(lots=lots, amount_won=10_000) == [(UUID(int=2), 7_200), (UUID(int=1), 2_800)]
    assert draw_lots(lots=lots, amount_won=10_900)[-1] == (None, 100)


LOTS = st.lists(st.tuples(st.integers(1, 10**9), st.one_of(st.none(), st.integers(1, 5_000))), min_size=1, max_size=5)


@given(
    amounts=LOTS,
    unsettled=st.integers(0, 10**9),
    per_second=st.integers(1, 10**13),
)
def test_no_balance_lasts_longer_than_without_expiry_nor_shorter_than_its_endless_part(
    amounts: list[tuple[int, int | None]], unsettled: int, per_second: int
) -> None:
    """Bounds that need no walk through the lots."""
    lots = [lot(won, number=index, hours=hours) for index, (won, hours) in enumerate(amounts)]
    found = look_ahead(lots=lots, unsettled_numerator=unsettled, numerator_per_second=per_second, now=NOW)
    left = sum(won for won, _hours in amounts) * NUMERATOR_PER_WON - unsettled
    longest = seconds_until(remaining_numerator=left, numerator_per_second=per_second)
    endless = sum(won for won, hours in amounts if hours is None) * NUMERATOR_PER_WON - unsettled
    shortest = max(0, endless) // per_second
    if found.exhausts_at is None or longest is None:
        assert longest is None or longest > NEVER_S - len(lots) or shortest > 0
        return
    seconds = int((found.exhausts_at - NOW).total_seconds())
    assert shortest <= seconds <= longest + len(lots)


@given(amounts=LOTS, wanted=st.integers(1, 10**10))
def test_draws_are_what_was_asked_for_and_never_more_than_a_lot_has(
    amounts: list[tuple[int, int | None]], wanted: int
) -> None:
    """The rest is a debt, and there is none while a lot has something."""
    lots = [lot(won, number=index, hours=hours) for index, (won, hours) in enumerate(amounts)]
    drawn = draw_lots(lots=lots, amount_won=wanted)
    assert sum(amount for _lot, amount in drawn) == wanted
    left = {item.lot_id: item.remaining_won for item in lots}
    assert all(0 < amount <= left[lot_id] for lot_id, amount in drawn if lot_id is not None)
    debt = sum(amount for lot_id, amount in drawn if lot_id is None)
    assert debt == max(0, wanted - sum(left.values()))


@given(paid=st.integers(1, 10**11))
def test_the_vat_kept_is_at_least_a_tenth_of_the_credit_and_at_most_two_won_more(paid: int) -> None:
    """₩110,000 is ₩100,000 and ₩10,000."""
    credit, vat = split_vat(paid)
    assert credit + vat == paid
    assert 0 <= 10 * vat - credit < 20
    assert split_vat(110_000) == (100_000, 10_000)


@given(
    amount=st.integers(1, 10**9),
    spent=st.integers(0, 10**19),
    per_second=st.integers(0, 10**13),
    thresholds=st.lists(st.integers(1, 200), unique=True, max_size=5).map(sorted),
)
def test_at_the_next_crossing_a_line_is_crossed_and_a_second_before_it_is_not(
    amount: int, spent: int, per_second: int, thresholds: list[int]
) -> None:
    """For budgets: the instant is exact to the second."""
    now = view_budget(
        amount_won=amount, spent_numerator=spent, numerator_per_second=per_second, thresholds=thresholds, now=NOW
    )
    if now.next_crossing_at is None:
        ahead = [amount * NUMERATOR_PER_WON * mark - spent * 100 for mark in [*thresholds, 100]]
        assert all(left <= 0 or left > per_second * NEVER_S * 100 for left in ahead)
        return
    seconds = int((now.next_crossing_at - NOW).total_seconds())

    def lines(after: int) -> int:
        total = spent + per_second * after
        return sum(total * 100 >= amount * NUMERATOR_PER_WON * mark for mark in {*thresholds, 100})

    assert lines(seconds) > lines(0)
    assert lines(seconds - 1) == lines(0)
