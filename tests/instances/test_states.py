"""The table of moves of an instance."""

from itertools import product

import pytest

from marketplace.instances.states import (
    HOLDS_DEVICES,
    MOVED_AWAY,
    MOVES,
    REQUEUES,
    Action,
    Goal,
    Reason,
    State,
    allowed_actions,
    can_move,
    next_after_gone,
)

pytestmark = pytest.mark.unit


def test_the_table_is_the_one_of_the_architecture() -> None:
    """Written out, so that a change of the table is a change of this test."""
    allowed = {(a.value, b.value) for a, b in product(State, State) if can_move(from_state=a, to_state=b)}
    assert allowed == {
        ("queued", "provisioning"),
        ("queued", "stopped"),
        ("queued", "ended"),
        ("provisioning", "running"),
        ("provisioning", "stopping"),
        ("running", "stopping"),
        ("stopping", "stopped"),
        ("stopping", "ended"),
        ("stopping", "queued"),
        ("stopped", "queued"),
        ("stopped", "ended"),
    }


def test_devices_are_left_only_through_stopping() -> None:
    """No state with devices leads to one without, but stopping, which waits until the pods are gone."""
    leaving = {state for state in HOLDS_DEVICES for target in MOVES[state] if target not in HOLDS_DEVICES}
    assert leaving == {State.STOPPING}


def test_nothing_leaves_ended() -> None:
    """End is final."""
    assert MOVES[State.ENDED] == frozenset()
    for goal in Goal:
        assert allowed_actions(state=State.ENDED, goal=goal) == ()


@pytest.mark.parametrize(
    ("state", "goal", "actions"),
    [
        (State.QUEUED, Goal.RUN, (Action.STOP, Action.END)),
        (State.RUNNING, Goal.RUN, (Action.STOP, Action.END)),
        (State.STOPPING, Goal.STOP, (Action.END,)),
        (State.STOPPING, Goal.END, ()),
        (State.STOPPED, Goal.STOP, (Action.START, Action.END)),
    ],
)
def test_actions_follow_state_and_goal(state: State, goal: Goal, actions: tuple[Action, ...]) -> None:
    """What a face may offer."""
    assert allowed_actions(state=state, goal=goal) == actions


def test_what_is_wanted_decides_where_an_instance_goes_when_its_pods_are_gone() -> None:
    """Goal first; then an interruption queues again until the attempts are used up, ours always; then volumes decide."""

    def after(goal: Goal, reason: Reason, *, attempts: int = 1, has_volumes: bool = False) -> State:
        return next_after_gone(goal=goal, reason=reason, has_volumes=has_volumes, attempts=attempts, attempts_max=3)

    assert after(Goal.END, Reason.POD_LOST) is State.ENDED
    assert after(Goal.STOP, Reason.POD_LOST) is State.STOPPED
    for reason in MOVED_AWAY:
        assert after(Goal.RUN, reason, attempts=99) is State.QUEUED
    for reason in REQUEUES - MOVED_AWAY:
        assert after(Goal.RUN, reason, attempts=2) is State.QUEUED
        assert after(Goal.RUN, reason, attempts=3) is State.ENDED
        assert after(Goal.RUN, reason, attempts=3, has_volumes=True) is State.STOPPED
    assert after(Goal.RUN, Reason.COMPLETED) is State.ENDED
    assert after(Goal.RUN, Reason.EXITED_WITH_ERROR, has_volumes=True) is State.STOPPED
