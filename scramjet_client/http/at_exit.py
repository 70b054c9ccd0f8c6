"""What the interpreter's end must finish: daemon threads' work, which it would otherwise cut."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from scramjet_client._common.clock import monotonic

_T = TypeVar("_T")

_PROCESS_MAKERS = ("multiprocessing", "multiprocess")
"""multiprocessing, which billiard builds on, and the copy of it that pathos uses. Children may end without `atexit`."""

_LAST = -100
"""A priority behind all that these packages finish themselves."""

_LONGEST_WORD = 5.0
"""Seconds for which the interpreter's end waits for threads that say something."""


class AtExit(Generic[_T]):
    """Objects that the interpreter's end hands to a function, as long as somebody holds them.

    The end of a child of multiprocessing is an interpreter's end too. A forked child forgets what the parent has: the
    threads and the end of that belong to the parent.

    Args:
        finish: Called with the objects at the interpreter's end. No new thread can start then, but running ones go on
            until it returns.
    """

    def __init__(self, finish: Callable[[list[_T]], object]) -> None:
        self._finish = finish
        self._watches_forks = False
        self._finalizers: list[Any] = []
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
                for finalizer in self._finalizers:
                    finalizer.cancel()
                self._finalizers[:] = _finalizers(self._run)
                if not _is_child():
                    atexit.register(self._run)
            self._items.add(item)

    def discard(self, item: _T) -> None:
        """Forget an object that needs no end."""
        with self._lock:
            self._items.discard(item)

    @contextlib.contextmanager
    def speaking(self) -> Iterator[None]:
        """Have the interpreter's end wait for a daemon thread in this block, which would end without a word.

        There is no lock to wait for: the block may stand in a `__del__`.
        """
        turns, turn = self._turns, object()
        turns.append(turn)
        try:
            yield
        finally:
            turns.remove(turn)

    def _forget(self) -> None:
        # Guards the objects: a daemon thread may add one while the interpreter's end goes through them. A child gets a
        # new lock, because another thread may have held it at the fork, and can't release it there.
        self._lock = threading.RLock()
        self._items: weakref.WeakSet[_T] = weakref.WeakSet()
        self._turns: list[object] = []

    def _run(self) -> None:
        # Each object once: some children end both by a finalizer and by atexit.
        with self._lock:
            items = list(self._items)
            self._items.clear()
        self._finish(items)
        deadline = monotonic() + _LONGEST_WORD
        while self._turns and monotonic() < deadline:
            time.sleep(0.001)  # the other thread goes on


def _finalizers(function: Callable[[], None]) -> list[Any]:
    """Have each package that may have made this process call a function before it ends the process.

    Only what is imported already can have made it. In other processes atexit comes first.
    """
    makers = _parts_of_makers("util", "Finalize")
    return [each(None, function, exitpriority=_LAST) for each in makers]


def _is_child() -> bool:
    """Return whether such a package has made this process. Since Python 3.13 it would call atexit's functions first."""
    return any(parent() is not None for parent in _parts_of_makers("process", "parent_process"))


def _parts_of_makers(module: str, name: str) -> list[Any]:
    modules = [sys.modules.get(f"{each}.{module}") for each in _PROCESS_MAKERS]
    return [getattr(each, name) for each in modules if hasattr(each, name)]
