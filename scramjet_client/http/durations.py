"""Durations that a user gives: the one place that says what is one, and what is too long for the system."""

from __future__ import annotations

import math
import numbers
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Union

Duration = Union[float, timedelta]
"""A time limit: seconds, or a timedelta; infinite is no limit."""

LONGEST_WAIT = 86400.0
"""Seconds that one call of the system waits at most. Polls take milliseconds in 31 bits, 24 days; who waits for
longer than this waits again."""

_MOST_MILLISECONDS = 2**31 - 1
"""Longest time of a stop: hubs run on Node.js, whose timers take a longer one for 1 ms."""


def _number(value: Any, refusal: Callable[[], TypeError]) -> float:
    """Return a real number as a float; what is no number, or has a unit of its own, is a TypeError."""
    real = isinstance(value, (numbers.Real, Decimal)) and not isinstance(value, bool)
    # numpy's spans count as integers, and float() gives them in whatever unit they have.
    if not real or getattr(getattr(value, "dtype", None), "kind", "") == "m":
        raise refusal()
    try:
        return float(value)
    except ValueError:
        # A Decimal that signals that it is no number.
        return math.nan
    except OverflowError:
        # An integer of more than 308 digits.
        return math.inf if value >= 0 else -math.inf


def duration(name: str, value: object, *, zero: bool = False) -> float | None:
    """Return a time limit in seconds, or None for no limit, which None and infinite are.

    The one place through which every duration goes that a user gives.

    Args:
        name: The argument's name, for the error.
        value: Seconds or a timedelta.
        zero: Whether 0 makes sense, which is to look once.

    Raises:
        TypeError: It is neither.
        ValueError: It is negative or no number.
    """
    if value is None:
        return None
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    else:
        seconds = _number(
            value,
            lambda: TypeError(
                f"{name} must be a number of seconds or a timedelta, not {type(value).__name__}"
            ),
        )
    if not (seconds >= 0 if zero else seconds > 0):
        least = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name} must be {least} seconds, not {value!r}")
    # The most that a lock waits for: 292 years.
    return None if math.isinf(seconds) else min(seconds, threading.TIMEOUT_MAX)


def interval(name: str, value: object, *, zero: bool = False) -> float:
    """Return a time between two looks in seconds, which is at most the longest wait; raises what `duration` raises."""
    seconds = duration(name, value, zero=zero)
    return LONGEST_WAIT if seconds is None else min(seconds, LONGEST_WAIT)


def milliseconds(name: str, value: object) -> float:
    """Return the time of a stop in milliseconds, at most what a hub's timer can count.

    Raises:
        TypeError: It is neither milliseconds nor a timedelta.
        ValueError: It is negative or no number.
    """
    if isinstance(value, timedelta):
        found: float = value / timedelta(milliseconds=1)
    else:
        found = _number(
            value,
            lambda: TypeError(
                f"{name} must be milliseconds or a timedelta, not {type(value).__name__}"
            ),
        )
    if not found >= 0:
        raise ValueError(f"{name} must be 0 or more milliseconds, not {value!r}")
    found = min(found, _MOST_MILLISECONDS)
    return int(found) if found == int(found) else found


def seconds(value: float) -> str:
    """Return seconds as errors say them."""
    return f"{value:g} s"
