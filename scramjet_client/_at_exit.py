"""The interpreter's end, while uploads run in the background.

Their threads are daemons: a source that never ends must not keep the interpreter for ever.
"""

from __future__ import annotations

import atexit
import time
import warnings
import weakref
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Protocol

EXIT_GRACE = 5.0
"""Seconds that the end of the interpreter waits for all of them together."""


class Unfinished(Protocol):
    """What is waited for: an `Upload`."""

    name: str

    @property
    def bytes_sent(self) -> int:
        """How far it came."""

    def done(self) -> bool:
        """Say whether it is over."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait until it is over."""


_running: weakref.WeakSet[Unfinished] = weakref.WeakSet()


def finish_at_exit(upload: Unfinished) -> None:
    """Have the interpreter's end wait for an upload, and name it if it is cut all the same."""
    if not _running:
        # Here and not on import; anew, so that it runs before what was registered in between.
        atexit.unregister(_finish)
        atexit.register(_finish)
    _running.add(upload)


def _finish() -> None:
    # No thread can be started any more, but those that run go on until this returns.
    deadline = time.monotonic() + EXIT_GRACE
    for upload in [each for each in _running if not each.done()]:
        try:
            upload.exception(max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            warnings.warn(
                f"the interpreter ends while the upload to {upload.name} runs: it is cut after"
                f" {upload.bytes_sent} bytes",
                RuntimeWarning,
                stacklevel=2,
            )
