"""Validation of all durations that a user gives, and their longest values for the system."""

from __future__ import annotations

import math
import threading
from datetime import timedelta
from typing import Any, Union

Duration = Union[float, timedelta]
"""A time limit: seconds, or a timedelta; infinite means no limit."""

LONGEST_WAIT = 86400.0
"""The most seconds that one system call waits. Polls take milliseconds in 31 bits, 24 days; a longer wait is
several calls."""

_MOST_MILLISECONDS = 2**31 - 1
"""Longest time of a stop: hubs run on Node.js, whose timers treat a longer one as 1 ms."""

_SECOND, _MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)


def _number(name: str, value: Any, unit: timedelta, words: str) -> float:
    """Return a real number of units, or a timedelta, as one; raise TypeError if it is neither, or has its own unit."""
    if isinstance(value, timedelta):
        return value / unit
    if type(value) not in (int, float) and not _is_real(value):
        raise TypeError(f"{name} must be {words} or a timedelta, not {type(value).__name__}")
    try:
        return float(value)
    except ValueError:
        # This is a signaling NaN of Decimal.
        return math.nan
    except OverflowError:
        # This is an integer of more than 308 digits.
        return math.inf if value >= 0 else -math.inf


def _is_real(value: Any) -> bool:
    """Whether this is a real number of another kind than Python's own two."""
    from decimal import Decimal  # noqa: PLC0415 - few programs have such numbers
    from numbers import Real  # noqa: PLC0415

    # numpy's timedeltas count as integers, and float() ignores their unit.
    timed = getattr(getattr(value, "dtype", None), "kind", "") == "m"
    return isinstance(value, (Real, Decimal)) and not isinstance(value, bool) and not timed


def duration(name: str, value: object, *, zero: bool = False) -> float | None:
    """Return a time limit in seconds; None and infinite mean no limit, which is None.

    Every duration that a user gives passes through this function.

    Args:
        name: The argument's name, for the error.
        value: Seconds or a timedelta.
        zero: Whether 0 is allowed; it means to check once.

    Raises:
        TypeError: It is neither.
        ValueError: It is negative or not a number.
    """
    if value is None:
        return None
    seconds = _number(name, value, _SECOND, "a number of seconds")
    if not (seconds >= 0 if zero else seconds > 0):
        least = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name} must be {least} seconds, not {value!r}")
    # A lock waits at most this long: 292 years.
    return None if math.isinf(seconds) else min(seconds, threading.TIMEOUT_MAX)


def interval(name: str, value: object, *, zero: bool = False) -> float:
    """Return an interval between checks in seconds, at most the longest wait; raises like `duration`."""
    seconds = duration(name, value, zero=zero)
    return LONGEST_WAIT if seconds is None else min(seconds, LONGEST_WAIT)


def milliseconds(name: str, value: object) -> float:
    """Return the time of a stop in milliseconds, at most the longest time of a hub's timer; raises like `duration`."""
    found = _number(name, value, _MILLISECOND, "milliseconds")
    if not found >= 0:
        raise ValueError(f"{name} must be 0 or more milliseconds, not {value!r}")
    found = min(found, _MOST_MILLISECONDS)
    return int(found) if found == int(found) else found


def seconds(value: float) -> str:
    """Return seconds as error messages show them."""
    return f"{value:g} s"


def count(name: str, value: Any) -> int:
    """Return a whole number that is not negative, or raise TypeError or ValueError."""
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name} must not be negative, not {value}")
    return int(value)
