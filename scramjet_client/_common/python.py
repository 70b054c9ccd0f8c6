"""The Python of this process, to start other processes with; some programs have none."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

_NAME = re.compile(r"\.?(?:python|pypy|graalpy)w?(?:[\d._-].*)?", re.IGNORECASE)
"""python3.13t, python.exe, Python of macOS, .python3.11-wrapped of Nix."""


def is_frozen() -> bool:
    """Return whether PyInstaller, cx_Freeze, py2app, Nuitka or the like has made this program."""
    return bool(getattr(sys, "frozen", False)) or "__compiled__" in globals()


def own_python() -> str | None:
    """Return the path of the Python of this process; None if there is none that could be started.

    A program that is not a Python is never started in its place: it could be this one, which would do all again.
    """
    if is_frozen():
        return None
    return next((path for path in _candidates() if _is_python(path)), None)


def _candidates() -> Iterator[Any]:
    """Yield what may be it. uWSGI and the like put their own path into `sys.executable`, or nothing."""
    yield sys.executable
    major, minor = sys.version_info[:2]
    for name in (f"python{major}.{minor}", f"python{major}", "python"):
        yield os.path.join(sys.exec_prefix, "bin", name)
    yield os.path.join(sys.exec_prefix, "python.exe")


def _is_python(path: Any) -> bool:
    if not isinstance(path, str) or not os.path.isfile(path) or not os.access(path, os.X_OK):
        return False
    names = (os.path.basename(path), os.path.basename(os.path.realpath(path)))
    return any(map(_NAME.fullmatch, names))
