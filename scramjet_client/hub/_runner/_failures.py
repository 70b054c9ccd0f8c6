"""Tracebacks of a program as its author expects them: without the frames of the code that runs it."""

from __future__ import annotations

import asyncio
import os
import traceback

import scramjet

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
"""Start of paths to hide: the runner."""

_ADDED = ("scramjet_adapter.py", "scramjet_program.py", "_scramjet_entry.py")
"""Names of files to hide: those that the client adds to a package, which run its main file."""

_BENEATH = tuple(
    os.path.dirname(os.path.abspath(module.__file__ or "")) + os.sep
    for module in (asyncio, scramjet)
)
"""Layers between the runner and the program. Their frames are hidden only above the program's first own line."""


def told(error: BaseException) -> str:
    """Return the traceback of an exception, including its causes."""
    whole = traceback.TracebackException(type(error), error, error.__traceback__)
    _cut(whole, set())
    return "".join(whole.format())


def _cut(told: traceback.TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    frames = [
        each
        for each in told.stack
        if not each.filename.startswith(_OURS) and os.path.basename(each.filename) not in _ADDED
    ]
    while frames and (
        frames[0].filename.startswith(_BENEATH) or "<frozen importlib" in frames[0].filename
    ):
        del frames[0]
    told.stack[:] = frames
    for further in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        if further is not None:
            _cut(further, seen)
