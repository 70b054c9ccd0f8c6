"""The interpreter's end, while uploads run in the background.

Their threads are daemons: a source that never ends must not keep the interpreter for ever.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time
import warnings
import weakref
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Protocol


class Unfinished(Protocol):
    """What is waited for: an `Upload`."""

    name: str
    exit_grace: float
    """Seconds from the beginning of the interpreter's end, which all of them have together."""

    @property
    def bytes_sent(self) -> int:
        """How far it came."""

    def done(self) -> bool:
        """Say whether it is over."""

    def cancelled(self) -> bool:
        """Say whether that was wanted."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait until it is over."""


_running: weakref.WeakSet[Unfinished] = weakref.WeakSet()
# Guards it: a daemon thread may begin an upload while the interpreter's end looks through them.
_lock = threading.Lock()


def finish_at_exit(upload: Unfinished) -> None:
    """Have the interpreter's end wait for an upload, and name it if it is cut all the same."""
    _watch_forks()
    with _lock:
        if not _running:
            # Here and not on import; anew, so that it runs before what was registered in between.
            atexit.unregister(_finish)
            atexit.register(_finish)
        _running.add(upload)


@functools.cache
def _watch_forks() -> None:
    """Have every child of a fork forget the uploads: their threads are the parent's, and so is their end."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    global _lock  # noqa: PLW0603 - another thread may have held it at the fork, and is not here to give it back
    _lock = threading.Lock()
    _running.clear()


def _finish() -> None:
    # No thread can be started any more, but those that run go on until this returns.
    began = time.monotonic()
    with _lock:
        unfinished = [each for each in _running if not each.done()]
    for upload in unfinished:
        try:
            error = upload.exception(max(0.0, began + upload.exit_grace - time.monotonic()))
        except FutureTimeoutError:
            _warn(
                f"the interpreter ends while the upload to {upload.name} runs: it is cut after"
                f" {upload.bytes_sent} bytes"
            )
        else:
            # By now nobody is left who could ask.
            if error is not None and not upload.cancelled():
                _warn(f"while the interpreter ended: {error}")


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=3)
