"""Answers of HTTP that were cut: http.client, and urllib3 1.26, give one as if it were whole."""

from __future__ import annotations

import contextlib
import http.client
import types
from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

import urllib3
from urllib3.util.response import is_fp_closed

_BELOW = ("buffer", "raw", "stream", "fp", "file", "fileobj", "__wrapped__")
"""Under which names a file shows what it reads from. Other names are in its `__dict__`."""

_LAZY = (type(iter(int, 1)), enumerate, filter, map, zip)
"""Built-in iterators, which show what they read from only before their end."""

_MOST = 64
"""Objects that are looked at below a source; a mock has ever more."""


class Answers:
    """The answers of HTTP from which a source reads, however it wraps them.

    Args:
        source: A file or an iterable, of which nothing has been read yet.
    """

    def __init__(self, source: Any) -> None:
        self._roots = [source]
        if isinstance(source, _LAZY):
            self._roots += _parts(source)

    def end(self) -> Iterator[NoReturn]:
        """Yield nothing, as the last part of the source; raise if an answer has ended early.

        What a source has put in the place of an answer counts, and not an answer that it has closed itself.
        """
        for each in _all_below(self._roots):
            missing = _missing(each)
            if missing:
                raise http.client.IncompleteRead(b"", missing)
        yield from ()


def _missing(answer: Any) -> int:
    """Return the bytes that a cut answer lacks, 0 for everything else."""
    missing: object = 0
    if isinstance(answer, http.client.HTTPResponse):
        missing = answer.length if answer.isclosed() and not answer.closed else 0
    elif isinstance(answer, urllib3.HTTPResponse):
        with contextlib.suppress(ValueError):  # it reads from something unknown
            missing = answer.length_remaining if is_fp_closed(answer._fp) else 0
    # A mock of one has no numbers.
    return missing if type(missing) is int else 0


def _all_below(roots: list[Any]) -> Iterator[Any]:
    seen: dict[int, Any] = {}
    left = list(roots)
    while left and len(seen) < _MOST:
        each = left.pop(0)
        if id(each) not in seen:
            seen[id(each)] = each
            yield each
            if not isinstance(each, (http.client.HTTPResponse, urllib3.HTTPResponse)):
                left += filter(_reads, _below(each))


def _reads(value: Any) -> bool:
    if isinstance(value, (types.FunctionType, types.MethodType, partial, *_LAZY)):
        return True
    try:
        return hasattr(value, "read")
    except Exception:  # it is a foreign object
        return False


def _below(value: Any) -> Iterator[Any]:
    if isinstance(value, types.MethodType):
        yield value.__self__
    elif isinstance(value, types.FunctionType):
        yield from _cells(value)
    elif isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, _LAZY):
        yield from _parts(value)
    else:
        yield from list(getattr(value, "__dict__", {}).values())
        for name in _names(type(value)):
            # A property of it may raise anything; and a method of C has an object, too.
            with contextlib.suppress(Exception):
                found = getattr(value, name)
                yield getattr(found, "__self__", found)


def _names(kind: type) -> Iterator[str]:
    yield from (*_BELOW, "read")
    for each in kind.__mro__:
        slots = vars(each).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _parts(lazy: Any) -> Iterator[Any]:
    for part in lazy.__reduce__()[1]:
        yield from part if isinstance(part, tuple) else (part,)


def _cells(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # it is empty
            yield cell.cell_contents
