"""The tables of billing/README.md for shapes and for the sums beside usage, and what must hold for any numbers."""

import itertools
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.rating import AgreedPrice, month_bounds, rate_usage
from billing.rating.commitment import Capacity, UsedSpan, accrue_fee, cover, cover_in_turn
from billing.rating.discount import give
from billing.rating.minimum import find_missing_minimum
from marketplace.kernel.money import NUMERATOR_PER_WON, won_from_numerator

pytestmark = pytest.mark.unit

WON = 1_000_000
VERSION = UUID(int=7)
HOURLY = AgreedPrice(price_version_id=VERSION, price_micros=5_400 * WON)
MONTHLY = AgreedPrice(price_version_id=VERSION, price_micros=3_000_000 * WON, plan="monthly", shape="monthly")
START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def cost(price: AgreedPrice, start: datetime, end: datetime, devices: int = 1) -> int:
    """Exact numerator."""
    return sum(piece.numerator for piece in rate_usage(prices=[price], devices=devices, started_at=start, ended_at=end))


@pytest.mark.parametrize("month", [date(2027, 2, 1), date(2026, 12, 1), date(2026, 11, 1)])
def test_a_whole_month_costs_exactly_its_price(month: date) -> None:
    """28, 31 and 30 days: ₩3,000,000."""
    assert cost(MONTHLY, *month_bounds(month)) == 3_000_000 * NUMERATOR_PER_WON


def test_a_part_of_a_month_costs_its_share() -> None:
    """15 of 30 days: ₩1,500,000; one of 31: ₩96,774.19 and a bit."""
    november, december = month_bounds(date(2026, 11, 1))
    assert cost(MONTHLY, november, november + timedelta(days=15)) == 1_500_000 * NUMERATOR_PER_WON
    assert won_from_numerator(cost(MONTHLY, december, december + timedelta(days=1))) == 96_774


@given(
    st.sampled_from([HOURLY, MONTHLY]),
    st.integers(1, 64),
    st.integers(1, 10**7),
    st.lists(st.integers(0, 10**7), max_size=6),
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**12)), max_size=3),
)
def test_parts_add_up_for_every_shape_wherever_prices_change(
    first: AgreedPrice, devices: int, seconds: int, cuts: list[int], changes: list[tuple[int, int]]
) -> None:
    """Additivity over splits, month ends and price changes; seconds too."""
    later = [
        AgreedPrice(price_version_id=VERSION, price_micros=micros, since=START + timedelta(seconds=at))
        for at, micros in sorted(changes)
    ]
    prices = [first, *later]

    def sums(begin: int, end: int) -> tuple[int, int]:
        pieces = rate_usage(
            prices=prices, devices=devices, started_at=START + timedelta(seconds=begin),
            ended_at=START + timedelta(seconds=end),
        )  # fmt: skip
        return sum(piece.numerator for piece in pieces), sum(piece.device_seconds for piece in pieces)

    ends = sorted({cut for cut in cuts if 0 < cut < seconds} | {0, seconds})
    parts = [sums(begin, end) for begin, end in itertools.pairwise(ends)]
    assert (sum(part[0] for part in parts), sum(part[1] for part in parts)) == sums(0, seconds)
    assert sums(0, seconds)[1] == devices * seconds


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3_599), st.integers(1, 10**10)), max_size=4, unique_by=lambda item: item[0]),
    st.lists(st.tuples(st.integers(1, 3_599), st.integers(1, 8)), max_size=4, unique_by=lambda item: item[0]),
)
def test_price_changes_and_resizes_within_an_hour_cost_what_each_second_costs(
    changes: list[tuple[int, int]], resizes: list[tuple[int, int]]
) -> None:
    """Against a sum of 3,600 seconds, each at its own price and number of devices; a resize is another interval."""
    prices = [HOURLY] + [
        AgreedPrice(price_version_id=VERSION, price_micros=micros, since=at(second))
        for second, micros in sorted(changes)
    ]
    levels = [(0, 2), *sorted(resizes), (3_600, 0)]
    charged = sum(
        piece.numerator
        for (begin, devices), (end, _next) in itertools.pairwise(levels)
        for piece in rate_usage(prices=prices, devices=devices, started_at=at(begin), ended_at=at(end))
    )
    micros_of = [max(item for item in [(0, 5_400 * WON), *changes] if item[0] <= second)[1] for second in range(3_600)]
    devices_of = [max(item for item in [(0, 2), *resizes] if item[0] <= second)[1] for second in range(3_600)]
    assert charged == sum(micros * devices for micros, devices in zip(micros_of, devices_of, strict=True))


