"""Anything a user may send -> an iterator of non-empty bytes; the one place that tells kinds of body apart."""

from __future__ import annotations

import codecs
import io
import json
import os
import stat
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Union

from scramjet_client.errors import UnsupportedByHubError

Item = Union[str, bytes, bytearray, memoryview]
SourceLike = Union[Item, Path, Iterable[Item], Any]
"""What may be sent: text, bytes-like, an open file, a `Path`, or an iterable of str or bytes."""

ProgressHook = Callable[[int, Union[int, None]], object]
"""Told of a send: bytes of the source that are on the wire, and bytes in all (None where nobody knows)."""

PIECE = 65536
"""Bytes in one piece of a file or of a long bytes object: large enough for speed, small enough to stop at."""

_KINDS = "bytes, str, an open file, a Path, or an iterable of bytes or str"


def _refuse(value: object) -> TypeError:
    return TypeError(f"a source must be {_KINDS}, not {type(value).__name__}")


def encode(item: object, what: str = "an item of the source") -> bytes | memoryview:
    """Return one item as bytes (text as UTF-8), without a copy where it is bytes already."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode("utf-8")
    try:
        return memoryview(item).cast("B")  # type: ignore[arg-type]  # what it is not, it raises
    except (TypeError, ValueError):
        raise TypeError(f"{what} must be bytes or str, not {type(item).__name__}") from None


def _buffer_of(value: Any) -> memoryview | None:
    try:
        return memoryview(value).cast("B")
    except TypeError:
        return None


def _pieces(data: bytes | memoryview) -> Iterator[bytes | memoryview]:
    if len(data) <= PIECE:
        yield data
        return
    view = memoryview(data)
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]


def _gathered(items: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Put small items together: only for items that are in memory already, where none is held back."""
    held: list[bytes | memoryview] = []
    size = 0
    for item in items:
        held.append(item)
        size += len(item)
        if size >= PIECE:
            yield from _pieces(b"".join(held))
            held, size = [], 0
    if held:
        yield b"".join(held)


def _is_regular(file: Any) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return isinstance(file, (io.StringIO, io.BytesIO))


def _file_items(file: Any) -> Iterator[object]:
    """Read a file without holding back what a pipe has given already."""
    if isinstance(file, io.TextIOBase):
        # TextIOBase.read(n) waits until it has n characters, which on a pipe may be for ever.
        read: Callable[[], object] = (
            partial(file.read, PIECE) if _is_regular(file) else file.readline
        )
    elif hasattr(file, "read1"):
        read = partial(file.read1, PIECE)
    else:
        read = partial(file.read, PIECE)
    while True:
        item = read()
        if item is None:
            raise BlockingIOError("the source is a non-blocking file with nothing to read")
        if not item:
            return
        yield item


def size_of(value: Any) -> int | None:
    """Return how many bytes a source will give, or None if that can't be told without reading it."""
    if isinstance(value, str):
        return len(value.encode("utf-8"))
    whole = _buffer_of(value)
    if whole is not None:
        return len(whole)
    try:
        if isinstance(value, Path):
            found = value.stat()
            return found.st_size if stat.S_ISREG(found.st_mode) else None
        if isinstance(value, io.TextIOBase) or not _is_regular(value):
            return None
        at = value.tell()
        size = value.seek(0, io.SEEK_END)
        value.seek(at)
    except (OSError, ValueError, AttributeError):
        return None
    return int(size - at)


class Source:
    """One body to be sent: iterate it once, then `close()` it.

    Wrong kinds are refused by the constructor, so before anything is sent; a wrong item inside a
    generator can only be found on the way.

    `close()` closes a generator (so that its `finally` blocks run) and a file opened here from a
    `Path`. A file that the caller opened stays open.
    """

    def __init__(self, value: SourceLike) -> None:
        self.whole: memoryview | None = _buffer_of(value)
        """All of the data, where it is bytes in memory."""
        self._close: Callable[[], None] | None = None
        self._items = self._start(value)

    def _start(self, value: Any) -> Iterator[bytes | memoryview]:
        if isinstance(value, str):
            return _pieces(encode(value))
        if isinstance(value, Path):
            file = value.open("rb")
            self._close = file.close
            return (encode(item) for item in _file_items(file))
        if isinstance(value, (Mapping, AsyncIterable)):
            raise _refuse(value)
        if self.whole is not None:
            return _pieces(self.whole)
        if hasattr(value, "read"):
            return (encode(item) for item in _file_items(value))
        if isinstance(value, (list, tuple)):
            encoded = [encode(item, f"item {at} of the source") for at, item in enumerate(value)]
            return _gathered(encoded)
        try:
            items = iter(value)
        except TypeError:
            raise _refuse(value) from None
        self._close = getattr(items, "close", None)
        return (encode(item) for item in items)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return self

    def __next__(self) -> bytes | memoryview:
        while True:
            item = next(self._items)
            # An empty chunk is the end of an HTTP body.
            if len(item):
                return item

    def close(self) -> None:
        """Close what was opened or is being run. Must not be called while another thread is inside `next`."""
        self._items = iter(())
        close, self._close = self._close, None
        if close is not None:
            close()


class JsonLines:
    """Values -> one JSON document per line, for `json=True`: a generator or list gives one line an item."""

    def __init__(self, value: Any) -> None:
        single = isinstance(value, (str, Mapping)) or not isinstance(value, Iterable)
        self._items = iter([value] if single else value)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        # In ASCII, which no hub and no runner can cut within a character.
        line = json.dumps(next(self._items), separators=(",", ":"), allow_nan=False)
        return line.encode("ascii") + b"\n"

    def close(self) -> None:
        """Close the generator that gave the values."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


class Utf8Only:
    """Pass a source's bytes on as long as they are UTF-8, in whole characters; refuse the first that are not.

    For the routes on which a hub decodes and re-encodes what it carries, so that everything else would
    arrive changed. A character split over two items is held back until it is whole.
    """

    def __init__(self, source: Source, route: str) -> None:
        if source.whole is not None:
            # Bytes in memory are looked through at once, before anything is sent.
            for _ in Utf8Only(Source(iter((source.whole,))), route):
                pass
        self._source = source
        self._route = route
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._offset = 0

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return self

    def __next__(self) -> bytes | memoryview:
        while True:
            held, _ = self._decoder.getstate()
            try:
                item = next(self._source)
            except StopIteration:
                if held:
                    raise self._refusal(self._offset, held, "unexpected end of data") from None
                raise
            data = held + item if held else item
            try:
                self._decoder.decode(item)
            except UnicodeDecodeError as error:
                at = self._offset + error.start
                raise self._refusal(
                    at, bytes(data[error.start : error.end]), error.reason
                ) from None
            left, _ = self._decoder.getstate()
            whole = data[: len(data) - len(left)]
            self._offset += len(whole)
            if len(whole):
                return whole

    def _refusal(self, offset: int, found: bytes, reason: str) -> UnsupportedByHubError:
        return UnsupportedByHubError(
            f"{self._route} carries UTF-8 alone and would change the bytes {found!r} at offset {offset}: {reason}"
        )

    def close(self) -> None:
        """Close the source."""
        self._source.close()
