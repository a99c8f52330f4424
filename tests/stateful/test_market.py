"""Whatever happens in which order: nothing is promised twice, no limit is passed, nothing stands where it may not."""

from collections import Counter
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from marketplace.scheduling.waiting import WaitReason
from tests.fixtures.databases import own_database
from tests.fixtures.machine import Machine

pytestmark = pytest.mark.committing

QUICK = settings(
    max_examples=6, stateful_step_count=20, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck), phases=[Phase.generate],
)  # fmt: skip
LONG = settings(
    QUICK, max_examples=150, stateful_step_count=80, derandomize=False, print_blob=True,
    phases=[Phase.generate, Phase.shrink],
)  # fmt: skip


def run(machine: Machine, *, how: settings) -> Counter[str]:
    """What happened; each example has a database of its own."""
    from tests.stateful.life import Life  # noqa: PLC0415 - needs Django
    from tests.stateful.operating import Operating  # noqa: PLC0415

    class Here(Life, Operating):
        open_database = staticmethod(partial(own_database, machine))
        happened = Counter[str]()

    run_state_machine_as_test(Here, settings=how)
    return Here.happened


@pytest.mark.timeout(300)
def test_a_hundred_steps_in_the_market(machine: Machine) -> None:
    """The same ones at every run; and they lead somewhere."""
    happened = run(machine, how=QUICK)
    assert {what for what in ("placed", "refused") if happened[what] < 5} == set(), happened


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_twelve_thousand_steps_in_the_market(machine: Machine) -> None:
    """Other ones at every run; all there is to happen has happened."""
    happened = run(machine, how=LONG)
    wanted = ("placed", "gangs placed", "placed again", "freed", "refused", "overcommitted")
    assert {what for what in wanted if happened[what] < 50} == set(), happened
    assert len(set(happened) & {reason.value for reason in WaitReason}) >= 9, happened
