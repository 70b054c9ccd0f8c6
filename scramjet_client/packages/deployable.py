"""Checks which functions and values can travel, with advice for those that can't."""

from __future__ import annotations

import functools
import inspect
import io
import os
import socket
import types
from typing import Any

from scramjet_client._common.checks import checked

_PATH_CURE = "; send_sequence(path) sends a file or folder, and deploy takes the function itself, without quotes"
_CURE = "; write `def name(context, input, *args): ...` that calls it, and deploy that"


def checked_function(function: Any) -> types.FunctionType:
    """Return the plain function behind its decorators, if a hub can call it; refuse anything else."""
    if isinstance(function, (str, bytes, os.PathLike)):
        raise TypeError(
            f"only a Python function can be deployed, made by def; not {function!r}{_PATH_CURE}"
        )
    plain = inspect.unwrap(function) if callable(function) else function
    if not isinstance(plain, types.FunctionType) or not isinstance(function, types.FunctionType):
        raise TypeError(
            f"only a Python function can be deployed, made by def; not {_kind(function)}{_CURE}"
        )
    if plain.__name__ == "<lambda>":
        raise TypeError("a lambda cannot be deployed: give it a name, by def")
    parameters = inspect.signature(function).parameters.values()
    positional = [
        each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters
    ]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        positional += [True, True]
    named_alone = [
        each.kind is each.KEYWORD_ONLY and each.default is each.empty for each in parameters
    ]
    if sum(positional) < 2 or any(named_alone):
        raise TypeError(
            f"{plain.__name__} must take (context, input, *args), as every sequence, not {inspect.signature(function)}"
        )
    return plain


def checked_called(name: Any) -> str:
    """Return the name that a sequence is given, if it is a line of text."""
    called: str = checked("name", name, str)
    if not called.strip() or not called.isprintable():
        raise ValueError(f"name must be a line of text that can be printed, not {called[:80]!r}")
    return called


def _kind(function: Any) -> str:
    if isinstance(function, functools.partial):
        return "a partial"
    if inspect.ismethod(function):
        holder = function.__self__
        if isinstance(holder, type):
            return f"a method of the class {holder.__name__}"
        return f"a method of a {type(holder).__name__}"
    if isinstance(function, type) or not callable(function) or inspect.isroutine(function):
        return repr(function)
    return f"an object of class {type(function).__name__}"


def owner_of(plain: types.FunctionType) -> type | None:
    """Return the class beside the script in which a function was defined, or None; refuse a method."""
    first, *rest = plain.__qualname__.split(".")
    found = plain.__globals__.get(first)
    if not rest or not isinstance(found, type):
        return None
    holder: Any = found
    for each in rest[:-1]:
        holder = getattr(holder, each, None)
    member = inspect.getattr_static(holder, rest[-1], None)
    if isinstance(member, types.FunctionType):  # it would get the context as its object
        raise TypeError(
            f"only a Python function can be deployed, made by def; {plain.__qualname__} is a method{_CURE}"
        )
    return found if isinstance(member, staticmethod) else None


def cure_for(value: Any, closed: bool) -> str:
    """Return advice for a value that cannot travel."""
    if isinstance(value, types.FunctionType) and closed:
        return "; define it outside, and let a decorator use functools.wraps"
    if isinstance(value, type):
        return "; define it in a file"
    return "; make it within the function"


def described_value(value: Any) -> str:
    """Return a description of a value that cannot travel."""
    if isinstance(value, io.IOBase):
        return "an open file"
    if isinstance(value, socket.socket):
        return "a socket"
    if inspect.ismethod(value):
        return f"a method of a {type(value.__self__).__name__}"
    if isinstance(value, types.FunctionType):
        return "a function"
    if isinstance(value, type):
        return "a class whose source is not there,"
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
