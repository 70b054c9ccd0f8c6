"""Exceptions of signal handlers, which come out of whatever the main thread is waiting in.

`raise TimeoutError` in a handler of SIGALRM is the usual way to limit a call, and looks like a socket's own time limit.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType


def causes(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it wraps, as requests and urllib3 wrap: in args, reason or `__cause__`.

    Not its `__context__`, which leads on to whatever the caller is just handling.
    """
    seen: set[int] = set()
    pending: list[object] = [exception]
    while pending:
        item = pending.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        pending += [*item.args, getattr(item, "reason", None), item.__cause__]


def let_interrupts_pass(error: BaseException) -> None:
    """Raise what a signal handler raised, unchanged, if that is what an error comes from."""
    for cause in causes(error):
        if type(cause).__module__.partition(".")[0] in ("requests", "urllib3"):
            # A wrapper, which may have been given the traceback of what it wraps.
            continue
        trace = cause.__traceback__
        while trace is not None:
            if _is_handler(trace.tb_frame):
                raise cause from cause.__cause__
            trace = trace.tb_next


def _is_handler(frame: FrameType) -> bool:
    """Say whether a frame is of a signal handler: it was given the signal and the frame that was interrupted."""
    interrupted = frame.f_back
    if interrupted is None:
        return False
    given: list[object] = []
    for value in frame.f_locals.values():
        given += value if isinstance(value, tuple) else (value,)
    return any(value is interrupted for value in given) and any(
        isinstance(value, int) and value in signal.Signals.__members__.values() for value in given
    )
