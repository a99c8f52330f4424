"""A market and callers of the REST API; Django is loaded only once the first test asks for them."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.caller import Caller
    from tests.market import SmallMarket


@pytest.fixture
def small_market(db: None, time_machine: Any) -> "SmallMarket":
    """A market at noon in Seoul; the clock stands."""
    from tests.market import NOW, build_market  # noqa: PLC0415 - needs Django

    time_machine.move_to(NOW, tick=False)
    return build_market()


@pytest.fixture
def caller(small_market: "SmallMarket") -> "Caller":
    """A key of the bank."""
    from tests.api.caller import make_caller  # noqa: PLC0415 - needs Django
    from tests.market import add_renter  # noqa: PLC0415 - needs Django

    del small_market
    return make_caller(add_renter())


@pytest.fixture
def stranger(small_market: "SmallMarket") -> "Caller":
    """A key of another tenant."""
    from tests.api.caller import make_caller  # noqa: PLC0415 - needs Django
    from tests.market import add_renter  # noqa: PLC0415 - needs Django

    del small_market
    return make_caller(add_renter(number="6068100016", name="다솜정밀", data_classes=("open",)))
