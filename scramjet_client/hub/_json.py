"""Parsing of untrusted JSON: accepts what every JSON parser accepts, within limits; refuses everything else."""

from __future__ import annotations

import json
import math
from typing import Any

LIMIT = 2**20
"""Largest document in bytes. Parsing blocks all other requests; this size takes some hundredths of a second."""

_DEPTH_LIMIT = 200
"""Deepest nesting of lists and objects. Python's stack allows far more; answers wrap these values once more."""

_DIGITS_LIMIT = 4300
"""Most digits of a whole number. Python can write this many again, where it has a limit."""


def parse(data: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises:
        ValueError: It is not JSON, or other readers could not read it: NaN, an infinite number, half of a surrogate
            pair, too deep a nesting, too long a number or text.
    """
    text = data.decode()
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_short)
    except RecursionError:
        raise ValueError("nested too deep") from None
    # Each level begins with a bracket, and JSON can write half a surrogate pair only as an escape.
    if text.count("[") + text.count("{") > _DEPTH_LIMIT and _depth(value) > _DEPTH_LIMIT:
        raise ValueError("nested too deep")
    if "\\u" in text:
        _encode(value)
    return value


def is_sound(value: Any) -> bool:
    """Return whether `parse` would have returned this value, which Python's lenient parser has made."""
    try:
        json.dumps(value, allow_nan=False)
        _encode(value)
    except (ValueError, TypeError, RecursionError):
        return False
    return _depth(value) <= _DEPTH_LIMIT


def _encode(value: Any) -> None:
    json.dumps(value, ensure_ascii=False).encode()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a number that fits")
    return value


def _short(text: str) -> int:
    # Python before 3.11 has no limit, and takes seconds for a million digits.
    if len(text) > _DIGITS_LIMIT:
        raise ValueError("a number has too many digits")
    return int(text)


def _depth(value: Any) -> int:
    """Return how deep lists and objects are nested, without recursion."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (list, dict))]:
        depth += 1
        if depth > _DEPTH_LIMIT:
            break
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth
