"""Months of many tenants through the real operations, in virtual time, and an oracle that knows nothing of them.

`platform` is the clock and what Ondol's timers and hints do, `world` what tenants do, `oracle` what should have come out, and
`checks` compares the two. The seed alone decides everything that happens.
"""

from tests.billing.simulation.checks import check, digest
from tests.billing.simulation.world import World

__all__ = ["World", "check", "digest"]
