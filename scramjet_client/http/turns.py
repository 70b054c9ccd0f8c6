"""`Turn`: threads do a thing one after the other, where this only saves requests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from scramjet_client.http import forks


class Turn:
    """A lock that nobody waits for without end, for work that sends requests.

    Requests are logged. A handler of logging may come back here in the same thread, or hold a lock for which the thread
    waits that has the turn. And in a fork that thread does not exist.
    """

    def __init__(self) -> None:
        self._process = forks.process
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def taken(self, limit: float) -> Iterator[bool]:
        """Wait for the turn, for `limit` seconds at most; give whether it has come, and keep it for the block."""
        if self._process is not forks.process:
            self._process, self._lock = forks.process, threading.RLock()
        lock = self._lock
        came = lock.acquire(timeout=limit)
        try:
            yield came
        finally:
            if came:
                lock.release()
