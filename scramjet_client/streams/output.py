"""Output streams: live, file-like readers of an answer that is still coming.

A stream ends in one of these ways: `b""` is the hub's end of stream, or that of a `timeout=`; `StreamClosedError` means
that this side closed it, `StreamInterruptedError` that the connection broke, `StreamIdleError` that it was silent.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import io
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import requests

from scramjet_client._base import Closing, Live, printable, public, warn_aside
from scramjet_client._common.names import guessed
from scramjet_client._common.tracebacks import Shortening, shorten
from scramjet_client.errors import (
    InstanceFailedError,
    InvalidResponseError,
    LineTooLongError,
    ScramjetError,
    StreamBusyError,
    StreamError,
)
from scramjet_client.http.answers import loads
from scramjet_client.http.exchange import READ_SIZE, Exchange
from scramjet_client.models import GetEventResponse
from scramjet_client.streams.lines import LineSplitter
from scramjet_client.streams.reader import AnswerReader, Opener, closed_here
from scramjet_client.streams.targets import PieceTargetLike, piece_target

if TYPE_CHECKING:
    from scramjet_client.uploads.upload import Upload

_PIECE = READ_SIZE

_SHOWN = 80
"""Most characters that an error shows of a line that is not JSON."""

"""Bytes that a loop reads at once; at least the buffer's size, so that the buffer never keeps a part."""

_REMEMBERED = 128
"""Pieces of a begun line that are kept for an error: about 1 MB of what `io.TextIOWrapper` reads."""

_decode_json = json.JSONDecoder().raw_decode


def _refusal(method: str, wrong: str) -> TypeError:
    """Return the error for an argument with a name: reading methods have none, as those of any file."""
    limit = wrong in ("timeout", "idle_timeout", "seconds", "limit", "time_limit", "deadline")
    cure = (
        "give the limit where you open the stream: get_stream(..., idle_timeout=...) limits each wait for data, and "
        "timeout=... all of the reading"
        if limit
        else "it takes a number of bytes, without a name"
    )
    return TypeError(f"{method}() of a stream has no argument {wrong!r}; {cure}")


def _exclusive(method: Callable[..., Any]) -> Any:
    """Make a reading method refuse a second thread, and continue where a loop over lines stopped."""
    by_pieces = method is io.BufferedReader.read1

    @functools.wraps(method)
    def read(self: OutputStream, *args: Any, **named: Any) -> Any:
        if named:
            raise _refusal(method.__name__, next(iter(named)))
        try:
            self._begin(None)
            self._buffered = True
            reader = self._reader
            reader.defers = True
            try:
                got = method(self, *args)
                broken = reader.deferred
                if broken is not None:
                    reader.deferred = None
                    self._break(broken, got, args)
                elif by_pieces:
                    self._remember(got)
                elif self._given:
                    self._given.clear()
            finally:
                reader.defers = False
                self._turn.release()
            if broken is None and self._at_end is not None:
                self._look_for_end(got, method is io.BufferedReader.read, *args)
        except BaseException as error:
            self._explain(error)
            raise
        return got

    return read


