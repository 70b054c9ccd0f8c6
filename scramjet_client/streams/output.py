"""Output streams: live, file-like readers over an answer that is still coming.

A stream ends in one of three ways, which are never confused: `b""` is the hub's end of stream,
`StreamClosedError` means that this side closed it, `StreamInterruptedError` that the connection broke.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from scramjet_client._base import Closing, Live, public
from scramjet_client.errors import (
    InstanceFailedError,
    InvalidResponseError,
    LineTooLongError,
    ScramjetError,
    StreamBusyError,
    StreamClosedError,
)
from scramjet_client.http.answers import loads
from scramjet_client.http.exchange import READ_SIZE, Exchange
from scramjet_client.models import GetEventResponse
from scramjet_client.streams.lines import LineSplitter
from scramjet_client.streams.reader import AnswerReader, Opener
from scramjet_client.streams.targets import PieceTargetLike, piece_target

if TYPE_CHECKING:
    from scramjet_client.uploads.upload import Upload

_PIECE = READ_SIZE
"""Bytes that a loop takes at once; not less than the buffer holds, so that it never leaves a part there."""

_decode_json = json.JSONDecoder().raw_decode
_without_last = itemgetter(slice(None, -1))


def _exclusive(method: Callable[..., Any]) -> Any:
    """Make a way of reading refuse a second thread, and go on where a loop over lines stopped."""

    @functools.wraps(method)
    def read(self: OutputStream, *args: Any) -> Any:
        self._begin(None)
        self._buffered = True
        try:
            got = method(self, *args)
        finally:
            self._turn.release()
        if self._at_end is not None:
            self._look_for_end(got, method is io.BufferedReader.read, *args)
        return got

    return read


@public
class OutputStream(Live, io.BufferedReader):
    """A live output of an instance or hub: a binary file that gives what has come.

    It is a real `io.BufferedReader`: iterate it for lines (`bytes`, with their newline), or use `read1`,
    `readline`, `readinto`, `peek`, `io.TextIOWrapper`, `csv.reader`, `shutil.copyfileobj`...
    `read(n)` waits for n bytes or the end, as on any file; `read1(n)` gives what is there.

    It holds a connection of its own until its end, `close()`, the end of a `with` block, leaving a `for`
    loop over it early, or the loss of its last reference. To stop at some line and go on later, use
    `readline()` or `next(stream)`.

    One thread may read at a time; `close()` may be called from any thread and frees a blocked reader.
    A slow reader holds the program back, through the hub; memory stays bounded.

    Attributes:
        upload: The `Upload` that feeds the other side of an `inout`, else None.

    Raises (from every way of reading):
        StreamClosedError: It was closed on this side during the read; later reads raise ValueError.
        StreamInterruptedError: The connection broke before the end.
        StreamIdleError: Nothing came for `idle_timeout` seconds.
        StreamBusyError: Another thread is waiting in a read of it.
    """

    upload: Upload[Any] | None = None
    # Like those of its reader.
    __slots__ = ("_ahead", "_at_end", "_buffered", "_on_close", "_reader", "_turn")

    def __init__(self, name: str, exchange: Exchange, opener: Opener) -> None:
        self._reader = AnswerReader(name, exchange, opener)
        # Held during each read, by whoever reads.
        self._turn = threading.Lock()
        # Of the loop over lines that read last, if that was the last to read.
        self._ahead: LineSplitter | None = None
        # Whether io's buffer may hold something; a loop reads past it where it holds nothing.
        self._buffered = False
        self._on_close: Callable[[], object] | None = None
        # Asked once at the end of the stream, when all was given; may raise.
        self._at_end: Callable[[], object] | None = None
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

    if not TYPE_CHECKING:  # their types are those of the base class
        read = _exclusive(io.BufferedReader.read)
        read1 = _exclusive(io.BufferedReader.read1)
        readinto = _exclusive(io.BufferedReader.readinto)
        readinto1 = _exclusive(io.BufferedReader.readinto1)
        readline = _exclusive(io.BufferedReader.readline)
        peek = _exclusive(io.BufferedReader.peek)

    def _look_for_end(self, got: Any, whole: bool, size: Any = None, *_: Any) -> None:
        """Ask what the end means if a way of reading has come to it; `whole` is whether `read` is that way."""
        if whole and (size is None or size < 0):
            try:
                self._ended()
            except InstanceFailedError as error:
                error.output = got
                raise
        elif not got and size != 0 and (not hasattr(size, "__len__") or len(size)):
            self._ended()

    def _ended(self) -> None:
        """Ask once what the end of the stream means; raises it."""
        ask, self._at_end = self._at_end, None
        if ask is not None:
            ask()

    def _begin(self, ahead: LineSplitter | None) -> None:
        """Begin to read, on behalf of the loop that `ahead` belongs to, if any; `_turn` is held from now on."""
        if not self._turn.acquire(blocking=False):
            raise StreamBusyError(
                f"{self._reader.name} is being read already, and one may read at a time"
            )
        if self._ahead is not ahead:
            if self._ahead is not None:
                # A loop leaves the buffer empty, so this is what comes next.
                self._reader.give_back(self._ahead.take_back())
            self._ahead = ahead

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self._batches())

    def lines(self, limit: int | None = None) -> Iterator[bytes]:
        r"""Yield the lines without their b"\n" or b"\r\n"; split at b"\n" alone.

        Args:
            limit: Bytes that a line may have without its end; None is no limit, so that a line that never ends
                fills the memory.

        Raises:
            LineTooLongError: A line has more than `limit` bytes; those before it have been given, and the
                stream is closed.
        """
        return chain.from_iterable(self._batches(keep_ends=False, limit=limit))

    def _batches(
        self, *, keep_ends: bool = True, limit: int | None = None
    ) -> Iterator[Iterable[bytes]]:
        """Yield the lines that come together as one iterator, which gives them at C speed."""
        splitter = LineSplitter(self._reader.name, keep_ends=keep_ends, limit=limit)
        with self._loop():
            while data := self._piece(splitter):
                yield self._closing_at_error(splitter, data) if limit else splitter.split(data)
            last = splitter.last()
            if last:
                yield (last,)
            self._ended()

    def _closing_at_error(self, splitter: LineSplitter, data: bytes) -> Iterator[bytes]:
        try:
            yield from splitter.split(data)
        except LineTooLongError:
            self.close()
            raise

    def chunks(self) -> Iterator[bytes]:
        """Yield what comes as it comes; the boundaries mean nothing."""
        with self._loop():
            yield from iter(partial(self._piece, None), b"")
            self._ended()

    @contextlib.contextmanager
    def _loop(self) -> Iterator[None]:
        """Close when the loop inside is left early, name the end where the stream was closed."""
        try:
            yield
        except GeneratorExit:
            self.close()
            raise
        except ScramjetError:
            raise
        except ValueError:
            if self.closed:
                raise StreamClosedError(f"{self._reader.name} was closed") from None
            raise

    def _piece(self, ahead: LineSplitter | None) -> bytes:
        self._begin(ahead)
        try:
            if not self._buffered:
                data = self._reader.take()
                if data is not None:
                    return data
            # Of more than the buffer holds, so that nothing is left in it.
            data = super().read1(_PIECE)
            self._buffered = False
            return data
        finally:
            self._turn.release()

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

    def records(self, limit: int | None = None) -> Iterator[Any]:
        """Yield the JSON value of each line, skipping blank lines.

        Args:
            limit: Bytes that a line may have, as in `lines`.

        Raises:
            InvalidResponseError: A line is not JSON; `.body` is that line.
            LineTooLongError: As in `lines`.
        """
        for line in self.lines(limit):
            try:
                text = line.decode()
                value, end = _decode_json(text)
            except (ValueError, RecursionError):
                whole = False
            else:
                whole = end == len(text)
            if whole:
                yield value
            elif line.strip():
                yield json_line(line, self._reader.name)

    def pipe_to(self, target: PieceTargetLike) -> int:
        """Send everything until the end to a file, a path, a callable or the terminal; return the bytes copied.

        What `InstanceClient.follow` takes is taken here: a binary file is given the bytes as they come, a text file
        text, decoded from UTF-8; True is this program's stdout. A callable is given pieces of bytes, and lines where
        it is for text, as `print` is. A log is shown to people as time, level and text. A file is left open; each
        piece is flushed when it has come.

        Raises:
            TypeError, ValueError: It can't be written to; before anything is read.
        """
        copied = 0
        with piece_target(target, "target", log=self._reader.name.startswith("log of")) as taker:
            for chunk in self.chunks():
                taker.write(chunk)
                copied += len(chunk)
            taker.finish()
        return copied

    def close(self) -> None:
        """Close the connection, from any thread and as often as you like; an unfinished `upload` is cancelled."""
        # First, so that a reader on another thread hears of the close and not of the cancelled upload.
        self._reader.shut_here = True
        if self.upload is not None:
            self.upload.cancel()
        self._reader.interrupt()
        if self._on_close is not None:
            self._on_close()
        try:
            super().close()
        except RuntimeError:
            # Its reader is another greenlet of this thread, which the file itself takes for the same one.
            self._reader.close()


@public
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
        return loads(line, nan=True)
    except ValueError as error:
        raise InvalidResponseError(
            f"a line of {name} is not JSON: {error}", body=line.decode("utf-8", "replace")
        ) from error


def now() -> str:
    """Return the present time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
