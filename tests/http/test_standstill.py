"""Noticing that a wait makes no progress."""

from __future__ import annotations

from scramjet_client.http.standstill import Standstill
from tests.support.waiting import eventually


def test_told_once_when_nothing_moves():
    """The function is called once, and not while something moves."""
    moves, told = iter(range(1_000_000)), []
    moving = Standstill(0.0, lambda: next(moves), lambda: told.append("moving"))
    still = Standstill(0.05, lambda: "the same", lambda: told.append("still"))
    for _ in range(3):
        moving.look()

    eventually(lambda: (still.look(), told)[1])
    still.look()

    assert told == ["still"]
