"""What the interpreter's end must finish: daemon threads' work, which it would otherwise cut."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class AtExit(Generic[_T]):
    """Objects that the interpreter's end hands to a function, as long as somebody holds them.

    A forked child forgets them: their threads and their end belong to the parent.

    Args:
        finish: Called once, at the interpreter's end. No new thread can start then, but running ones go on until it
            returns.
    """

    def __init__(self, finish: Callable[[list[_T]], object]) -> None:
        self._finish = finish
        self._watches_forks = False
        self._forget()

    def add(self, item: _T) -> None:
        """Have the interpreter's end finish this object."""
        with self._lock:
            if not self._watches_forks and hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._forget)
                self._watches_forks = True
            if not self._items:
                # Here, not on import, and again each time, so that it runs before handlers registered meanwhile.
                atexit.unregister(self._run)
                atexit.register(self._run)
            self._items.add(item)

    def _forget(self) -> None:
        # Guards the objects: a daemon thread may add one while the interpreter's end goes through them. A child gets a
        # new lock, because another thread may have held it at the fork, and can't release it there.
        self._lock = threading.Lock()
        self._items: weakref.WeakSet[_T] = weakref.WeakSet()

    def _run(self) -> None:
        with self._lock:
            items = list(self._items)
        self._finish(items)
