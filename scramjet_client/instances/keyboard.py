"""Reading a terminal or pipe with an interruptible reader: the source of `InstanceClient.attach`."""

from __future__ import annotations

import os
import selectors
import sys
import threading
from typing import Any

_READ_SIZE = 65536
"""Bytes of one read. Not less than a file's buffer, so that no unseen bytes stay in it."""


class Keyboard:
    """An iterator over the data of a file, or of its `buffer`, as it arrives. `stop` ends it even while it waits.

    That works on POSIX systems, for files of the operating system. Other files, and the Windows console, do not support
    it: there a read that has begun continues until data arrives, and that data is lost.
    """

    def __init__(self, file: Any) -> None:
        self._file = getattr(file, "buffer", file)
        self._stopped = False
        # Guards _wake: once it is closed, its number may belong to another file.
        self._lock = threading.RLock()
        self._wake: tuple[int, int] | None = None
        self._selector: selectors.BaseSelector | None = None
        if sys.platform != "win32":
            self._watch()

    def __iter__(self) -> Keyboard:
        return self

    def __next__(self) -> bytes | str:
        if self._selector is not None:
            self._selector.select()
        piece = b"" if self._stopped else self._read()
        if not piece:
            raise StopIteration
        return piece

    def more_within(self, seconds: float) -> bool:
        """Return whether data or the end comes within so many seconds; False where only reading can tell."""
        return self._selector is not None and bool(self._selector.select(seconds))

    def stop(self) -> None:
        """End it, from any thread: a waiting reader is freed, and nothing more is read from the file."""
        self._stopped = True
        with self._lock:
            if self._wake is not None:
                os.write(self._wake[1], b"x")

    def close(self) -> None:
        """Release its resources; the file stays open. Do not call it while another thread reads."""
        self._stopped = True
        if self._selector is not None:
            self._selector.close()
        with self._lock:
            wake, self._wake = self._wake, None
            for end in wake or ():
                os.close(end)

    def _read(self) -> bytes | str:
        # read(n) of a buffered file waits until it has n bytes.
        read = getattr(self._file, "read1", None) or self._file.read
        piece: bytes | str | None = read(_READ_SIZE)
        if piece is None:
            raise BlockingIOError("stdin is a non-blocking file with nothing to read")
        return piece

    def _watch(self) -> None:
        selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
        try:
            selector.register(self._file, selectors.EVENT_READ)
        except (ValueError, OSError):
            # A file in memory.
            selector.close()
            return
        self._selector = selector
        self._wake = os.pipe()
        selector.register(self._wake[0], selectors.EVENT_READ)
