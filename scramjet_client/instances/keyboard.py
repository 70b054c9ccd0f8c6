"""Reading a terminal or pipe so that the reader can be freed: what `InstanceClient.attach` sends."""

from __future__ import annotations

import os
import selectors
import sys
import threading
from typing import Any

_READ_SIZE = 65536
"""Bytes of one read; not less than the buffer of a file, so that nothing stays behind in it unseen."""


class Keyboard:
    """An iterator over what a file gives, as it comes, that `stop` ends while it waits.

    On POSIX systems, for files of the operating system. Others, and the console of Windows, can't be waited
    for: there a read that has begun goes on until something comes, and what then comes is lost.

    Args:
        file: A binary or text file, or one with a binary `buffer`.
    """

    def __init__(self, file: Any) -> None:
        self._file = getattr(file, "buffer", file)
        self._stopped = False
        # Guards _wake: a number that has been closed may belong to another file by now.
        self._lock = threading.Lock()
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

    def stop(self) -> None:
        """End it, from any thread: whoever waits for the file is freed, and nothing more is read of it."""
        self._stopped = True
        with self._lock:
            if self._wake is not None:
                os.write(self._wake[1], b"x")

    def close(self) -> None:
        """Give up what this holds; the file stays open. Not while another thread reads."""
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
