"""Parsing Python source in threads, and names in its tree."""

from __future__ import annotations

import ast
import threading
from typing import Union

_TRIES = 3

# CPython 3.11 counts the depth of a tree once for all threads. Where two of them parse at the same time, one may get
# "SystemError: AST constructor recursion depth mismatch".
_lock = threading.Lock()


def parsed(source: Union[str, bytes], name: str = "<unknown>") -> ast.Module:
    """Return the tree of a source, as `ast.parse` does, and with its errors, from any thread."""
    with _lock:
        for _ in range(_TRIES - 1):
            try:
                return ast.parse(source, name)
            except SystemError:
                # Another thread parses something by itself, as a traceback does.
                continue
        return ast.parse(source, name)


def stored_names(tree: ast.AST) -> set[str]:
    """Return the names to which a tree assigns values."""
    names = (each for each in ast.walk(tree) if isinstance(each, ast.Name))
    return {each.id for each in names if isinstance(each.ctx, ast.Store)}


def called_name(call: ast.Call) -> str | None:
    """Return the last name of what is called, such as "sum" of `numpy.sum(...)`; None if it has none."""
    called = call.func
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else None
