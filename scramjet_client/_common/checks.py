"""Checks of an argument's type, by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

_T = TypeVar("_T")


def checked(name: str, value: _T, kind: type) -> _T:
    """Return an argument that is a `kind`; raise TypeError, by the argument's name, if it is anything else."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        article = "an" if kind.__name__[0] in "aeiou" else "a"
        raise TypeError(f"{name} must be {article} {kind.__name__}, not {type(value).__name__}")
    return value


def checked_list(name: str, value: Any, meant: str, kinds: tuple[type, ...] = (str,)) -> list[Any]:
    """Return a list of the items of an argument; refuse what is no list, and the first item of another kind."""
    if isinstance(value, (bytes, bytearray, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list of {meant}, not {type(value).__name__}")
    items = list(value)
    for each in items:
        if not isinstance(each, kinds):
            raise TypeError(f"{name} must be a list of {meant}; it has a {type(each).__name__}")
    return items