@pytest.mark.parametrize(
    ("price", "won"),
    [
        (AgreedPrice(price_version_id=VERSION, price_micros=5_400 * WON, minimum_s=7_200), 5_400),
        (AgreedPrice(price_version_id=VERSION, price_micros=5_400 * WON, minimum_won=20_000), 14_600),
        (HOURLY, 0),
    ],
)
def test_what_is_missing_to_a_minimum(price: AgreedPrice, won: int) -> None:
    """One hour was used."""
    missing = find_missing_minimum(
        price=price, devices=1, used_s=3_600, charged_numerator=5_400 * NUMERATOR_PER_WON, ended_at=START
    )
    assert missing.numerator == won * NUMERATOR_PER_WON


def test_a_commitment_is_paid_used_or_not_and_covers_no_more_than_its_devices() -> None:
    """Two devices at ₩4,000 for ten hours: ₩80,000; of three used for an hour, two are covered."""
    end = START + timedelta(hours=10)
    committed = AgreedPrice(price_version_id=VERSION, price_micros=4_000 * WON)
    assert accrue_fee(price=committed, devices=2, started_at=START, ended_at=end) == 80_000 * NUMERATOR_PER_WON
    span = UsedSpan(
        instance_id=UUID(int=1), price_version_id=VERSION, price_micros=5_400 * WON, units=3, started_at=START,
        ended_at=START + timedelta(hours=1),
    )  # fmt: skip
    covered = cover(spans=[span], capacities=[Capacity(units=2, started_at=START, ended_at=end)])
    assert covered == {span.key: 7_200}
    assert span.price_micros * covered[span.key] == 10_800 * NUMERATOR_PER_WON


SECONDS = st.integers(0, 300)


@given(
    st.lists(st.tuples(st.integers(1, 5), SECONDS, st.integers(1, 200), st.integers(1, 8)), max_size=8),
    st.lists(st.tuples(st.integers(1, 6), SECONDS, st.integers(1, 300)), min_size=1, max_size=3),
)
def test_commitments_cover_at_every_instant_the_lesser_of_use_and_units(
    used: list[tuple[int, int, int, int]], committed: list[tuple[int, int, int]]
) -> None:
    """Against a count second by second; each one covers what those before it left, and together they cover what one would."""
    spans = [
        UsedSpan(
            instance_id=UUID(int=number), price_version_id=VERSION, price_micros=WON, units=units,
            started_at=at(begin), ended_at=at(begin + length),
        )
        for number, begin, length, units in used
    ]  # fmt: skip
    capacities = [
        Capacity(units=units, started_at=at(begin), ended_at=at(begin + length)) for units, begin, length in committed
    ]

    def expected(count: int) -> int:
        return sum(
            min(
                sum(units for units, begin, length in committed[:count] if begin <= second < begin + length),
                sum(units for _number, begin, length, units in used if begin <= second < begin + length),
            )
            for second in range(700)
        )

    found = [sum(part.values()) for part in cover_in_turn(spans=spans, capacities=capacities)]
    assert found == [expected(count) - expected(count - 1) for count in range(1, len(committed) + 1)]
    assert all(
        seconds > 0 for part in cover_in_turn(spans=spans, capacities=capacities[:1]) for seconds in part.values()
    )


@given(
    st.lists(st.integers(0, 10**15), min_size=1, max_size=8), st.integers(1, 10_000), st.none() | st.integers(1, 10**6)
)
def test_it_does_not_matter_how_often_a_discount_is_reckoned(
    costs: list[int], basis_points: int, cap_won: int | None
) -> None:
    """Once at the end, or after every cost with the difference: the same in all, never above the cap or the part."""
    growing = [{"a": sum(costs[: count + 1])} for count in range(len(costs))]
    steps = [give(costs=sums, basis_points=basis_points, cap_won=cap_won)["a"] for sums in growing]
    assert steps == sorted(steps)
    assert steps[-1] <= sum(costs) * basis_points // 10_000
    assert cap_won is None or steps[-1] <= cap_won * NUMERATOR_PER_WON


def at(second: int) -> datetime:
    """So many seconds after the start."""
    return START + timedelta(seconds=second)


def test_a_discount_stops_at_its_cap() -> None:
    """12.5 % of ₩5,400 are ₩675; of the next ₩5,400 only ₩325 are left of ₩1,000."""
    costs = {"a": 5_400 * NUMERATOR_PER_WON, "b": 5_400 * NUMERATOR_PER_WON}
    given_off = give(costs=costs, basis_points=1_250, cap_won=1_000)
    assert given_off == {"a": 675 * NUMERATOR_PER_WON, "b": 325 * NUMERATOR_PER_WON}
