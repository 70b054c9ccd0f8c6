"""Output streams: live, file-like readers over an answer that is still coming.

A stream ends in one of three ways, which are never confused: `b""` is the hub's end of stream,
`StreamClosedError` means that this side closed it, `StreamInterruptedError` that the connection broke.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import requests

from scramjet_client._exchange import READ_SIZE, Answer, Exchange, WaitEnded
from scramjet_client._handle import Closing
from scramjet_client.errors import (
    FOREIGN,
    InvalidResponseError,
    ScramjetError,
    StreamClosedError,
    StreamIdleError,
    StreamInterruptedError,
    is_timeout,
    root_text,
)
from scramjet_client.models import GetEventResponse

if TYPE_CHECKING:
    from scramjet_client.uploads import Upload

Opener = Callable[[], requests.Response]
"""Gives the answer to read; may wait for it. Raises the hub's refusal."""


class _AnswerReader(io.RawIOBase):
    """The raw end of a stream: each read gives what has come, and every ending has its own shape."""

    def __init__(self, name: str, exchange: Exchange, opener: Opener) -> None:
        self.name = name
        self.bytes_read = 0
        self._exchange = exchange
        self._opener = opener
        self._response: requests.Response | None = None
        self._read: Callable[[memoryview], int] | None = None
        self._at_end = False
        self.shut_here = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.shut_here:
            raise StreamClosedError(f"{self.name} was closed")
        if self._at_end:
            return 0
        try:
            count = self._open()(memoryview(buffer))
        except WaitEnded as ended:
            count = 0
            self._exchange.fail(ended)
        except ScramjetError as error:
            self._exchange.fail(error)
            raise
        except (*FOREIGN, AttributeError, ValueError) as error:
            # http.client meets a None where its connection was a moment ago when it is closed below it.
            raise self._ending(error) from error
        if self.shut_here:
            raise StreamClosedError(f"{self.name} was closed")
        if not count:
            self._at_end = True
            self.release()
        self.bytes_read += count
        return count

    def _open(self) -> Callable[[memoryview], int]:
        if self._read is None:
            response = self._response = self._opener()
            answer: Answer | None = self._exchange.answer
            if answer is None or response.headers.get("Content-Encoding", "identity") != "identity":
                # A mocked answer, which has no socket below, or a proxy that compresses unasked.
                self._read = _decoded(response)
            else:
                self._read = answer.read_live
        return self._read

    def _ending(self, error: BaseException) -> ScramjetError:
        self.release()
        after = f"after {self.bytes_read} bytes"
        failure = self._exchange.failure
        ending: ScramjetError
        if isinstance(failure, ScramjetError):
            ending = failure
        elif self.shut_here:
            ending = StreamClosedError(f"{self.name} was closed while it was read, {after}")
        elif is_timeout(error):
            ending = StreamIdleError(f"{self.name} was silent for longer than its limit, {after}")
        else:
            ending = StreamInterruptedError(f"{self.name} was cut {after}: {root_text(error)}")
        self._exchange.fail(ending)
        return ending

    def release(self) -> None:
        """Give the connection up; it is not used again."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def interrupt(self) -> None:
        """Free a blocked reader at once: the socket is shut before anything waits for that reader."""
        if not self.closed:
            self.shut_here = True
            self._exchange.abort()

    def close(self) -> None:
        if not self.closed:
            self.interrupt()
            self.release()
        super().close()


def _decoded(response: requests.Response) -> Callable[[memoryview], int]:
    """Return a reader of an answer by way of urllib3, which undoes compression."""
    pieces = response.raw.stream(READ_SIZE, decode_content=True)
    held = memoryview(b"")

    def read(buffer: memoryview) -> int:
        nonlocal held
        while not held:
            piece = next(pieces, None)
            if piece is None:
                return 0
            held = memoryview(piece)
        count = min(len(held), len(buffer))
        buffer[:count] = held[:count]
        held = held[count:]
        return count

    return read


class OutputStream(io.BufferedReader):
    """A live output of an instance or hub: a binary file that gives what has come.

    It is a real `io.BufferedReader`: iterate it for lines (`bytes`, with their newline), or use `read1`,
    `readline`, `readinto`, `peek`, `io.TextIOWrapper`, `csv.reader`, `shutil.copyfileobj`...
    `read(n)` waits for n bytes or the end, as on any file; `read1(n)` gives what is there.

    It holds a connection of its own until its end, `close()`, the end of a `with` block, leaving a `for`
    loop over it early, or the loss of its last reference. To stop at some line and go on later, use
    `readline()` or `next(stream)`.

    Only one thread may read; `close()` may be called from any thread and frees a blocked reader.
    A slow reader holds the program back, through the hub; memory stays bounded.

    Attributes:
        upload: The `Upload` that feeds the other side of an `inout`, else None.

    Raises (from every way of reading):
        StreamClosedError: It was closed on this side during the read; later reads raise ValueError.
        StreamInterruptedError: The connection broke before the end.
        StreamIdleError: Nothing came for `idle_timeout` seconds.
    """

    upload: Upload[Any] | None = None

    def __init__(self, name: str, exchange: Exchange, opener: Opener) -> None:
        self._reader = _AnswerReader(name, exchange, opener)
        super().__init__(self._reader, READ_SIZE)

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.bytes_read} bytes read"
        return f"<OutputStream {self._reader.name}: {state}>"

    @property
    def bytes_read(self) -> int:
        """Bytes that came from the hub so far, those still in the buffer included."""
        return self._reader.bytes_read

    def __enter__(self) -> OutputStream:
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self._guarded(iter(super().readline, b""))

    def lines(self) -> Iterator[bytes]:
        r"""Yield the lines without their b"\n" or b"\r\n"; split at b"\n" alone."""
        for line in self:
            yield line[:-2] if line.endswith(b"\r\n") else line.rstrip(b"\n")

    def chunks(self) -> Iterator[bytes]:
        """Yield what comes as it comes; the boundaries mean nothing."""
        return self._guarded(iter(partial(super().read1, READ_SIZE), b""))

    def _guarded(self, items: Iterator[bytes]) -> Iterator[bytes]:
        """Pass items on at C speed; close when the loop is left early, name the end where it was closed."""
        try:
            yield from items
        except GeneratorExit:
            self.close()
            raise
        except StreamClosedError:
            raise
        except ValueError:
            if self.closed:
                raise StreamClosedError(f"{self._reader.name} was closed") from None
            raise

    def text(self, encoding: str = "utf-8", errors: str = "replace") -> Iterator[str]:
        """Yield what comes as text; characters split over chunks are joined."""
        decoder = codecs.getincrementaldecoder(encoding)(errors)
        for chunk in self.chunks():
            piece = decoder.decode(chunk)
            if piece:
                yield piece
        rest = decoder.decode(b"", final=True)
        if rest:
            yield rest

    def records(self) -> Iterator[Any]:
        """Yield the JSON value of each line, skipping blank lines.

        Raises:
            InvalidResponseError: A line is not JSON; `.body` is that line.
        """
        return (json_line(line, self._reader.name) for line in self if line.strip())

    def pipe_to(self, target: BinaryIO | str | Path | Callable[[bytes], object]) -> int:
        """Send everything until the end to a binary file, a path or a callable; return the bytes copied.

        A file is left open; each piece is flushed when it has come.
        """
        if isinstance(target, (str, Path)):
            with Path(target).open("wb") as file:
                return self.pipe_to(file)
        write = target if callable(target) else target.write
        flush = getattr(target, "flush", None)
        copied = 0
        for chunk in self.chunks():
            write(chunk)
            copied += len(chunk)
            if flush is not None:
                flush()
        return copied

    def close(self) -> None:
        """Close the connection, from any thread and as often as you like; an unfinished `upload` is cancelled."""
        if self.upload is not None:
            self.upload.cancel()
        self._reader.interrupt()
        super().close()


class EventStream(Closing):
    """The events of one name, as they come: iterate it for `GetEventResponse`s.

    Ends when the instance has ended. Holds a connection until `close()`, the end of a `with` block, or the
    loss of its last reference. Attribute `raw` is the `OutputStream` below, one JSON document a line.
    """

    def __init__(
        self, event_name: str, raw: OutputStream, parse: Callable[[Any], GetEventResponse]
    ) -> None:
        self.event_name = event_name
        self.raw = raw
        self._parse = parse

    def __repr__(self) -> str:
        return f"<EventStream {self.event_name!r} on {self.raw!r}>"

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> GetEventResponse:
        while True:
            line = self.raw.readline()
            if not line:
                raise StopIteration
            if line.strip():
                return self._parse(json_line(line, self.raw.name))

    def close(self) -> None:
        """Stop listening; from any thread."""
        self.raw.close()


def json_line(line: bytes, name: str) -> Any:
    """Return the JSON value of one line.

    Raises:
        InvalidResponseError: It is not JSON; `.body` is the line.
    """
    try:
        return json.loads(line)
    except ValueError as error:
        raise InvalidResponseError(
            f"a line of {name} is not JSON: {error}", body=line.decode("utf-8", "replace")
        ) from error


def now() -> str:
    """Return the present time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
