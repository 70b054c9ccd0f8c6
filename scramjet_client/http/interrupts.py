"""Exceptions of signal handlers, which can surface in any wait of the main thread, and waits that let them through.

`raise TimeoutError` in a SIGALRM handler is the usual way to limit a call. It looks like a socket's own time limit.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from traceback import walk_tb
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

from scramjet_client._common.clock import monotonic
from scramjet_client.http.causes import causes

_PART = 0.25
"""Seconds of one part of a wait on Windows."""


def longest_part() -> float | None:
    """Return the most seconds that one wait may take; None is no limit.

    On Windows, Ctrl-C ends no wait for a socket or for another thread. Python handles it between two of them.
    """
    return _PART if sys.platform == "win32" else None


class Event(threading.Event):
    """An event for which the main thread can wait and still be interrupted, on every system."""

    def __init__(self) -> None:
        super().__init__()
        part = longest_part()
        if part is not None:
            # Only where it is needed: a method would be one more frame in the traceback of each interrupt.
            setattr(self, "wait", partial(self._wait, part))  # noqa: B010 - an assignment would change its type

    def _wait(self, part: float, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else monotonic() + timeout
        while not super().wait(_next(part, deadline)):
            if deadline is not None and monotonic() >= deadline:
                return False
        return True


def wait_in_parts(future: Future[Any], timeout: float | None) -> float | None:
    """Wait for a future on Windows; return the seconds for which its own `result` may still wait."""
    part = longest_part()
    if part is None:
        # At an interpreter's end nothing can be imported any more.
        return timeout
    from concurrent.futures import wait  # noqa: PLC0415 - Windows alone needs it

    deadline = None if timeout is None else monotonic() + timeout
    while not wait([future], _next(part, deadline)).done:
        if deadline is not None and monotonic() >= deadline:
            break
    return 0.0


def wait_for_event(event: threading.Event) -> None:
    """Wait for an event of any kind, such that the main thread can be interrupted on every system."""
    while not event.wait(longest_part()):
        pass


def wait_until(condition: threading.Condition, met: Callable[[], object]) -> None:
    """Wait for a condition, such that it can be interrupted on every system."""
    while not condition.wait_for(met, longest_part()):
        pass


def _next(part: float, deadline: float | None) -> float:
    return part if deadline is None else max(0.0, min(part, deadline - monotonic()))


def let_interrupts_pass(error: BaseException) -> None:
    """Raise a signal handler's exception unchanged, if the error comes from one."""
    for cause in causes(error):
        if type(cause).__module__.partition(".")[0] in ("requests", "urllib3"):
            # This is a wrapper, which may carry the traceback of the exception that it wraps.
            continue
        if any(_is_handler(frame) for frame, _ in walk_tb(cause.__traceback__)):
            raise cause from cause.__cause__


def _is_handler(frame: FrameType) -> bool:
    """Return whether a frame belongs to a signal handler: its arguments are the signal and the interrupted frame."""
    import signal  # noqa: PLC0415 - for what has failed

    interrupted = frame.f_back
    if interrupted is None:
        return False
    given: list[object] = []
    for value in frame.f_locals.values():
        given += value if isinstance(value, tuple) else (value,)
    return any(value is interrupted for value in given) and any(
        isinstance(value, int) and value in signal.Signals.__members__.values() for value in given
    )
