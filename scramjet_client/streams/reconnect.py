"""Streams that reopen after a broken connection, and report what may have been lost."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from scramjet_client._base import Closing, Shown, callers_level, public
from scramjet_client._common.checks import checked
from scramjet_client._common.clock import monotonic
from scramjet_client._common.tracebacks import Shortening
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    NotFoundError,
    ScramjetError,
    ServerError,
    StreamError,
    StreamIdleError,
    StreamInterruptedError,
)
from scramjet_client.http.durations import LONGEST_WAIT, Duration, duration
from scramjet_client.http.exchange import Exchange
from scramjet_client.http.interrupts import Event
from scramjet_client.http.retries import pauses
from scramjet_client.streams.lines import LineSplitter, bare
from scramjet_client.streams.output import OutputStream, json_line
from scramjet_client.streams.reader import closed_here


def _first_delay(value: Duration) -> float:
    return duration("first_delay", value) or LONGEST_WAIT


def _max_delay(value: Duration) -> float:
    return duration("max_delay", value) or LONGEST_WAIT


def _give_up_after(value: Duration | None) -> float | None:
    return duration("give_up_after", value)


@public
@attrs.frozen(kw_only=True)
class Reconnect(Shown):
    """How to reconnect after a broken connection.

    Attributes:
        first_delay: Seconds before the first attempt; each further attempt doubles the delay.
        max_delay: Most seconds between two attempts. Each delay is shortened at random by up to half, so that many
            readers do not return at once.
        give_up_after: Seconds without a connection after which reading raises; None means never.
    """

    first_delay: float = attrs.field(default=0.2, converter=_first_delay)
    max_delay: float = attrs.field(default=10.0, converter=_max_delay)
    give_up_after: float | None = attrs.field(default=60.0, converter=_give_up_after)

    def delays(self) -> Iterator[float]:
        """Return an iterator of the pauses before each attempt."""
        return pauses(self.first_delay, self.max_delay, spread=True)


@public
class StreamGapWarning(UserWarning):
    """A stream was cut and continues; data in between may be lost."""


@public
@attrs.define(kw_only=True, eq=False)
class Gap(Shown):
    """A break in a stream. Hubs have no offsets: the data that they sent into the broken connection is lost.

    The amount is unknown: nothing if the program wrote little at the time, and up to some megabytes if it wrote
    faster than the connection carried.

    Attributes:
        stream: The name of the stream: "output of 'abc'".
        bytes_read: All bytes that came before the break.
        seconds: Time from the break until the stream was open again.
        resumed: Whether the stream continues; else the instance has ended meanwhile, and the stream with it.
        attempts: Number of attempts.
        cause: The error that broke it.
        unfinished: The beginning of the line that the break cut; it is not among the lines. It is always
            `b""` if you read chunks.
        rest: The data up to the first newline after the break, if a line was unfinished; it is not among the lines
            either. It is set when it has come, which is after the call of `on_gap`.
    """

    stream: str
    bytes_read: int
    seconds: float
    resumed: bool
    attempts: int
    cause: StreamError
    unfinished: bytes = b""
    rest: bytes = b""

    def __str__(self) -> str:
        cut = f", in a line that began with {self.unfinished[:40]!r}" if self.unfinished else ""
        then = f"goes on {self.seconds:.1f} s later" if self.resumed else "its instance has ended"
        return (
            f"{self.stream} was cut after {self.bytes_read} bytes{cut}, and {then}:"
            " data on its way is lost"
        )


@public
class ReconnectingStream(Closing):
    """Lines of a stream over as many connections as necessary; see `InstanceClient.get_reconnecting_stream`.

    Iterate it for lines (`bytes`, with their newline). The two halves of a line that a break cut are never joined:
    both are left out of the lines, and are in the `Gap`. A break between two lines leaves nothing out here, but the
    hub may have lost lines, or the beginning of the next one.

    Only one thread may read. You may call `close()` from any thread; it frees a blocked reader.

    Attributes:
        gaps: Number of breaks so far.

    Raises (from every way of reading):
        StreamInterruptedError: It could not be reopened in time; the `__cause__` is the reason.
        StreamClosedError: This side closed it.
    """

    def __init__(
        self,
        name: str,
        open_stream: Callable[[Exchange], OutputStream],
        new_exchange: Callable[[], Exchange],
        policy: Reconnect,
        on_gap: Callable[[Gap], object] | None,
    ) -> None:
        """Open the stream, for the SDK; `name` is for messages, and each connection has a new exchange."""
        checked("reconnect", policy, Reconnect)
        if on_gap is not None and not callable(on_gap):
            raise TypeError(f"on_gap must be callable, not {type(on_gap).__name__}; it gets a Gap")
        self.gaps: int = 0
        self._name = name
        self._open_stream = open_stream
        self._new_exchange = new_exchange
        self._policy = policy
        self._on_gap = on_gap
        self._read_before = 0
        self._gap: Gap | None = None
        self._splitter = LineSplitter(name, keep_ends=True)
        self._closed = Event()
        # Guards _exchange and _stream: they must not be replaced while they are closed.
        self._lock = threading.RLock()
        self._exchange = new_exchange()
        self._stream = open_stream(self._exchange)

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else f"{self.bytes_read} bytes read"
        return f"<ReconnectingStream {self._name}: {state}, {self.gaps} gaps>"

    @property
    def bytes_read(self) -> int:
        """Bytes that came so far, over all connections."""
        return self._read_before + self._stream.bytes_read

    def __iter__(self) -> Iterator[bytes]:
        with Shortening():
            for chunk in self.chunks():
                piece = self._after_gap(chunk)
                if piece:
                    yield from self._splitter.split_now(piece)[0]
            rest = self._splitter.last()
            if rest:
                yield rest

    def lines(self) -> Iterator[bytes]:
        r"""Yield the lines without their b"\n" or b"\r\n"."""
        for line in self:
            yield bare(line)

    def records(self) -> Iterator[Any]:
        """Yield the JSON value of each line, skipping blank lines.

        Raises:
            InvalidResponseError: A line is not JSON; `.body` is that line.
        """
        return (json_line(line, self._name) for line in self if line.strip())

    def chunks(self) -> Iterator[bytes]:
        """Yield data as it comes; the boundaries mean nothing, and only `on_gap` hears of breaks."""
        while True:
            try:
                yield from self._stream.chunks()
            except (StreamInterruptedError, StreamIdleError) as error:
                cut: StreamError = error
            else:
                return
            if not self._again(cut):
                return

    def close(self) -> None:
        """Stop reading, from any thread and as often as you like."""
        with self._lock:
            self._closed.set()
            self._exchange.abort()
            self._stream.close()

    def _after_gap(self, chunk: bytes) -> bytes:
        """Remove from a chunk the rest of a line that a break has cut."""
        gap = self._gap
        if gap is None:
            return chunk
        head, newline, tail = chunk.partition(b"\n")
        gap.rest += head + newline
        if newline:
            self._gap = None
        return tail

    def _again(self, cut: StreamError) -> bool:
        """Reopen the stream; return False if the instance has ended meanwhile."""
        began = monotonic()
        bytes_read = self.bytes_read
        resumed, attempts = self._reopened(cut, began)
        gap = Gap(
            stream=self._name,
            bytes_read=bytes_read,
            seconds=monotonic() - began,
            resumed=resumed,
            attempts=attempts,
            cause=cut,
            unfinished=self._splitter.take_back(),
        )
        self._gap = gap if gap.unfinished else self._gap
        self.gaps += 1
        if self._on_gap is not None:
            self._on_gap(gap)
        else:
            warnings.warn(str(gap), StreamGapWarning, stacklevel=callers_level())
        return resumed

    def _reopened(self, cut: StreamError, began: float) -> tuple[bool, int]:
        """Return whether the stream is open again (else its instance has ended), and the number of attempts."""
        was_down = False
        limit = self._policy.give_up_after
        for attempts, delay in enumerate(self._policy.delays(), 1):
            if self._closed.wait(delay):
                raise closed_here(self._name)
            try:
                self._open_again()
                return True, attempts
            except NotFoundError as error:
                # A hub that was not away knows that the instance has ended. A restarted hub may not know the instance
                # yet, because surviving instances come back to it after some time.
                if not was_down:
                    return False, attempts
                failure: ScramjetError = error
            except (HubConnectionError, HubTimeoutError, ServerError) as error:
                was_down = True
                failure = error
            if limit is not None and monotonic() - began >= limit:
                lost = StreamInterruptedError(
                    f"{cut.message}; and it could not be opened again in {limit:g} s: {failure.message}"
                )
                lost.partial = self._splitter.begun
                raise lost from failure
        raise AssertionError  # the delays never end

    def _open_again(self) -> None:
        exchange = self._new_exchange()
        with self._lock:
            self._exchange = exchange
            if self._closed.is_set():
                exchange.abort()
        try:
            stream = self._open_stream(exchange)
        except ScramjetError as error:
            if self._closed.is_set():
                raise closed_here(self._name) from error
            raise
        with self._lock:
            self._read_before += self._stream.bytes_read
            self._stream = stream
            if self._closed.is_set():
                stream.close()
