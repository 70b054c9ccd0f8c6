"""Signals that end a process, and what takes them while a block runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

ENDING = tuple(
    getattr(signal, each) for each in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, each)
)
"""Ctrl-C, the request to end, and the end of the terminal, as far as the system has them."""


@contextlib.contextmanager
def taken(
    numbers: Iterable[signal.Signals], take: Callable[[int, FrameType | None], Any]
) -> Iterator[None]:
    """While the block runs, call a function for signals.

    A signal that was ignored when the process began stays ignored: shells expect this of processes that they start in
    the background. In a thread other than the main one, Python takes no signals, and nothing changes.
    """
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for each in numbers:
            if signal.getsignal(each) is not signal.SIG_IGN:
                before[each] = signal.signal(each, take)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
