"""Hints that wait are sent together."""

import queue

import pytest

from marketplace.kernel import hints


def test_what_waits_is_taken_together_by_name_and_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which they came."""
    waiting: queue.Queue[tuple[str, str]] = queue.Queue()
    for item in (("due", "1"), ("moved", "1"), ("due", "2"), ("due", "1")):
        waiting.put(item)
    monkeypatch.setattr(hints, "_waiting", waiting)
    assert hints._take_waiting() == {"due": ["1", "2"], "moved": ["1"]}
    assert waiting.empty()


def test_so_many_are_taken_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest waits for the next sending."""
    waiting: queue.Queue[tuple[str, str]] = queue.Queue()
    for number in range(hints.HINTS_PER_SEND_MAX + 1):
        waiting.put(("due", str(number)))
    monkeypatch.setattr(hints, "_waiting", waiting)
    assert len(hints._take_waiting()["due"]) == hints.HINTS_PER_SEND_MAX
    assert waiting.qsize() == 1
