"""The chunked transfer coding (RFC 9112, 7.1), decoded as fast as Python can.

Each write of a program is one small chunk from a hub, so a usual body has millions of chunks. This module
decodes hundreds of them at once: a whole buffer, split at CRLF, gives size, payload, size, payload... The
lengths of the payloads prove that no payload held a CRLF. For large chunks, the kernel reads the payload
straight into the reader's memory, and the size lines elsewhere. Everything else is decoded chunk by chunk.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.client import HTTPException, IncompleteRead
from typing import Any

from scramjet_client.http.tls import DuplexSSLSocket

_LEAST, _MOST = 479, 65536
"""Smallest and largest size in bytes of one network read while chunks are small; a full stream gets the largest.

Python's own allocator gives the smallest size at once (512 bytes, with the 33 of an empty `bytes`). Memory in
pieces above the largest size goes back to the system and is requested again each time, which costs more than
the read.
"""

_TLS_LEAST = 16384
"""The smallest size over TLS: a whole record, so that no part of one usually stays inside OpenSSL."""

_LARGE = 8192
"""From this many bytes on, a chunk gets its own read into the reader's memory."""

_APART = 32768
"""From this many bytes on, the payload gets its own read, and the bytes up to the next payload another one."""

_MOST_PARTS = 1024
"""Pieces of memory that Linux and macOS accept in one read (IOV_MAX); more give EMSGSIZE."""

_LINE_LIMIT = 4096
"""The most bytes of a size line with its extensions, or of one trailer, in a valid body."""

_TRAILER_LIMIT = 65536

_NO_SPLIT = 64
"""Number of buffers that skip a way of splitting after it failed."""

_HEX = b"0123456789abcdefABCDEF"
_DIGIT_LIMIT = 16


class MalformedChunk(HTTPException):
    """The data is not a chunked body; a kind of http.client's error, so that it is translated with its others."""


def _size(line: bytes) -> int:
    """Return the size in a chunk's first line, without its extensions."""
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not digits or len(digits) > _DIGIT_LIMIT or digits.translate(None, _HEX):
        # The line is not repeated: a part of it may be a part of a secret.
        raise MalformedChunk("the size of a chunk is not a number")
    return int(digits, 16)


def _lone(count: int) -> bytes:
    """Return the usual beginning of `count` bytes that are one whole chunk.

    If no chunk has that length, the result is longer than `count` bytes, so that nothing begins with it.
    """
    for digits in range(1, min(count - 4, _DIGIT_LIMIT)):
        size = b"%x" % (count - digits - 4)
        if len(size) == digits:
            return size + b"\r\n"
    return bytes(count + 1)


_LONE = [_lone(count) for count in range(_LEAST + 1)]


