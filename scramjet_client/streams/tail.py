"""The end of what a stream gives."""

from __future__ import annotations

import threading
from typing import Any


class Tail:
    """Keeps the last bytes that are written to it, `most` of them, from any thread; a target of `follow`.

    A binary `file` gets all bytes first. `total` is how many they were.
    """

    def __init__(self, most: int, file: Any = None) -> None:
        self._most = most
        self._file = file
        self.total = 0
        self._end = bytearray()
        # Guards the bytes that are kept, and what subclasses know about them.
        self._lock = threading.RLock()

    def write(self, data: bytes) -> None:
        """Take a piece."""
        if self._file is not None:
            self._file.write(data)
            self._file.flush()
        with self._lock:
            self.total += len(data)
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Keep what a piece adds to the end. Needs the lock."""
        self._end += data[-self._most :]
        # Not at each piece, because this moves all that is kept.
        if len(self._end) > 2 * self._most:
            del self._end[: -self._most]

    def _last(self) -> bytes:
        """Return the last bytes. Needs the lock."""
        return bytes(self._end[-self._most :])

    def __bytes__(self) -> bytes:
        with self._lock:
            return self._last()
