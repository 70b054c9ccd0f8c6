"""The caller's context variables, on the threads that run the caller's code."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")


def in_context(work: Callable[..., _T]) -> Callable[..., _T]:
    """Return `work` as a function that runs it in a copy of the present context, for a new thread.

    Callbacks then see what the caller sees: a web framework's request, the precision of `decimal`, a trace.
    """
    run: Callable[..., Any] = contextvars.copy_context().run
    return partial(run, work)
