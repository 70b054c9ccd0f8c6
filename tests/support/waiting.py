"""Waiting for what happens elsewhere, with a limit that only a hang reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

LIMIT = 60.0
"""Seconds of every wait that is to end by itself: far less than a test may take, and far beyond any slow machine."""

BUILD_LIMIT = 500.0
"""Seconds of a program that builds or installs something: less than pytest's own limit of a test."""


T = TypeVar("T")

_LADDER = (0.5, 5.0, 30.0)


def long_enough(attempt: Callable[[float], T], enough: Callable[[T], object]) -> T:
    """Return what an attempt with a short limit gives, where reaching that limit is what is tested.

    Args:
        attempt: Does it within the seconds that it is given.
        enough: Whether what was to happen before the limit has happened. On a slow machine it may not have;
            the attempt is then made with a longer limit.
    """
    result = attempt(_LADDER[0])
    for seconds in _LADDER[1:]:
        if enough(result):
            break
        result = attempt(seconds)
    return result


def eventually(probe: Callable[[], Any], limit: float = LIMIT) -> Any:
    """Return the first true value of `probe`, asked again and again for `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        value = probe()
        if value or time.monotonic() > deadline:
            assert value, "it did not happen in time"
            return value
        time.sleep(0.01)
