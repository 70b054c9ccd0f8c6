"""Signals of a process that is only a hub."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set while the block runs.

    A signal that was ignored when the process began stays ignored: shells expect this of processes they start in the
    background. SIGCHLD is the exception: while it is ignored, nobody can learn how an instance's process ended.
    """
    ended = threading.Event()
    before = {}
    for each in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(each) is not signal.SIG_IGN:
            before[each] = signal.signal(each, lambda *_: ended.set())
    if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield ended
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
