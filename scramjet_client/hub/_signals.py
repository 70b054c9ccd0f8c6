"""Signals of a process that is only a hub."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from scramjet_client._common.signals import taken


@contextlib.contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set while the block runs.

    SIGCHLD is not ignored meanwhile: nobody could learn how an instance's process ended.
    """
    ended = threading.Event()
    with contextlib.ExitStack() as stack:
        stack.enter_context(taken((signal.SIGINT, signal.SIGTERM), lambda *_: ended.set()))
        if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            stack.callback(signal.signal, signal.SIGCHLD, signal.SIG_IGN)
        yield ended
