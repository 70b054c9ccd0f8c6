"""Buffers for bytes that pass through the hub, with back-pressure when nobody reads."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import cast

_BLOCK = 262_144
"""Bytes of one read from an instance."""

_READER_LIMIT = 262_144
"""Bytes that may wait for one reader before the pipe holds the writer. The sockets hold some megabytes more."""

_FEED_LIMIT = 1_048_576
"""Bytes that may wait for an instance to read them before the hub holds the upload."""

UNREAD_LIMIT = 4_194_304
"""Bytes kept while nobody reads; a real hub and its sockets keep as much (4-5 MB)."""


class Reader:
    """One reader of a pipe, from `Pipe.attach()`."""

    def __init__(self, pipe: Pipe, *, dropping: bool) -> None:
        self._pipe = pipe
        self._dropping = dropping
        self._chunks: deque[bytes] = deque()
        self._data = asyncio.Event()
        self.size = 0

    def put(self, chunk: bytes) -> None:
        """Add a chunk."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        while self._dropping and self.size > UNREAD_LIMIT:
            self.size -= len(self._chunks.popleft())
        self._data.set()

    def wake(self) -> None:
        """Let a waiting `get()` check again."""
        self._data.set()

    async def get(self) -> bytes:
        """Wait for data, and return all of it. b"" is the end."""
        while not self._chunks:
            if self._pipe.ended:
                return b""
            self._data.clear()
            await self._data.wait()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self.size = 0
        self._pipe.made_room()
        return data


class Pipe:
    """Carries bytes from one writer to any number of readers. Each reader gets all bytes from its arrival on.

    Without a reader, bytes wait for the first one. The slowest reader holds the writer, and so the other readers.

    Args:
        dropping: Forget the oldest chunks where the pipe can't or must not hold a writer: while nobody reads, and
            beyond `UNREAD_LIMIT` for writers that call `put()`.
        remembers: How many of the last bytes `last` returns, even if somebody has read them.
    """

    def __init__(self, *, dropping: bool = False, remembers: int = 0) -> None:
        self._dropping = dropping
        self._remembers = remembers
        self._last: deque[bytes] = deque()
        self._last_size = 0
        self._readers: list[Reader] = []
        # The next one: it takes the bytes while nobody reads.
        self._next = Reader(self, dropping=dropping)
        self._room = asyncio.Event()
        self.ended = False
        self.tap: Callable[[bytes], object] | None = None
        """Called with each chunk, if it is set."""

    def attach(self) -> Reader:
        """Return a new reader; the first one gets the waiting bytes."""
        reader = Reader(self, dropping=self._dropping) if self._readers else self._next
        self._readers.append(reader)
        self.made_room()
        return reader

    def detach(self, reader: Reader) -> None:
        """Remove a reader; the unread bytes of the last one wait for the next reader."""
        self._readers.remove(reader)
        if not self._readers:
            self._next = reader
        self.made_room()

    def put(self, data: bytes) -> None:
        """Add data without waiting."""
        if self.ended or not data:
            return
        if self.tap is not None:
            self.tap(data)
        if self._remembers:
            self._last.append(data[-self._remembers :])
            self._last_size += len(self._last[-1])
            while self._last_size - len(self._last[0]) >= self._remembers:
                self._last_size -= len(self._last.popleft())
        for reader in self._readers or [self._next]:
            reader.put(data)

    @property
    def last(self) -> bytes:
        """The last bytes that passed through the pipe."""
        return b"".join(self._last)[-self._remembers :] if self._remembers else b""

    async def write(self, data: bytes) -> None:
        """Add data, and wait until there is room for more."""
        self.put(data)
        while self._is_full() and not self.ended:
            self._room.clear()
            await self._room.wait()

    def _is_full(self) -> bool:
        if self._readers:
            return any(reader.size > _READER_LIMIT for reader in self._readers)
        return not self._dropping and self._next.size > UNREAD_LIMIT

    def made_room(self) -> None:
        """Let the writer check again whether it may continue."""
        self._room.set()

    def end(self) -> None:
        """End the pipe: readers get the remaining bytes, and then the end."""
        self.ended = True
        self.made_room()
        for reader in self._readers:
            reader.wake()


async def pump(fd: int, pipe: Pipe, *, ending: bool = True) -> None:
    """Pass everything from an open file to the pipe, and end the pipe when the file ends; owns the file."""
    reader = asyncio.StreamReader(_BLOCK)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0)
    )
    try:
        while data := await reader.read(_BLOCK):
            await pipe.write(data)
    except OSError:
        pass  # for a reader of the pipe this is an ordinary end
    finally:
        if ending:
            pipe.end()
        transport.close()


class Feed(asyncio.BaseProtocol):
    """The writing end of an instance's stdin or input. It drops data that arrives after its end."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._room = asyncio.Event()
        self._room.set()
        self.ended = False
        self.broken = asyncio.Event()
        self.tap: Callable[[bytes | None], object] | None = None
        """Called with each chunk, and with None at the end, if it is set."""

    @classmethod
    async def on(cls, fd: int) -> Feed:
        """Return a feed into an open file, and own the file."""
        _, feed = await asyncio.get_running_loop().connect_write_pipe(cls, os.fdopen(fd, "wb", 0))
        return feed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        # Transports of other loops than asyncio's own do not inherit from a class of asyncio.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=_FEED_LIMIT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that nobody reads any more."""
        self.broken.set()
        self._room.set()

    def pause_writing(self) -> None:
        """Hold writers."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Let writers continue."""
        self._room.set()

    def put(self, data: bytes) -> None:
        """Add data without waiting."""
        if self._transport is not None and not self.ended and not self.broken.is_set():
            if self.tap is not None:
                self.tap(data)
            self._transport.write(data)

    async def write(self, data: bytes) -> None:
        """Add data, and wait until there is room for more."""
        self.put(data)
        await self._room.wait()

    def end(self) -> None:
        """Send the end to the instance, after the waiting data."""
        if self.tap is not None and not self.ended:
            self.tap(None)
        self.ended = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close without writing the waiting data."""
        self.ended = True
        transport = self._transport
        if transport is None or self.broken.is_set():
            return
        # A transport that is closing and has nothing to write reports its end already; asyncio would report it twice,
        # and the second report raises on the loop.
        if not transport.is_closing() or transport.get_write_buffer_size():
            transport.abort()
