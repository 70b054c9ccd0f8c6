"""What a traceback shows: the caller's line, one of ours, and the lines of the caller's code that we have called."""

from __future__ import annotations

import logging
import opcode
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType

# pytest leaves the frames of this module out of what it shows.
__tracebackhide__ = True

PACKAGE = __name__.partition(".")[0]


def below(error: BaseException) -> TracebackType | None:
    """Return the traceback below the caller's frame. The caller must not keep it: it would be a cycle."""
    trace = error.__traceback__
    return None if trace is None else trace.tb_next


def shorten(error: BaseException) -> None:
    """Leave in the traceback of an error that is meant for the user the call into this package and the user's frames.

    Its causes keep the user's frames alone. All frames stay if this package's logger is at DEBUG, and in an error that
    nobody has meant to raise.
    """
    if not _is_meant(error) or logging.getLogger(PACKAGE).isEnabledFor(logging.DEBUG):
        return
    error.__traceback__ = outer(error.__traceback__)
    if isinstance(error, KeyboardInterrupt):
        context = error.__context__
        where = None if context is None else context.__traceback__
        if where is None or is_beneath(module_of(where.tb_frame)):
            # It was caught by a library; the user's own errors begin in the user's code.
            error.__context__ = None
    seen: set[int] = set()
    cause = _cause(error)
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if not _is_defect(cause):
            cause.__traceback__ = outer(cause.__traceback__, inside=True)
        cause = _cause(cause)


class Shortening:
    """A block that shortens its errors, for loops over an iterator of this package."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            shorten(error)


def _cause(error: BaseException) -> BaseException | None:
    """Return the error that a traceback shows before this one."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def outer(trace: TracebackType | None, *, inside: bool = False) -> TracebackType | None:
    """Return a traceback without the frames below a call into this package, except for those of the user's code.

    Args:
        trace: The traceback.
        inside: Whether it begins below such a call.
    """
    kept: list[TracebackType] = []
    for each in _entries(trace):
        module = module_of(each.tb_frame)
        if not (inside and _is_deeper(module)):
            kept.append(each)
            inside = module.partition(".")[0] == PACKAGE
    found: TracebackType | None = None
    for each in reversed(kept):
        found = TracebackType(found, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return found


def _entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


_RAISE = opcode.opmap.get("RAISE_VARARGS")


def _is_meant(error: BaseException) -> bool:
    """Return whether an error tells its reader what happened.

    It is one of ours, or of the user's code that we have called, or any other that a `raise` of this package raises.
    """
    if isinstance(error, KeyboardInterrupt) or any(
        cls.__module__ == PACKAGE for cls in type(error).__mro__
    ):
        return True
    modules = [module_of(each.tb_frame) for each in _entries(error.__traceback__)]
    if not all(map(_is_deeper, modules)):
        return True
    of_ours = bool(modules) and modules[-1].partition(".")[0] == PACKAGE
    return of_ours and not _is_defect(error)


def _is_defect(error: BaseException) -> bool:
    """Return whether Python itself has raised an error at a line of this package, or an assertion there fails."""
    last: TracebackType | None = None
    for each in _entries(error.__traceback__):
        last = each
    if last is None or module_of(last.tb_frame).partition(".")[0] != PACKAGE:
        return False
    raised = last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE
    return not raised or isinstance(error, AssertionError)


_BENEATH = {
    PACKAGE, "requests", "urllib3", "http", "socket", "ssl", "selectors",
    "contextlib", "threading", "concurrent", "queue",
}  # fmt: skip
"""Packages whose frames do not interest the caller of this one."""


def _is_deeper(module: str) -> bool:
    """Whether a module that this package calls is no code of its user."""
    return is_beneath(module) or module.partition(".")[0] in _STANDARD


_STANDARD: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())  # since Python 3.10


def is_beneath(module: str) -> bool:
    """Whether the frames of a module do not interest the caller of this package."""
    return module.partition(".")[0] in _BENEATH


def module_of(frame: FrameType) -> str:
    """Return the name of the module that a frame is in."""
    name: str = frame.f_globals.get("__name__") or ""
    return name
