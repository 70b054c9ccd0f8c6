r"""Splitting what comes into lines: at b"\n" alone, whatever pieces it comes in."""

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
    """Whole lines of what comes in pieces, and the beginning of the next one.

    Args:
        name: What is read, for errors.
        keep_ends: Whether lines keep their ends.
        limit: Bytes that a line may have without its end, or None.
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

        What it has not given yet, its first line apart, is among what `take_back` returns.

        Raises:
            LineTooLongError: By the iterator, after the lines before the one that is too long.
        """
        if not self._begun and data.find(b"\n") == len(data) - 1:
            # One line, which is what comes where every line is waited for.
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
        """Return the lines that a piece completes, and what is wrong with the one after them."""
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

    def last(self) -> bytes:
        """Return the line that the end has cut off, b"" if there is none."""
        line = b"".join(self._begun)
        self._begun.clear()
        if line and self._limit is not None:
            self._check(line)
        return line

    def take_back(self) -> bytes:
        """Return what was read and has not been given, and forget it."""
        data = b"".join([self._ungiven(), *self._begun])
        self._begun.clear()
        self._ungiven = bytes
        return data

    def _completed(self, data: bytes) -> bytes:
        """Return the whole lines that there are now in one piece; keep what follows them."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._begun.append(data)
            return b""
        whole = b"".join([*self._begun, data[:end]]) if self._begun else data[:end]
        self._begun[:] = [data[end:]] if end < len(data) else []
        return whole

    def _checked(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._check(line)
            yield line
        if sum(map(len, self._begun)) > (self._limit or 0):
            # A carriage return at its end may be part of the line's end.
            begun = b"".join(self._begun)
            self._check(begun[:-1] if begun.endswith(b"\r") else begun)

    def _check(self, line: Any) -> None:
        if self._limit is not None and len(bare(line)) > self._limit:
            raise LineTooLongError(f"a line of {self._name} has more than {self._limit} bytes")
