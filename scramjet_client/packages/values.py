"""Values that Python source can contain: constants, and the few kinds that scripts define beside them."""

from __future__ import annotations

import datetime
import decimal
import fractions
import logging
import math
import pathlib
import re
import uuid
from typing import Any

_DEPTH = 50
"""Deepest nesting of containers that is followed; a container that holds itself has no end."""

_PLAIN = (bool, int, str, bytes, bytearray, range, type(None), type(Ellipsis))
_PATHS = (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
_BY_REPR = {decimal.Decimal: "decimal", fractions.Fraction: "fractions", uuid.UUID: "uuid"}
_TIMES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone)


def expression(value: Any, depth: int = 0) -> str | None:
    """Return an expression that makes an equal value and needs no import, or None.

    The type must match exactly: a subclass may carry more data.
    """
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind is float:
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if kind is complex and math.isfinite(value.real) and math.isfinite(value.imag):
        return repr(value)
    if kind in (list, tuple, set, frozenset, dict):
        return None if depth > _DEPTH else _container(value, depth + 1)
    if kind is re.Pattern:
        return f"__import__('re').compile({value.pattern!r}, {value.flags})"
    if kind is logging.Logger:
        return f"__import__('logging').getLogger({value.name!r})"
    if kind in _PATHS:
        # A Path rather than a PosixPath: the hub may run on another system.
        pure = "Pure" if kind.__name__.startswith("Pure") else ""
        return f"__import__('pathlib').{pure}Path({str(value)!r})"
    if kind in _BY_REPR:
        return f"__import__({_BY_REPR[kind]!r}).{value!r}"
    if kind in _TIMES and type(getattr(value, "tzinfo", None)) in (type(None), datetime.timezone):
        return f"(lambda datetime: {value!r})(__import__('datetime'))"
    return None


def _container(value: Any, depth: int) -> str | None:
    if isinstance(value, dict):
        pairs = [(expression(key, depth), expression(each, depth)) for key, each in value.items()]
        if any(key is None or each is None for key, each in pairs):
            return None
        return "{" + ", ".join(f"{key}: {each}" for key, each in pairs) + "}"
    items = []
    for each in value:
        written = expression(each, depth)
        if written is None:
            return None
        items.append(written)
    if isinstance(value, list):
        return f"[{', '.join(items)}]"
    if isinstance(value, tuple):
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    # Sorted, because the order of a set differs from run to run.
    inside = ", ".join(sorted(items))
    if isinstance(value, frozenset):
        return f"frozenset({{{inside}}})" if items else "frozenset()"
    return f"{{{inside}}}" if items else "set()"
