"""The raw end of an output stream: it reads data as it comes, and turns each kind of end into its own result."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import requests

from scramjet_client.errors import (
    InvalidResponseError,
    ScramjetError,
    StreamClosedError,
    StreamIdleError,
    StreamInterruptedError,
)
from scramjet_client.http.answers import check_coding, check_page, is_html
from scramjet_client.http.chunked import ChunkedBody
from scramjet_client.http.durations import seconds
from scramjet_client.http.exchange import READ_SIZE, Answer, Exchange, WaitEnded
from scramjet_client.http.failures import FOREIGN, is_timeout, quiet, root_text
from scramjet_client.http.interrupts import let_interrupts_pass

Opener = Callable[[], requests.Response]
"""Returns the answer to read; may wait for it. Raises the hub's refusal."""


def closed_here(name: str) -> StreamClosedError:
    """Return the error of a read from a stream that this side has closed."""
    return StreamClosedError(
        f"{name} was closed by this program, by close() or at the end of its with block"
    )


class AnswerReader(io.RawIOBase):
    """The raw end of a stream: each read gives the data that has come, and each kind of end has its own result."""

    # Slots lie together in memory, unlike io's dict: after a wait, each touched place in memory costs time.
    __slots__ = (
        "_at_end", "_body", "_direct", "_given_back", "_heard", "_opener", "_read", "_response",
        "broken", "bytes_read", "cut_short", "deferred", "defers", "exchange", "hint", "name", "on_end",
        "shut_here",
    )  # fmt: skip

    def __init__(self, name: str, exchange: Exchange, opener: Opener) -> None:
        self.name: str = name
        self.bytes_read: int = 0
        self._heard: Callable[[bytes], object] | None = None
        self.hint: Callable[[], str] | None = None
        """Returns what to do if the stream gives nothing, or "", for a user who interrupts a read."""
        self.on_end: Callable[[], object] | None = None
        """Called when everything has been read up to the end, if somebody wants to know."""
        self.broken: ScramjetError | None = None
        """The error that ended the stream; every read after the data that was given back raises it."""
        self.defers: bool = False
        """Whether `readinto` gives 0 in place of `broken`: io's methods forget their data if a raw read raises."""
        self.deferred: ScramjetError | None = None
        """The error in whose place `readinto` has given 0."""
        self.cut_short: bool = False
        """Whether this side has ended the stream, as a `timeout=` does: its last line may be a part of one."""
        self._direct = True
        self.exchange: Exchange = exchange
        self._opener = opener
        self._response: requests.Response | None = None
        self._read: Callable[[memoryview], int] | None = None
        self._body: ChunkedBody | None = None
        self._given_back: memoryview | None = None
        self._at_end = False
        self.shut_here: bool = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def hear(self, heard: Callable[[bytes], object]) -> None:
        """Have one more function called with a copy of all data from the hub."""
        before = self._heard
        self._heard = heard if before is None else lambda data: (before(data), heard(data))

    def give_back(self, data: bytes) -> None:
        """Have the next reads give `data` first; it was the last data read from here."""
        if data:
            self._given_back = memoryview(data + (self._given_back or b""))

    def readinto(self, buffer: Any) -> int | None:
        """Read the data that has come into `buffer`; 0 is the end, None means that nothing has come yet."""
        if self.shut_here:
            raise closed_here(self.name)
        if self._given_back:
            count = min(len(buffer), len(self._given_back))
            buffer[:count] = self._given_back[:count]
            self._given_back = self._given_back[count:] or None
            return count
        if self._at_end:
            return 0
        try:
            if self.broken is not None:
                raise self.broken
            count = (self._read or self._opened())(memoryview(buffer))
        except BlockingIOError:
            return None
        except Exception as error:
            try:
                self._failed(error)
            except ScramjetError as broken:
                if not self.defers or self.shut_here:
                    raise
                self.deferred = broken
                return 0
            count = 0
        self._came(count)
        if self._heard is not None:
            self._heard(bytes(memoryview(buffer)[:count]))
        return count

    def readall(self) -> Any:
        """Return the data up to the end; None means that nothing has come yet.

        io's own version reads into bytearrays and, from Python 3.15 on, shortens them. That fails while the traceback
        of an error that is kept for later still refers to one.
        """
        buffer = memoryview(bytearray(READ_SIZE))
        pieces = []
        while count := self.readinto(buffer):
            pieces.append(bytes(buffer[:count]))
        return b"".join(pieces) if pieces or count is not None else None

    def take(self) -> bytes | None:
        """Return the data that has come, without a buffer; b"" is the end, None asks for a `readinto`.

        Raises:
            BlockingIOError: Nothing has come, and reads never wait (`Exchange.begin_polling`).
        """
        if self._given_back is not None or self._body is None:
            return None
        if self.shut_here:
            raise closed_here(self.name)
        if self._at_end:
            return b""
        try:
            if self.broken is not None:
                raise self.broken
            data = self._body.take()
        except BlockingIOError:
            raise
        except Exception as error:
            self._failed(error)
            data = b""
        if data:
            self.bytes_read += len(data)
            if self._heard is not None:
                self._heard(data)
        elif data is not None:
            self._came(0)
        return data

    @property
    def at_end(self) -> bool:
        """Whether a read has come to the end."""
        return self._at_end

    @property
    def pending(self) -> bool:
        """Whether the next read may give data that no poll of the socket sees."""
        return self._body is None or self._given_back is not None or self._body.pending

    def _came(self, count: int) -> None:
        if self.shut_here:
            raise closed_here(self.name)
        if not count:
            self._at_end = True
            self.release()
            if self.on_end is not None and not self.cut_short:
                self.on_end()
        self.bytes_read += count

    def _failed(self, error: Exception) -> None:
        """Return if the exception of a read means the end of the stream; else raise the right error."""
        let_interrupts_pass(error)
        if error is self.broken:
            raise error
        if isinstance(error, WaitEnded):
            self.cut_short = True
            self.exchange.fail(error)
        elif isinstance(error, ScramjetError):
            if self.shut_here:
                # The answer had not begun, so its low-level error tells nothing new.
                raise self.ending(error) from error
            self.exchange.fail(error)
            self.broken = error
            raise error
        elif isinstance(error, (*FOREIGN, AttributeError, ValueError)):
            # http.client finds None in place of its connection if another thread closes it during the read.
            ended = self.ending(error)
            # That of an upload names what the source raised, which is why the connection was cut.
            raise ended from ended.__cause__ or quiet(error)
        else:
            raise error

    @property
    def live(self) -> bool:
        """Whether the answer has begun, and is read directly from the socket."""
        return self._read is not None and self._direct

    def open(self) -> None:
        """Wait for the answer if it has not begun; raises the hub's refusal."""
        if self._read is None:
            self._opened()

    def _opened(self) -> Callable[[memoryview], int]:
        response = self._response = self._opener()
        self.exchange.size_limit = None
        answer: Answer | None = self.exchange.answer
        if answer is None or check_coding(response):
            # This is a mock's answer, which has no socket below, or a proxy has compressed it unasked.
            self._read = _decoded(response)
            self._direct = False
        else:
            self._body = answer.chunked_body()
            self._read = answer.read_plain if self._body is None else self._body.readinto
        if is_html(response):
            self._read, self._body = _no_page(self._read, response), None
        if self.exchange.is_noise is not None:
            self.hear(self.exchange.came)
        return self._read

    def ending(self, error: BaseException) -> ScramjetError:
        """Return a foreign error as ours; the stream has ended."""
        self.release()
        after = f"after {self.bytes_read} bytes"
        failure = self.exchange.failure
        ending: ScramjetError
        if self.shut_here:
            ending = StreamClosedError(f"{self.name} was closed while it was read, {after}")
        elif isinstance(failure, ScramjetError):
            ending = failure
        elif is_timeout(error):
            ending = StreamIdleError(
                f"{self.name} {self._late()}, {after}; this stream is over, and a new one gives what comes next"
            )
        else:
            ending = StreamInterruptedError(f"{self.name} was cut {after}: {root_text(error)}")
        self.exchange.fail(ending)
        self.broken = ending
        return ending

    def _late(self) -> str:
        """Return the limit of a read that has passed, in words."""
        if self.exchange.overdue:
            return f"was not over within {self.exchange.overdue}"
        idle = self.exchange.idle_limit
        return "was silent for " + (
            "longer than its limit" if idle is None else f"{seconds(idle)} (idle_timeout)"
        )

    def release(self) -> None:
        """Give up the connection; it is not used again."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def interrupt(self) -> None:
        """Free a blocked reader at once: shut the socket before anything waits for that reader."""
        if not self.closed:
            self.shut_here = True
            self.exchange.abort()

    def close(self) -> None:
        """Shut the connection, and close."""
        if not self.closed:
            self.interrupt()
            self.release()
        super().close()


def _decoded(response: requests.Response) -> Callable[[memoryview], int]:
    """Return a reader of an answer through requests, which also reads mocks and what is compressed."""
    pieces = response.iter_content(READ_SIZE)
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


def _no_page(
    read: Callable[[memoryview], int], response: requests.Response
) -> Callable[[memoryview], int]:
    """Return a reading function that refuses a web page, given that of an answer."""
    begun = False

    def read_data(buffer: memoryview) -> int:
        nonlocal begun
        count = read(buffer)
        if not begun:
            begun = True
            try:
                check_page(
                    response, bytes(buffer[:count]).decode("utf-8", "replace"), "a hub's data"
                )
            except InvalidResponseError:
                response.close()
                raise
        return count

    return read_data
