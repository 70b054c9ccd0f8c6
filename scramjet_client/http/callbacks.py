"""Callbacks that would do nothing if they were called: nobody here awaits or iterates what they return."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any


def refuse_unheard(call: Any, name: str) -> None:
    """Raise TypeError for a callback that would do nothing when it is called: async functions and generators."""
    while isinstance(call, functools.partial):
        call = call.func
    for each in (call, getattr(type(call), "__call__", None)):  # noqa: B004 - it looks at the function
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise TypeError(f"{name} must be an ordinary function; nobody here awaits an async one")
        if inspect.isgeneratorfunction(each):
            raise TypeError(
                f"{name} must be an ordinary function; nobody here iterates a generator"
            )


def takes(call: Any, *given: object) -> bool:
    """Return whether a callable takes these arguments, as far as Python can tell."""
    try:
        inspect.signature(call).bind(*given)
    except TypeError:
        return False
    except ValueError:
        pass  # some functions of C have no signature
    return True


_UNHEARD = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)


def refuse_result(result: object, name: str) -> None:
    """Raise TypeError if a callback has returned something that would have to be awaited or iterated."""
    if isinstance(result, _UNHEARD):
        kind = type(result).__name__
        if not isinstance(result, types.AsyncGeneratorType):
            # Nobody will await it, which this error says better than Python's warning.
            result.close()
        raise TypeError(f"{name} returned a {kind}, which nobody here awaits or iterates")
