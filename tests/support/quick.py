"""Which tests are quick: those that start no process, and so need no hub, browser or npm."""

from __future__ import annotations

import inspect
import subprocess
import types
from collections.abc import Iterator
from typing import Any

_STARTERS = {"LocalHub", "RealHub", "KernelManager", "pytester", "fork", "make_wheel"}
"""What starts processes, beside the module subprocess: a LocalHub starts one for each instance, a wheel is for pip."""


_known: dict[int, tuple[object, bool]] = {}
"""What was looked at, by its id, and whether it starts processes. It is kept, so that nothing else gets its id."""


def starts_processes(*things: Any) -> bool:
    """Say whether functions of the tests, or values, reach through the names that they use what starts a process."""
    return any(_starts(inspect.unwrap(each)) for each in things)


def _starts(thing: Any) -> bool:
    left, seen, found = [thing], {}, False
    while left and not found:
        each = inspect.unwrap(left.pop())
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if id(each) in _known:
            found = _known[id(each)][1]
        elif each is subprocess or getattr(each, "__name__", "") in _STARTERS:
            found = True
        else:
            left.extend(_used(each))
    # Whatever is used by a thing that starts none starts none. Of one that does, this is known of itself alone.
    for each in [thing] if found else seen.values():
        _known[id(each)] = (each, found)
    return found


def _used(thing: Any) -> Iterator[Any]:
    """Yield what a function uses of its module, what a class or a table is made of, or the class of an object."""
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, (list, tuple, set)):
        yield from thing
    elif not (getattr(thing, "__module__", None) or "").startswith("tests."):
        return
    elif isinstance(thing, (classmethod, staticmethod)):
        yield thing.__func__
    elif isinstance(thing, property):
        yield thing.fget
    elif isinstance(thing, type):
        yield from thing.__bases__
        yield from vars(thing).values()
    elif isinstance(thing, types.FunctionType):
        codes = [thing.__code__]
        for code in codes:  # which grows
            codes.extend(each for each in code.co_consts if isinstance(each, types.CodeType))
            yield from (thing.__globals__.get(name) for name in code.co_names)
    else:
        yield type(thing)
