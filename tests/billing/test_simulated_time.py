"""A simulated month in every run, a simulated year among the long tests; the seed is printed and can be given again.

`SIMULATION_SEED=7 python -m pytest tests/billing/test_simulated_time.py -s` replays one.
"""

import os
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Final

import pytest

from tests.billing.simulation import World, check, digest
from tests.billing.simulation.world import MUST_HAPPEN
from tests.fixtures.databases import own_database
from tests.fixtures.machine import Machine

pytestmark = [pytest.mark.committing]

BEGINS: Final = datetime(2026, 9, 30, 15, 0, tzinfo=UTC)
"""Midnight in Seoul on the first of October."""


def simulate(*, tenants: int, days: int, days_between_rents: int = 14, seed: int | None = None) -> World:
    """Run it and compare everything with the oracle."""
    if seed is None:
        seed = int(os.environ.get("SIMULATION_SEED") or secrets.randbelow(1_000_000))
    began = time.monotonic(), time.process_time()
    sys.stderr.write(f"\nsimulation: seed {seed}, {tenants} tenants, {days} days\n")
    world = World(seed=seed, tenants=tenants, begins=BEGINS, days=days, days_between_rents=days_between_rents)
    world.run()
    check(world)
    took = f"{time.monotonic() - began[0]:.0f} s, of them {time.process_time() - began[1]:.0f} of this processor"
    invoiced = sum(row.total_won for row in world.invoices)
    sys.stderr.write(f"simulation: {took}; ₩{invoiced:,} invoiced; {digest(world)}; {world.facts()}\n")
    return world


@pytest.mark.timeout(900)
def test_a_month_of_five_tenants_adds_up_to_the_second_and_the_won() -> None:
    """One of each sector; two pay ahead, two have a budget, one neither; two commit to devices."""
    world = simulate(tenants=5, days=31)
    assert world.counts["rents"] > 0
    assert world.counts["invoices"] > 0


@pytest.mark.timeout(900)
def test_the_same_seed_is_the_same_fortnight(machine: Machine) -> None:
    """To the won, so that a failure can be looked at again."""
    worlds = []
    for _again in range(2):
        with own_database(machine):
            worlds.append(digest(simulate(tenants=3, days=14, seed=11)))
    assert worlds[0] == worlds[1]


@pytest.mark.long
@pytest.mark.timeout(14_400)
def test_a_year_of_fifty_tenants_adds_up_to_the_second_and_the_won() -> None:
    """All sectors; everything that can happen did happen."""
    world = simulate(tenants=50, days=365, days_between_rents=42)
    assert [name for name in MUST_HAPPEN if not world.counts[name]] == []
