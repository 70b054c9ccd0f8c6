"""The standard streams of an instance's process."""

from __future__ import annotations

import asyncio
import codecs
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from scramjet.streams import StringStream

_BLOCK = 65536
"""Bytes of one read."""


def connect_stdin() -> None:
    """Set `sys.stdin` to the stream that a sequence expects. The loop must run."""
    sys.stdin = sys.__stdin__ = StandardInput.open()  # type: ignore[misc]


def connect_outputs() -> None:
    """Make `sys.stdout` and `sys.stderr` write through to the hub at once, as UTF-8.

    Python's own streams would buffer the text, and follow PYTHONIOENCODING.
    """
    sys.stdout = sys.__stdout__ = _writer(1, "<stdout>")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, "<stderr>")  # type: ignore[misc]


def _writer(fd: int, name: str) -> io.TextIOWrapper:
    raw = io.FileIO(fd, "w", closefd=False)
    raw.name = name
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


class StandardInput(StringStream):  # type: ignore[misc]  # the framework has no types
    """`sys.stdin`: a text stream as on every hub, and the text file that Python's own libraries need.

    In the thread of the program's loop, `read()` is the stream's, and you await it. In any other thread, where nothing
    can be awaited, it is the `read()` of a file. All other methods of a file work in both. The descriptor stays a
    blocking one, so that processes of the program can inherit it.
    """

    _file: io.TextIOWrapper
    _text: str
    _decoder: codecs.IncrementalDecoder

    @classmethod
    def open(cls) -> StandardInput:
        """Return the stream of descriptor 0."""

        async def piece() -> str:
            return await found._next()

        found: StandardInput = cls.from_callback(64, piece)
        raw = io.FileIO(0, "r", closefd=False)
        raw.name = found.name = "<stdin>"
        found._file = io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8", errors="replace")
        found._text = ""
        found._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return found

    @property  # type: ignore[misc]  # of an object's class, which this hides
    def __class__(self) -> Any:
        # The framework uses the stream's class for the results of `map` and the like. They are not a standard input.
        return StringStream

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._file, name)

    # -- as a stream ----------------------------------------------------------------------------------

    async def _next(self) -> str:
        """Return the text that has arrived, "" at the end."""
        loop = asyncio.get_running_loop()
        while not self._text:
            ready = asyncio.Event()
            loop.add_reader(0, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(0)
            if not self._fill():
                break
        text, self._text = self._text, ""
        return text

    # -- as a file ------------------------------------------------------------------------------------

    def read(self, size: int | None = -1) -> Any:
        """Read. In the loop's thread, return an awaitable of the next piece; elsewhere read as a file does."""
        if asyncio._get_running_loop() is not None:
            return StringStream.read(self)
        wanted = sys.maxsize if size is None or size < 0 else size
        while len(self._text) < wanted and self._fill():
            pass
        return self._take(wanted)

    def readline(self, size: int = -1) -> str:
        """Return a line with its line ending, "" at the end of the input; blocks."""
        wanted = sys.maxsize if size < 0 else size
        seen = 0
        while (end := self._text.find("\n", seen) + 1) == 0 and len(self._text) < wanted:
            seen = len(self._text)
            if not self._fill():
                break
        return self._take(min(end or len(self._text), wanted))

    def readlines(self, hint: int = -1) -> list[str]:
        """Return all remaining lines; blocks."""
        return list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self.readline, "")

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __enter__(self) -> StandardInput:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _fill(self) -> bool:
        """Wait for input and read it; return False at the end."""
        if self._file.closed:
            raise ValueError("I/O operation on closed file.")
        data = os.read(0, _BLOCK)
        self._text += self._decoder.decode(data, not data)
        return bool(data)

    def _take(self, size: int) -> str:
        text, self._text = self._text[:size], self._text[size:]
        return text
