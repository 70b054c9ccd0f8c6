"""A parser for passing HTTP/1.1 messages: finds heads, chunks and the end of bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

Kind = Literal["interim", "head", "size", "data", "crlf", "end"]


class Part(NamedTuple):
    """A piece of a message, unchanged.

    `kind` is "head"; "size" for the line before a chunk, "crlf" for the line end after it; "data" for payload; "end"
    for the last bytes of a message (the last chunk, or the last byte of a body of known length), without which it is
    incomplete. "interim" is the head of a 1xx answer.
    """

    kind: Kind
    data: bytes


class Framing:
    """Splits a stream of messages into parts. Anything that is not HTTP/1.1 passes as "data".

    Args:
        answers: Whether the messages are answers, not requests.
        opaque: Whether all is data, for example an encrypted stream.
        bodiless: A function that is called at the head of each answer; it returns whether the request was a HEAD.
    """

    def __init__(
        self, *, answers: bool, opaque: bool, bodiless: Callable[[], bool] = lambda: False
    ) -> None:
        self._answers = answers
        self._bodiless = bodiless
        self._buffer = b""
        self._left = 0
        self._state: Callable[[], Part | None] = self._rest if opaque else self._head

    def feed(self, data: bytes) -> Iterator[Part]:
        """Yield the complete parts, and keep an incomplete one for the next call."""
        self._buffer += data
        while (part := self._state()) is not None:
            yield part

    def close(self) -> Iterator[Part]:
        """Yield the remaining data when the connection has ended."""
        if self._buffer:
            yield Part("data", self._taken(len(self._buffer)))
        if self._state == self._rest:
            yield Part("end", b"")

    def _taken(self, count: int) -> bytes:
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _head(self) -> Part | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *lines = self._buffer[:end].lower().split(b"\r\n")
        headers = dict(line.replace(b" ", b"").partition(b":")[::2] for line in lines)
        status = first.split()[1] if self._answers and len(first.split()) > 1 else b""
        if status.startswith(b"1") and status != b"101":
            return Part("interim", self._taken(end + 4))
        length = headers.get(b"content-length", b"")
        if status in (b"204", b"304") or (self._answers and self._bodiless()):
            self._state = self._nothing
        elif headers.get(b"transfer-encoding") == b"chunked":
            self._state = self._size
        elif length.isdigit() or (not self._answers and b"upgrade" not in headers):
            self._left = int(length or 0)
            self._state = self._fixed if self._left else self._nothing
        else:
            self._state = self._rest
        return Part("head", self._taken(end + 4))

    def _nothing(self) -> Part | None:
        self._state = self._head
        return Part("end", b"")

    def _rest(self) -> Part | None:
        return Part("data", self._taken(len(self._buffer))) if self._buffer else None

    def _fixed(self) -> Part | None:
        if not self._buffer:
            return None
        if self._left == 1:
            self._state = self._head
            return Part("end", self._taken(1))
        data = self._taken(self._left - 1)
        self._left -= len(data)
        return Part("data", data)

    def _size(self) -> Part | None:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        try:
            self._left = int(self._buffer[:end].partition(b";")[0], 16)
        except ValueError:
            self._state = self._rest
            return self._rest()
        if not self._left:
            self._state = self._trailers
            return self._trailers()
        self._state = self._chunk
        return Part("size", self._taken(end + 2))

    def _chunk(self) -> Part | None:
        if not self._buffer:
            return None
        data = self._taken(self._left)
        self._left -= len(data)
        if not self._left:
            self._state = self._crlf
        return Part("data", data)

    def _crlf(self) -> Part | None:
        if len(self._buffer) < 2:
            return None
        self._state = self._size
        return Part("crlf", self._taken(2))

    def _trailers(self) -> Part | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        self._state = self._head
        return Part("end", self._taken(end + 4))