@public
class OutputStream(Live, io.BufferedReader):
    """A live output of an instance or hub: a binary file that gives data as it comes.

    It is a real `io.BufferedReader`: iterate it for lines (`bytes`, with their newline), or use `read1`,
    `readline`, `readinto`, `peek`, `io.TextIOWrapper`, `csv.reader`, `shutil.copyfileobj`...
    `read(n)` waits for n bytes or the end, as on any file; `read1(n)` returns the available data.

    It holds its own connection until its end, `close()`, the end of a `with` block, an early exit from a `for`
    loop over it, or the loss of its last reference. To stop at some line and continue later, use `readline()` or
    `next(stream)`.

    Only one thread may read at a time. You may call `close()` from any thread; it frees a blocked reader.
    A slow reader holds the program back, through the hub, so memory stays bounded.

    An error loses no data: a begun line is in its `partial`. The next `readline` or `read` gives that line too, as at
    the end of a file. The read after that raises the error again.

    Attributes:
        upload: The `Upload` that feeds the other side of an `inout`, else None.

    Raises (from every way of reading):
        StreamClosedError: This side closed it during the read; later reads raise ValueError.
        StreamInterruptedError: The connection broke before the end.
        StreamIdleError: Nothing came for `idle_timeout` seconds.
        StreamBusyError: Another thread is reading it.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "lines()": "iter_lines read_lines splitlines",
            "text()": "decode iter_text read_text",
            "records()": "iter_json iter_records json json_lines",
            "chunks()": "iter_bytes iter_chunks iter_content stream",
            "pipe_to(target)": "copy copy_to pipe save write_to",
            "read()": "content get read_all receive recv",
            "close()": "cancel stop",
        }
    )

    upload: Upload[Any] | None = None
    # For the same reason as in its reader.
    __slots__ = (
        "_ahead", "_at_end", "_buffered", "_given", "_on_close", "_raised", "_reader", "_turn",
    )  # fmt: skip

    def __init__(self, name: str, exchange: Exchange, opener: Opener) -> None:
        self._reader = AnswerReader(name, exchange, opener)
        # Held during each read, by the reading thread.
        self._turn = threading.Lock()
        # The splitter of the loop over lines, if that loop was the last reader.
        self._ahead: LineSplitter | None = None
        # Whether io's buffer may hold data; a loop bypasses the buffer if it is empty.
        self._buffered = False
        # The begun line as far as `read1` has given it: io.TextIOWrapper forgets it if the next read raises.
        self._given: deque[bytes] = deque(maxlen=_REMEMBERED)
        # Whether a read has raised the error that ended the stream; from then on, data comes before the error.
        self._raised = False
        self._on_close: Callable[[], object] | None = None
        # Called once at the end of the stream, when all data was given; may raise.
        self._at_end: Callable[[], object] | None = None
        super().__init__(self._reader, READ_SIZE)

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.bytes_read} bytes read"
        return f"<OutputStream {self._reader.name}: {state}>"

    @property
    def bytes_read(self) -> int:
        """Bytes that came from the hub so far, including those still in the buffer."""
        return self._reader.bytes_read

    def __enter__(self) -> OutputStream:
        return self

    def __exit__(self, kind: object = None, *_error: object) -> None:
        upload = self.upload
        over = kind is not None or self.closed or self._reader.at_end or self._reader.broken
        if not (over or upload is None or upload.done() or upload.writer.is_idle()):
            warn_aside(
                f"the upload to {upload.name} is cut after {upload.bytes_sent} bytes: the block of its inout ended,"
                " and does not wait; upload.result() in it does, and close() cuts without this warning",
                UserWarning,
            )
        self.close()

    if not TYPE_CHECKING:  # their types are those of the base class
        read = _exclusive(io.BufferedReader.read)
        read1 = _exclusive(io.BufferedReader.read1)
        readinto = _exclusive(io.BufferedReader.readinto)
        readinto1 = _exclusive(io.BufferedReader.readinto1)
        readline = _exclusive(io.BufferedReader.readline)
        peek = _exclusive(io.BufferedReader.peek)

    def _explain(self, error: BaseException) -> None:
        """Shorten the traceback of an error, and add to Ctrl-C what to do about a stream that gives nothing."""
        shorten(error)
        if not isinstance(error, KeyboardInterrupt) or self._reader.hint is None:
            return
        said = self._reader.hint()
        if said and hasattr(error, "add_note"):
            error.add_note(said)

    def _remember(self, data: bytes) -> None:
        """Keep the beginning of a line that `read1` gives."""
        end = data.rfind(b"\n") + 1
        if end:
            self._given.clear()
        if end < len(data):
            self._given.append(data[end:] if end else data)

    def _break(self, error: ScramjetError, got: Any, args: tuple[Any, ...]) -> None:
        """Raise the error that a reading method has met, unless the method gives data that came before it."""
        data = bytes(memoryview(args[0]).cast("B")[:got]) if isinstance(got, int) else got
        if data and self._raised:
            return
        self._reader.give_back(data)
        self._raise(error, data or b"".join(self._given))

    def _raise(self, error: ScramjetError, partial: bytes) -> NoReturn:
        """Raise the error that ended the stream; its first raise tells which data had come before it."""
        if not self._raised and isinstance(error, StreamError):
            error.partial = partial
        self._raised = True
        raise error

    def _look_for_end(self, got: Any, whole: bool, size: Any = None, *_: Any) -> None:
        """Check the end if a reading method has come to it; `whole` says whether that method is `read`."""
        if whole and (size is None or size < 0):
            try:
                self._ended()
            except InstanceFailedError as error:
                error.output = got
                raise
        elif not got and size != 0 and (not hasattr(size, "__len__") or len(size)):
            self._ended()

    def _ended(self) -> None:
        """Call `_at_end` once; it may raise an error."""
        ask, self._at_end = self._at_end, None
        if ask is not None:
            ask()

    def _begin(self, ahead: LineSplitter | None) -> None:
        """Begin to read, for the loop that owns `ahead`, if any; from now on `_turn` is held."""
        if not self._turn.acquire(blocking=False):
            raise StreamBusyError(
                f"{self._reader.name} is being read already, and one may read at a time"
            )
        if self._ahead is not ahead:
            if self._ahead is not None:
                # A loop leaves the buffer empty, so this data comes next.
                self._reader.give_back(self._ahead.take_back())
            self._ahead = ahead

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self._batches())

    def lines(self, limit: int | None = None) -> Iterator[bytes]:
        r"""Yield the lines without their b"\n" or b"\r\n"; lines end only at b"\n".

        Args:
            limit: Most bytes of a line without its end. None is no limit; a line that never ends then fills the
                memory.

        Raises:
            LineTooLongError: A line has more than `limit` bytes. The lines before it have been given, and the
                stream is closed.
        """
        return chain.from_iterable(self._batches(keep_ends=False, limit=limit))

    def _batches(
        self, *, keep_ends: bool = True, limit: int | None = None
    ) -> Iterator[Iterable[bytes]]:
        """Yield the lines that come together as one iterator, which gives them at C speed."""
        splitter = LineSplitter(self._reader.name, keep_ends=keep_ends, limit=limit)
        broken: ScramjetError | None = None
        with _Loop(self):
            while True:
                try:
                    data = self._piece(splitter)
                except ScramjetError as error:
                    if not self._reader.broken:
                        raise
                    if not self._raised:
                        self._raise(error, splitter.begun)
                    broken, data = error, b""
                if not data:
                    break
                yield self._closing_at_error(splitter, data) if limit else splitter.split(data)
            last = splitter.last()
            if last:
                yield (last,)
            if broken is not None:
                raise broken
            self._ended()

    def _closing_at_error(self, splitter: LineSplitter, data: bytes) -> Iterator[bytes]:
        try:
            yield from splitter.split(data)
        except LineTooLongError:
            self.close()
            raise

    def chunks(self) -> Iterator[bytes]:
        """Yield data as it comes; the boundaries mean nothing."""
        with _Loop(self):
            yield from iter(partial(self._piece, None), b"")
            self._ended()

    def _piece(self, ahead: LineSplitter | None) -> bytes:
        self._begin(ahead)
        try:
            if not self._buffered:
                data = self._reader.take()
                if data is not None:
                    return data
            # This is more than the buffer holds, so that nothing stays in it.
            data = super().read1(_PIECE)
            self._buffered = False
            return data
        except KeyboardInterrupt as interrupt:
            self._explain(interrupt)
            raise
        finally:
            self._turn.release()

    def text(self, encoding: str = "utf-8", errors: str = "replace") -> Iterator[str]:
        """Yield data as text as it comes; characters split over chunks are joined."""
        decoder = codecs.getincrementaldecoder(encoding)(errors)
        codecs.lookup_error(errors)
        with _Loop(self):
            while True:
                try:
                    chunk = self._piece(None)
                except ScramjetError as error:
                    if not self._reader.broken:
                        raise
                    # A part of a character.
                    begun = decoder.getstate()[0]
                    self._reader.give_back(begun)
                    self._raise(error, begun)
                if not chunk:
                    break
                piece = decoder.decode(chunk)
                if piece:
                    yield piece
            self._ended()
        rest = decoder.decode(b"", final=True)
        if rest:
            yield rest

    def records(self, limit: int | None = None) -> Iterator[Any]:
        """Yield the JSON value of each line, skipping blank lines, and a last line that a `timeout=` has cut.

        Args:
            limit: Most bytes of a line, as in `lines`.

        Raises:
            InvalidResponseError: A line is not JSON; `.body` is that line.
            LineTooLongError: As in `lines`.
        """
        with Shortening():
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
                elif line.strip() and not self._reader.cut_short:
                    yield json_line(line, self._reader.name)

    def pipe_to(self, target: PieceTargetLike) -> int:
        """Copy everything until the end to a file, a path, a callable or the terminal; return the bytes copied.

        The targets are those of `InstanceClient.follow`. A binary file gets the bytes as they come; a text file gets
        text, decoded from UTF-8; True is this program's stdout. A callable gets pieces of bytes, or lines if it is for
        text, as `print` is. A log is shown to people as time, level and text. A file stays open, and is flushed after
        each piece.

        The file of a path keeps what it holds until the first data, or the end, replaces it.

        Raises:
            TypeError, ValueError: The target can't be written to, or is a file that was sent to the same program;
                raised before anything is read.
            OSError: The file can't be opened, which shows before anything is read, or can't be written.
        """
        copied = 0
        with piece_target(target, "target", self._reader.name) as taker:
            for chunk in self.chunks():
                taker.write(chunk)
                copied += len(chunk)
            taker.finish()
        return copied

    def close(self) -> None:
        """Close the connection, from any thread and as often as you like; this cancels an unfinished `upload`."""
        # Set first, so that a reader on another thread reports the close and not the cancelled upload.
        self._reader.shut_here = True
        if self.upload is not None:
            self.upload.cancel()
        self._reader.interrupt()
        if self._on_close is not None:
            self._on_close()
        try:
            super().close()
        except RuntimeError:
            # Its reader is another greenlet of this thread, which the file itself takes for the closing one.
            self._reader.close()


# -- for the rest of the package ------------------------------------------------------------------


def opened(name: str, exchange: Exchange, response: requests.Response) -> OutputStream:
    """Return the stream of an answer whose head has come; a close before the first read knows its connection."""
    stream = OutputStream(name, exchange, lambda: response)
    stream._reader.open()
    return stream


def prepend(stream: OutputStream, data: bytes) -> None:
    """Have a stream begin with data that was read before."""
    stream._reader.give_back(data)


def check_at_end(stream: OutputStream, check: Callable[[], object]) -> None:
    """Have a stream call a function once, when all its data was given; it may raise."""
    stream._at_end = check


def on_end(stream: OutputStream, told: Callable[[], object]) -> None:
    """Have a stream call a function when it has been read to its end."""
    stream._reader.on_end = told


def is_read(stream: OutputStream) -> bool:
    """Return whether a thread is reading the stream now."""
    return stream._turn.locked()


def advise(stream: OutputStream, hint: Callable[[], str]) -> None:
    """Have a stream add a hint to Ctrl-C during a read: what to do if it gives nothing, or ""."""
    stream._reader.hint = hint


def overhear(stream: OutputStream, heard: Callable[[bytes], object]) -> None:
    """Have a stream give a function a copy of all data from the hub."""
    stream._reader.hear(heard)


def lend(stream: OutputStream, on_close: Callable[[], object]) -> AnswerReader:
    """Take a stream from its readers until `reclaim`, and return what it reads from.

    If somebody closes it in the meantime, `on_close` is called.
    """
    stream._begin(None)
    stream._on_close = on_close
    return stream._reader


def reclaim(stream: OutputStream, unread: bytes = b"") -> None:
    """Give a lent stream back to its readers; it goes on with what was read and not used."""
    stream._reader.give_back(unread)
    stream._on_close = None
    stream._turn.release()


@public
class EventStream(Closing):
    """The events of one name, as they come: iterate it for `GetEventResponse`s.

    It ends when the instance has ended. It holds a connection until `close()`, the end of a `with` block, or the
    loss of its last reference. The attribute `raw` is the `OutputStream` below, with one JSON document a line.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "close()": "cancel stop unsubscribe",
            "raw.readline(), or next(stream)": "get next next_event read readline recv",
        }
    )

    event_name: str
    raw: OutputStream

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
        """Stop listening; you may call this from any thread."""
        self.raw.close()


