"""Exceptions of signal handlers, which can surface in any wait of the main thread.

`raise TimeoutError` in a SIGALRM handler is the usual way to limit a call. It looks like a socket's own time limit.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType


def causes(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its wrapped ones, in the ways of requests and urllib3: in args, reason or `__cause__`.

    `__context__` is left out, because it leads to whatever the caller is handling at the time.
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
    """Raise a signal handler's exception unchanged, if the error comes from one."""
    for cause in causes(error):
        if type(cause).__module__.partition(".")[0] in ("requests", "urllib3"):
            # This is a wrapper, which may carry the traceback of the exception that it wraps.
            continue
        trace = cause.__traceback__
        while trace is not None:
            if _is_handler(trace.tb_frame):
                raise cause from cause.__cause__
            trace = trace.tb_next


def _is_handler(frame: FrameType) -> bool:
    """Return whether a frame belongs to a signal handler: its arguments are the signal and the interrupted frame."""
    interrupted = frame.f_back
    if interrupted is None:
        return False
    given: list[object] = []
    for value in frame.f_locals.values():
        given += value if isinstance(value, tuple) else (value,)
    return any(value is interrupted for value in given) and any(
        isinstance(value, int) and value in signal.Signals.__members__.values() for value in given
    )
