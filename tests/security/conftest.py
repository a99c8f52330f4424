"""A bank that owns one of everything, and a manufacturer who looks for it."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.caller import Caller
    from tests.market import SmallMarket


@pytest.fixture
def market(db: None, time_machine: Any) -> "SmallMarket":
    """A market that has been open for two months; it is noon in Seoul and the clock stands."""
    from datetime import timedelta  # noqa: PLC0415 - beside the others

    from tests.market import NOW, build_market  # noqa: PLC0415 - needs Django

    time_machine.move_to(NOW, tick=False)
    return build_market(now=NOW - timedelta(days=60))


@pytest.fixture
def owner(market: "SmallMarket") -> "Caller":
    """A key of the bank."""
    from tests.api.caller import make_caller  # noqa: PLC0415 - needs Django
    from tests.market import add_renter  # noqa: PLC0415 - needs Django

    del market
    return make_caller(add_renter())


@pytest.fixture
def stranger(market: "SmallMarket") -> "Caller":
    """A key of another tenant, with every permission there."""
    from tests.api.caller import make_caller  # noqa: PLC0415 - needs Django
    from tests.market import add_renter  # noqa: PLC0415 - needs Django

    del market
    return make_caller(add_renter(number="6068100016", name="다솜정밀", data_classes=("open",)))


@pytest.fixture
def belongings(owner: "Caller", market: "SmallMarket") -> dict[str, str]:
    """Ids of what the bank owns, by the names that routes use."""
    from tests.security.belongings import own_everything  # noqa: PLC0415 - needs Django

    return own_everything(owner, market)