class ChunkedBody:
    """A reader of one chunked body: `readinto` gives the data that has come, 0 at the end.

    An exception of a socket read passes through and leaves the state unchanged: on a non-blocking socket, reading
    continues where it stopped.

    Args:
        sock: The socket to read from.
        begun: The data that has been read from the socket already.
        wait: Does each socket read that it is given, within time limits; None if there are no limits.
    """

    def __init__(
        self,
        sock: socket.socket,
        begun: bytes,
        wait: Callable[[Callable[[], Any]], Any] | None = None,
    ) -> None:
        self._wait = wait
        self._recv: Callable[[int], bytes] = (
            sock.recv if wait is None else lambda size: wait(lambda: sock.recv(size))
        )
        plain = type(sock) is socket.socket
        self._tls = sock if isinstance(sock, DuplexSSLSocket) else None
        # Windows has none.
        self._receive_into: Callable[[list[Any]], Any] | None = getattr(sock, "recvmsg_into", None)
        self._scatters = self._tls is not None or (plain and self._receive_into is not None)
        self._recv_size = self._least = _LEAST if plain else _TLS_LEAST
        self._adapts = plain or self._tls is not None
        self._raw = begun  # not decoded yet
        self._ready = b""  # decoded, not yet given
        self._given = 0  # bytes of it that were given
        self._left = 0  # bytes of the current chunk still to come
        self._in_chunk = False  # whether the current chunk's CRLF is still to come
        self._line = b""  # the last size line
        self._size = 0  # the size in that line
        self._between = b""  # the bytes between two chunks of that size
        self._repeats = False  # whether the size line before it had the same size
        self._floods = False  # whether the last large chunk came at once, with the bytes after it
        self._no_even_split = self._no_split = 0  # how many buffers skip the split
        self._error: MalformedChunk | None = None
        self.ended: bool = False
        if begun:
            self._decode()

    @property
    def pending(self) -> bool:
        """Whether the next read needs nothing from the socket."""
        if self._ready or self.ended or self._error is not None:
            return True
        # No poll sees the rest of a record inside OpenSSL.
        return self._tls is not None and bool(self._tls.pending())

    @property
    def has_more(self) -> bool:
        """Whether data beyond the end of the body has come."""
        return self.ended and bool(self._raw)

    def take(self) -> bytes | None:
        """Return the data that has come, waiting for the first byte; b"" is the end of the body.

        None asks for a `readinto`, which suits the coming data better.

        Raises:
            IncompleteRead: The connection ended before the body did.
            MalformedChunk: The data is not a chunked body.
        """
        if not (self._ready or self._raw or self._in_chunk or self.ended or self._error):
            # If the reader waits for every line, one whole chunk comes. It takes the shortest way: after a wait the
            # processor's caches are cold, and each step costs several times as much.
            data = self._recv(self._recv_size)
            count = len(data)
            line = _LONE[count] if count <= _LEAST else _lone(count)
            if data.startswith(line) and data.endswith(b"\r\n"):
                return data[len(line) : -2]
            self._came(data)
        if self._fill():
            data = self._ready[self._given :] if self._given else self._ready
            self._ready, self._given = b"", 0
            return data
        if self._size < _APART or self._wait is not None or self._tls is not None:
            return None
        data = self._receive(min(self._left, _MOST))
        self._left -= len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Read the data that has come into `buffer`, waiting for the first byte; 0 is the end of the body.

        Raises the same exceptions as `take`.
        """
        if not self._fill():
            return self._read_large(buffer)
        data = memoryview(self._ready)[self._given : self._given + len(buffer)]
        buffer[: len(data)] = data
        self._given += len(data)
        if self._given == len(self._ready):
            self._ready, self._given = b"", 0
        return len(data)

    def _fill(self) -> bool:
        """Prepare data or reach the end; return False if a large chunk is best read directly."""
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self.ended:
                return True
            # Also for the small rest of a large chunk: the next one begins after it.
            if self._left and self._size >= _LARGE and self._scatters:
                return False
            if self._between_is_next():
                self._raw = self._receive(len(self._between))
                if self._raw == self._between:
                    self._raw, self._left = b"", self._size
                    return False
                self._decode()
            else:
                self._came(self._recv(self._recv_size))
        return True

    def _between_is_next(self) -> bool:
        """Return whether to read separately the bytes after the last chunk, all of which has come."""
        return self._in_chunk and self._size >= _APART and self._scatters and not self._raw

    def _receive(self, size: int) -> bytes:
        """Read at most `size` bytes; raises IncompleteRead if the connection has ended."""
        data = self._recv(size)
        if not data:
            raise IncompleteRead(b"", self._left or None)
        return data

    def _came(self, data: bytes) -> None:
        """Decode the data of a read of `_recv_size` bytes; raises the same exceptions as `_receive`."""
        if not data:
            raise IncompleteRead(b"", self._left or None)
        if self._adapts:
            # Ask for more next time if the read was full: unused memory costs time too.
            asked = self._recv_size
            if len(data) == asked:
                self._recv_size = min(4 * asked, _MOST)
            elif asked > self._least and 4 * len(data) < asked:
                self._recv_size = max(asked // 2, self._least)
        self._raw = self._raw + data if self._raw else data
        self._decode()

    def _read_large(self, buffer: memoryview) -> int:
        """Read the rest of a large chunk into the reader's own memory, and the bytes after it elsewhere.

        Those bytes are a CRLF and the next size line, which is expected to equal the last one. If all of them come
        at once, the same read takes the next chunks too.
        """
        left = self._left
        if left > len(buffer):
            parts: list[Any] = [buffer]
        elif self._floods and self._repeats:
            parts = self._places(buffer)
        else:
            parts = [buffer[:left], bytearray(len(self._between))]
        receive = self._receive_into
        assert receive is not None
        came = receive(parts) if self._wait is None else self._wait(lambda: receive(parts))
        count: int = came[0]
        if not count:
            raise IncompleteRead(b"", left)
        if count == left + len(self._between) and len(parts) > 1 and parts[1] == self._between:
            # All bytes are as expected.
            self._left, self._repeats, self._floods = self._size, True, len(parts) == 2
            return left
        return self._dealt(parts, count)

    def _places(self, buffer: memoryview) -> list[Any]:
        """Return the places for the kernel to put the payloads, and the bytes between them."""
        parts: list[Any] = []
        at, left = 0, self._left
        while at + left <= len(buffer) and len(parts) < _MOST_PARTS - 2:
            parts += (buffer[at : at + left], bytearray(len(self._between)))
            at, left = at + left, self._size
        if at < len(buffer):
            parts.append(buffer[at : at + left])
        return parts

    def _dealt(self, parts: list[Any], count: int) -> int:
        """Account for `count` bytes in `parts`; return how many of them are payload before a surprise."""
        given, between = 0, self._between
        for at in range(0, len(parts), 2):
            payload = min(count, len(parts[at]))
            given += payload
            count -= payload
            self._left -= payload
            if self._left:
                break
            self._in_chunk = True
            if not count:
                break
            aside = parts[at + 1]
            if count < len(between) or aside != between:
                # This is the end of the body, another size, an extension, or only a part of the line.
                self._raw = b"".join(parts[at + 1 :])[:count]
                self._decode()
                break
            count -= len(between)
            self._left, self._in_chunk = self._size, True
        return given

    def _decode(self) -> None:
        """Decode `_raw` into `_ready`, as far as possible."""
        pieces: list[bytes | memoryview] = []
        at = 0
        try:
            at = self._step_through(at, pieces, only_begun=True)
            if not self._in_chunk and not self.ended:
                at = self._split(at, pieces)
            at = self._step_through(at, pieces)
        except MalformedChunk as error:
            # The data before the error is good, and is given first.
            self._error = error
        self._raw = self._raw[at:]
        self._ready = b"".join(pieces)

    def _step_through(
        self, at: int, pieces: list[bytes | memoryview], *, only_begun: bool = False
    ) -> int:
        """Decode chunks one by one from `at` on, or only the rest of a begun chunk; return the position reached."""
        raw = self._raw
        view = memoryview(raw)
        while at < len(raw) and not self.ended:
            if self._left:
                piece = view[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
            elif self._in_chunk:
                if not raw.startswith(b"\r\n", at):
                    if raw[at:] == b"\r":
                        break
                    raise MalformedChunk("a chunk is longer than its size")
                self._in_chunk = False
                at += 2
            elif only_begun:
                break
            else:
                end = raw.find(b"\r\n", at, at + _LINE_LIMIT)
                if end < 0:
                    if len(raw) - at >= _LINE_LIMIT:
                        raise MalformedChunk(f"a size line of more than {_LINE_LIMIT} bytes")
                    break
                line = raw[at:end]
                size = _size(line)
                if size == 0:
                    return self._finish(raw, at, end + 2)
                at = end + 2
                self._begin_chunk(line, size)
        return at

    def _begin_chunk(self, line: bytes, size: int) -> None:
        """Record the size line of a chunk whose payload comes next."""
        if line != self._line:
            self._line, self._size, self._repeats = line, size, False
            self._between = b"\r\n%b\r\n" % line
        else:
            self._repeats = True
        self._left, self._in_chunk = size, True

    def _split(self, at: int, pieces: list[bytes | memoryview]) -> int:
        """Take all whole small chunks that a split at CRLF proves; return the position reached."""
        raw = self._raw
        first = raw.find(b"\r\n", at, at + _DIGIT_LIMIT)
        line = raw[at:first] if first > at else b""
        if not line or line.translate(None, _HEX):
            return at
        size = int(line, 16)
        if not 0 < size < _LARGE:
            return at
        if self._no_even_split:
            self._no_even_split -= 1
        else:
            # For chunks of one size: if a split at their size line gives pieces of that length, these are the payloads.
            even = raw[first + 2 :].split(b"\r\n%b\r\n" % line)
            rest = len(even.pop())
            if set(map(len, even)) == {size}:
                pieces.append(b"".join(even))
                self._begin_chunk(line, size)
                return len(raw) - rest
            self._no_even_split = _NO_SPLIT
        if self._no_split:
            self._no_split -= 1
            return at
        return self._split_uneven(at, pieces)

    def _split_uneven(self, at: int, pieces: list[bytes | memoryview]) -> int:
        parts = self._raw[at:].split(b"\r\n")
        count = (len(parts) - 1) // 2
        lines, payloads = parts[0 : 2 * count : 2], parts[1 : 2 * count : 2]
        if not payloads or not payloads[-1]:
            # The last chunk of a body has no payload; it is decoded chunk by chunk.
            count = max(count - 1, 0)
            lines, payloads = lines[:count], payloads[:count]
        if not count:
            return at
        different = set(lines)
        # Extensions, or a payload with a CRLF, show up as characters other than digits.
        if b"" not in different and not b"".join(different).translate(None, _HEX):
            sizes = {line: int(line, 16) for line in different}
            if all(payloads) and list(map(len, payloads)) == [sizes[line] for line in lines]:
                pieces.append(b"".join(payloads))
                return at + sum(map(len, lines)) + len(pieces[-1]) + 4 * count
        self._no_split = _NO_SPLIT
        return at

    def _finish(self, raw: bytes, start: int, at: int) -> int:
        """Skip the trailers; return where the body ended, or `start` if some trailers are still to come."""
        while True:
            end = raw.find(b"\r\n", at)
            if end < 0 or end - start > _TRAILER_LIMIT:
                if len(raw) - start > _TRAILER_LIMIT:
                    raise MalformedChunk(f"trailers of more than {_TRAILER_LIMIT} bytes")
                return start
            if end == at:
                self.ended = True
                return end + 2
            at = end + 2
