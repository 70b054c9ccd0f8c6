"""The chunked transfer coding (RFC 9112, 7.1), decoded as fast as Python can.

A program's every write is one small chunk on a hub's wire, so the usual body is millions of them. They are
taken apart by the hundred: where no payload holds a CRLF, splitting a whole buffer at CRLF gives size,
payload, size, payload... and the lengths of the payloads prove it. Everything else, a chunk at a time.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.client import HTTPException, IncompleteRead
from itertools import repeat
from typing import Any

RECV_SIZE = 262144
"""Bytes of one read from the network while chunks are small."""

_LARGE = 8192
"""From this many bytes on, a chunk is worth its own read into the reader's memory."""

_LINE_LIMIT = 4096
"""Bytes of a size line with its extensions, or of one trailer, before the body is taken for broken."""

_TRAILER_LIMIT = 65536
_TAIL = 64
"""Bytes read beyond the end of a large chunk: its CRLF and, most often, the next size line."""

_NO_SPLIT = 64
"""Buffers that are taken apart a chunk at a time after one that could not be split."""

_HEX = b"0123456789abcdefABCDEF"
_DIGIT_LIMIT = 16


class MalformedChunk(HTTPException):
    """What came is not a chunked body; http.client's kind of error, to be translated with its others."""


def _size(line: bytes) -> int:
    """Return the size that a chunk's first line says, without its extensions."""
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not digits or len(digits) > _DIGIT_LIMIT or digits.translate(None, _HEX):
        raise MalformedChunk(f"invalid chunk size {line[:40]!r}")
    return int(digits, 16)


class ChunkedBody:
    """A reader of one chunked body: `readinto` gives what has come, 0 at the end.

    Args:
        sock: The socket it comes from.
        wait: Called before each read, with the read to be done; for limits of time.
        begun: What has been read from the socket already.
    """

    def __init__(
        self,
        sock: socket.socket,
        wait: Callable[[Callable[[], Any]], Any],
        begun: bytes,
    ) -> None:
        self._sock = sock
        self._wait = wait
        self._scatters = type(sock) is socket.socket and hasattr(sock, "recvmsg_into")
        self._raw = begun  # not decoded yet
        self._ready = memoryview(b"")  # decoded, not given yet
        self._left = 0  # bytes of the present chunk that are still to come
        self._in_chunk = False  # whether the present chunk's CRLF is still to come
        self._tail = bytearray(_TAIL)
        self._no_split = 0  # how many buffers not to try to split: the last one could not be
        self._error: MalformedChunk | None = None
        self.ended = False

    def readinto(self, buffer: memoryview) -> int:
        """Read what has come into `buffer`, waiting for the first byte; 0 is the end of the body.

        Raises:
            IncompleteRead: The connection ended before the body did.
            MalformedChunk: What came is not a chunked body.
        """
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self.ended:
                return 0
            if not self._raw:
                if self._left >= _LARGE and self._scatters:
                    return self._read_large(buffer)
                self._raw = self._received(self._wait(lambda: self._sock.recv(RECV_SIZE)))
            self._decode()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _received(self, data: bytes) -> bytes:
        if not data:
            raise IncompleteRead(b"", self._left or None)
        return data

    def _read_large(self, buffer: memoryview) -> int:
        """Read from inside a large chunk into the reader's own memory, and what follows it aside."""
        part = buffer[: self._left]
        parts: list[Any] = [part, self._tail] if len(part) == self._left else [part]
        count: int = self._wait(lambda: self._sock.recvmsg_into(parts)[0])
        if not count:
            raise IncompleteRead(b"", self._left)
        if count > len(part):
            self._raw = bytes(self._tail[: count - len(part)])
            count = len(part)
        self._left -= count
        return count

    def _decode(self) -> None:
        """Take `_raw` apart, as far as it goes, into `_ready`."""
        pieces: list[bytes | memoryview] = []
        at = 0
        try:
            at = self._step_through(at, pieces, only_begun=True)
            if not self._in_chunk and not self.ended:
                at = self._split(at, pieces)
            at = self._step_through(at, pieces)
        except MalformedChunk as error:
            # What came before it is good, and given first.
            self._error = error
        rest = self._raw[at:]
        self._ready = memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if not self._ready and not self.ended and self._error is None:
            # Only a part of a line has come: whatever comes next belongs to it.
            rest += self._received(self._wait(lambda: self._sock.recv(RECV_SIZE)))
        self._raw = rest

    def _step_through(
        self, at: int, pieces: list[bytes | memoryview], *, only_begun: bool = False
    ) -> int:
        """Take chunks apart one by one from `at` on, or only the rest of a begun one; return how far."""
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
                    raise MalformedChunk(f"a chunk is longer than its size: {raw[at : at + 20]!r}")
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
                size = _size(raw[at:end])
                if size == 0:
                    return self._finish(raw, at, end + 2)
                at = end + 2
                self._left, self._in_chunk = size, True
        return at

    def _split(self, at: int, pieces: list[bytes | memoryview]) -> int:
        """Take as many whole small chunks as a split at CRLF proves to be there; return how far."""
        if self._no_split:
            self._no_split -= 1
            return at
        raw = self._raw
        first = raw.find(b"\r\n", at, at + _DIGIT_LIMIT)
        digits = raw[at:first] if first > at else b""
        if not digits or digits.translate(None, _HEX) or int(digits, 16) >= _LARGE:
            return at
        parts = raw[at:].split(b"\r\n")
        count = (len(parts) - 1) // 2
        sizes, payloads = parts[0 : 2 * count : 2], parts[1 : 2 * count : 2]
        if not payloads or not payloads[-1]:
            # The last chunk of a body has no payload, and ends it in the other way.
            count = max(count - 1, 0)
            sizes, payloads = sizes[:count], payloads[:count]
        if not count:
            return at
        # Extensions, or a payload that holds a CRLF, show as something else than digits.
        if (
            all(sizes)
            and not b"".join(sizes).translate(None, _HEX)
            and list(map(len, payloads)) == list(map(int, sizes, repeat(16)))
            and all(payloads)
        ):
            pieces.append(b"".join(payloads))
            return at + sum(map(len, sizes)) + len(pieces[-1]) + 4 * count
        self._no_split = _NO_SPLIT
        return at

    def _finish(self, raw: bytes, start: int, at: int) -> int:
        """Pass over the trailers; returns where the body ended, or `start` if they have not all come."""
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
