r"""Splits incoming data into lines: only at b"\n", however the data is divided into pieces."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any

from scramjet_client.errors import LineTooLongError

_without_last = itemgetter(slice(None, -1))


def bare(line: bytes) -> bytes:
    r"""Return a line without its b"\n" or b"\r\n"."""
    if line.endswith(b"\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(b"\n") else line


class LineSplitter:
    """Returns whole lines of data that comes in pieces, and keeps the beginning of the next line.

    A line may have `limit` bytes without its end; errors tell the `name` of the source.
    """

    def __init__(self, name: str, *, keep_ends: bool, limit: int | None = None) -> None:
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise TypeError(f"limit must be a number of bytes or None, not {type(limit).__name__}")
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be 1 byte or more, or None, not {limit}")
        self._name = name
        self._keep_ends = keep_ends
        self._limit = limit
        self._begun: list[bytes] = []
        self._ungiven: Callable[[], bytes] = bytes

    def split(self, data: bytes) -> Iterable[bytes]:
        """Return the lines that a piece completes, as an iterator that gives them at C speed.

        `take_back` returns the lines that the iterator has not given yet, except its first line.

        Raises:
            LineTooLongError: The iterator raises it, after the lines before the one that is too long.
        """
        if not self._begun and data.find(b"\n") == len(data) - 1:
            # This is a single line, the usual case if the reader waits for every line.
            self._ungiven = bytes
            if self._limit is not None and len(data) > self._limit:
                self._check(data)
            return (data if self._keep_ends else bare(data),)
        whole = self._completed(data)
        file = io.BytesIO(whole)
        self._ungiven = file.read
        lines: Iterable[bytes] = file
        if self._limit is not None and len(whole) + sum(map(len, self._begun)) > self._limit:
            lines = self._checked(file)
        if self._keep_ends:
            return lines
        return map(bare if b"\r" in whole else _without_last, lines)

    def split_now(self, data: bytes) -> tuple[list[bytes], LineTooLongError | None]:
        """Return the lines that a piece completes, and the error of the line after them, or None."""
        if self._limit is None or len(data) + sum(map(len, self._begun)) <= self._limit:
            whole = self._completed(data)
            if not whole:
                return [], None
            lines = whole[:-1].split(b"\n")
            if self._keep_ends:
                return [line + b"\n" for line in lines], None
            if b"\r" in whole:
                lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
            return lines, None
        given: list[bytes] = []
        try:
            given.extend(self.split(data))
        except LineTooLongError as error:
            return given, error
        return given, None

    @property
    def begun(self) -> bytes:
        """The beginning of the next line, as far as it has come."""
        return b"".join(self._begun)

    def last(self) -> bytes:
        """Return the unfinished last line, b"" if there is none."""
        line = b"".join(self._begun)
        self._begun.clear()
        if line and self._limit is not None:
            self._check(line)
        return line

    def take_back(self) -> bytes:
        """Return the data that was read but not given, and forget it."""
        data = b"".join([self._ungiven(), *self._begun])
        self._begun.clear()
        self._ungiven = bytes
        return data

    def _completed(self, data: bytes) -> bytes:
        """Return all whole lines as one piece; keep the data after them."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._begun.append(data)
            return b""
        # A view, because a slice would be a second copy of up to 64 KiB.
        whole = b"".join([*self._begun, memoryview(data)[:end]]) if self._begun else data[:end]
        self._begun[:] = [data[end:]] if end < len(data) else []
        return whole

    def _checked(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._check(line)
            yield line
        if sum(map(len, self._begun)) > (self._limit or 0):
            # A carriage return at the end of this piece may be part of the line's end.
            begun = b"".join(self._begun)
            self._check(begun[:-1] if begun.endswith(b"\r") else begun)

    def _check(self, line: Any) -> None:
        if self._limit is not None and len(bare(line)) > self._limit:
            raise LineTooLongError(f"a line of {self._name} has more than {self._limit} bytes")
