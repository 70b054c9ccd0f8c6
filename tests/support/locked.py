"""A lock on an open file, which ends when the file is closed."""

from __future__ import annotations

import sys
from typing import IO, Any

if sys.platform == "win32":
    import msvcrt
else:
    try:
        import fcntl
    except ImportError:  # taken away by tests/support/without_posix.py
        fcntl = None  # type: ignore[assignment]


def hold(file: IO[Any]) -> None:
    """Wait for the lock of a file, and hold it until the file is closed."""
    if sys.platform == "win32":
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            except OSError:  # it waits for ten seconds alone
                continue
            return
    elif fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
