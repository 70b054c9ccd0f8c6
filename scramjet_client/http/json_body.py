"""The JSON body of a request, and what in it can't be JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_DEEP = 200
"""How many values may lie in one another before JSON may fail by it."""

_NAMES = {"appConfig": "app_config"}
"""The names by which users know keys of a body."""


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        TypeError: Something in it is of a type that JSON does not have.
        ValueError: It is too deep, refers to itself, or has a number or a text that JSON can't carry.
        RecursionError: The program's own calls leave no room for it.
    """
    made = _made(value)
    if isinstance(made, str):
        return made.encode()
    where, culprit = _culprit(value, "", set())
    raise type(made)(
        f"{where or 'the value'} can't be sent as JSON: {_why(culprit, made)}"
    ) from None  # what `json` says is in it


def _made(value: Any) -> str | Exception:
    """Return a value as JSON, or why that can't be."""
    try:
        text = json.dumps(value, allow_nan=False)
        if "\\ud" in text:
            # Perhaps half of a character, which hubs take for a malformed request.
            json.dumps(value, ensure_ascii=False).encode()
        refuse_double_keys(value)
    except UnicodeEncodeError as error:
        return ValueError(f"it has half of a character, {error.object[error.start]!a}")
    except RecursionError:
        if not is_deep(value):
            raise
        return ValueError("it is too deep")
    except (TypeError, ValueError) as error:
        return error
    return text


def is_deep(value: Any) -> bool:
    """Whether a value is nested so deeply that JSON fails by it, and not by how deep the program's own calls are."""
    level = [value]
    for _ in range(_DEEP):
        parts = (
            part
            for each in level
            if isinstance(each, (Mapping, list, tuple))
            for part in (each.values() if isinstance(each, Mapping) else each)
        )
        # What it has several times counts once.
        level = list({id(part): part for part in parts}.values())
        if not level:
            return False
    return True


def refuse_double_keys(value: Any, what: str = "it") -> None:
    """Raise TypeError for a dict in it that has two keys which are one in JSON, of which a program would get one.

    Args:
        value: What JSON can carry, so nothing that refers to itself.
        what: What has the keys, for the error.
    """
    left = [value] if isinstance(value, (dict, list, tuple)) else []
    while left:
        each = left.pop()
        # A dict has no two equal keys, so only keys of several types can be alike in JSON.
        if isinstance(each, dict) and len(set(map(type, each))) > 1:
            _refuse_alike(each, what)
        parts = each.values() if isinstance(each, dict) else each
        if not _PLAIN.issuperset(map(type, parts)):
            left += [part for part in parts if isinstance(part, (dict, list, tuple))]


_PLAIN = frozenset((str, int, float, bool, type(None)))


def _refuse_alike(value: dict[Any, Any], what: str) -> None:
    spelled: dict[str, Any] = {}
    for key in value:
        name = key if isinstance(key, str) else json.dumps(key)
        if name in spelled:
            raise TypeError(
                f"{what} has the keys {spelled[name]!r} and {key!r}, which are one key in JSON; keep one of them"
            )
        spelled[name] = key


def _culprit(value: Any, where: str, seen: set[int]) -> tuple[str, Any]:
    """Return the place and the value of the first part that can't be JSON."""
    if id(value) in seen or len(seen) > _DEEP:
        return where, value
    parts: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        parts = [(_of_key(where, key), each) for key, each in value.items()]
    elif isinstance(value, (list, tuple)):
        # A list at the top is not the user's.
        parts = [(f"{where}[{at}]" if where else "", each) for at, each in enumerate(value)]
    for place, part in parts:
        if not isinstance(_made(part), str):
            return _culprit(part, place, seen | {id(value)})
    return where, value


def _of_key(where: str, key: object) -> str:
    return f"{where}[{key!r}]" if where else _NAMES.get(str(key), str(key))


def _why(culprit: Any, problem: Exception) -> str:
    if isinstance(culprit, float):
        return f"it has no {culprit}"
    if isinstance(problem, TypeError) and not isinstance(culprit, dict):
        return f"it is of the type {type(culprit).__name__}"
    if isinstance(culprit, int):
        return "it has too many digits"
    made = _made(culprit)
    return str(problem if isinstance(made, str) else made)