class _Loop(Shortening):
    """Closes a stream if the loop inside is left early, and raises the right error if the stream was closed."""

    __slots__ = ("_stream",)

    def __init__(self, stream: OutputStream) -> None:
        self._stream = stream

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, GeneratorExit):
            self._stream.close()
        if (
            isinstance(error, ValueError)
            and not isinstance(error, ScramjetError)
            and self._stream.closed
        ):
            raise closed_here(self._stream._reader.name) from None
        super().__exit__(kind, error, trace)


def arrived(stream: OutputStream, most: int) -> bytes:
    """Return the data that has come and was not read, without waiting; the stream is only good for `close` then.

    It stops after `most` bytes: a hub that goes on sending would go on for ever.
    """
    stream._begin(None)
    taken = []
    try:
        stream._reader.exchange.begin_polling()
        with contextlib.suppress(ScramjetError, ValueError):
            while most > 0 and (piece := io.BufferedReader.read1(stream, _PIECE)):
                taken.append(piece)
                most -= len(piece)
    finally:
        stream._turn.release()
    return b"".join(taken)


def json_line(line: bytes, name: str) -> Any:
    """Return the JSON value of one line.

    Raises:
        InvalidResponseError: The line is not JSON; `.body` is the line.
    """
    try:
        return loads(line, nan=True)
    except ValueError as error:
        text = line.decode("utf-8", "replace")
        shown = printable(repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."))
        raise InvalidResponseError(
            f"a line of {name} is not JSON: {shown} ({error})", body=text
        ) from error
