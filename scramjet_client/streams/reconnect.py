"""Streams that are opened again when their connection breaks, and say what may have been lost."""

from __future__ import annotations

import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from scramjet_client._base import Closing, Shown, public
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    NotFoundError,
    ScramjetError,
    ServerError,
    StreamClosedError,
    StreamError,
    StreamIdleError,
    StreamInterruptedError,
)
from scramjet_client.http.durations import LONGEST_WAIT, Duration, duration
from scramjet_client.http.exchange import Exchange
from scramjet_client.streams.lines import LineSplitter, bare
from scramjet_client.streams.output import OutputStream, json_line


def _first_delay(value: Duration) -> float:
    return duration("first_delay", value) or LONGEST_WAIT


def _max_delay(value: Duration) -> float:
    return duration("max_delay", value) or LONGEST_WAIT


def _give_up_after(value: Duration | None) -> float | None:
    return duration("give_up_after", value)


@public
@attrs.frozen(kw_only=True)
class Reconnect(Shown):
    """How a broken connection is made again.

    Attributes:
        first_delay: Seconds before the first attempt; doubled for each further one.
        max_delay: Seconds between two attempts at most. Each delay is shortened at random by up to half, so
            that many readers do not come back at once.
        give_up_after: Seconds without a connection after which reading raises; None is never.
    """

    first_delay: float = attrs.field(default=0.2, converter=_first_delay)
    max_delay: float = attrs.field(default=10.0, converter=_max_delay)
    give_up_after: float | None = attrs.field(default=60.0, converter=_give_up_after)

    def delays(self) -> Iterator[float]:
        """Yield the pauses before each attempt."""
        delay = self.first_delay
        while True:
            yield min(delay, self.max_delay) * random.uniform(0.5, 1)
            delay = min(2 * delay, self.max_delay)


@public
class StreamGapWarning(UserWarning):
    """A stream was cut and goes on; data between may be lost."""


@public
@attrs.define(kw_only=True, eq=False)
class Gap(Shown):
    """A break in a stream. Hubs have no offsets: what they had sent into the broken connection is lost.

    How much that is nobody can tell: nothing where little was written at the time, and up to some
    megabytes where the program wrote faster than the connection carried.

    Attributes:
        stream: What was read: "output of 'abc'".
        bytes_read: Bytes that came before the break, in all.
        seconds: From the break until the stream was open again.
        resumed: Whether it goes on; else the instance has ended meanwhile, and with it the stream.
        attempts: How often it was tried.
        cause: What broke it.
        unfinished: The beginning of the line that the break cut; it is not among the lines. Always
            `b""` where chunks are read.
        rest: What came up to the first newline after the break, where there was something unfinished;
            it is not among the lines either. Filled when it has come, which is after `on_gap` was called.
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
            " what was on its way is lost"
        )


@public
class ReconnectingStream(Closing):
    """Lines of a stream over as many connections as it takes; see `InstanceClient.get_reconnecting_stream`.

    Iterate it for lines (`bytes`, with their newline). The two halves of a line that a break cut are never
    joined: both are left out, and are in the `Gap`. A break between two lines leaves nothing out here, but
    the hub may have lost lines, or the beginning of the next one.

    Only one thread may read; `close()` may be called from any thread and frees a blocked reader.

    Attributes:
        gaps: How many breaks there were so far.

    Raises (from every way of reading):
        StreamInterruptedError: It could not be opened again in time; the `__cause__` is why.
        StreamClosedError: It was closed on this side.
    """

    def __init__(
        self,
        name: str,
        open_stream: Callable[[Exchange], OutputStream],
        new_exchange: Callable[[], Exchange],
        policy: Reconnect,
        on_gap: Callable[[Gap], object] | None,
    ) -> None:
        """Open the stream; the SDK does.

        Args:
            name: What is read, for messages.
            open_stream: Opens it.
            new_exchange: Makes the exchange of each connection.
            policy: How it is opened again.
            on_gap: Told of each break when the stream is open again.
        """
        self.gaps: int = 0
        self._name = name
        self._open_stream = open_stream
        self._new_exchange = new_exchange
        self._policy = policy
        self._on_gap = on_gap
        self._read_before = 0
        self._gap: Gap | None = None
        self._splitter = LineSplitter(name, keep_ends=True)
        self._closed = threading.Event()
        # Guards _exchange and _stream against being replaced while they are closed.
        self._lock = threading.Lock()
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
        for chunk in self._chunks():
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
        """Yield what comes as it comes; the boundaries mean nothing, and breaks are told to `on_gap` alone."""
        return self._chunks()

    def close(self) -> None:
        """Stop reading, from any thread and as often as you like."""
        with self._lock:
            self._closed.set()
            self._exchange.abort()
            self._stream.close()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            try:
                yield from self._stream.chunks()
            except (StreamInterruptedError, StreamIdleError) as error:
                cut: StreamError = error
            else:
                return
            if not self._again(cut):
                return

    def _after_gap(self, chunk: bytes) -> bytes:
        """Take the rest of a line that a break has cut off a chunk."""
        gap = self._gap
        if gap is None:
            return chunk
        head, newline, tail = chunk.partition(b"\n")
        gap.rest += head + newline
        if newline:
            self._gap = None
        return tail

    def _again(self, cut: StreamError) -> bool:
        """Open the stream again; return False where the instance has ended meanwhile."""
        began = time.monotonic()
        bytes_read = self.bytes_read
        resumed, attempts = self._reopened(cut, began)
        gap = Gap(
            stream=self._name,
            bytes_read=bytes_read,
            seconds=time.monotonic() - began,
            resumed=resumed,
            attempts=attempts,
            cause=cut,
            unfinished=self._splitter.take_back(),
        )
        self._gap = gap if gap.unfinished else self._gap
        self.gaps += 1
        self._tell(gap)
        return resumed

    def _reopened(self, cut: StreamError, began: float) -> tuple[bool, int]:
        """Return whether the stream is open again or its instance has ended, and the attempts it took."""
        was_down = False
        limit = self._policy.give_up_after
        for attempts, delay in enumerate(self._policy.delays(), 1):
            if self._closed.wait(delay):
                raise StreamClosedError(f"{self._name} was closed")
            try:
                self._open_again()
                return True, attempts
            except NotFoundError as error:
                # A hub that was not away knows: the instance has ended. One that was restarted may not
                # know of it yet, because instances that outlived it come back to it after some time.
                if not was_down:
                    return False, attempts
                failure: ScramjetError = error
            except (HubConnectionError, HubTimeoutError, ServerError) as error:
                was_down = True
                failure = error
            if limit is not None and time.monotonic() - began >= limit:
                raise StreamInterruptedError(
                    f"{cut.message}; and it could not be opened again in {limit:g} s: {failure.message}"
                ) from failure
        raise AssertionError  # delays have no end

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
                raise StreamClosedError(f"{self._name} was closed") from error
            raise
        with self._lock:
            self._read_before += self._stream.bytes_read
            self._stream = stream
            if self._closed.is_set():
                stream.close()

    def _tell(self, gap: Gap) -> None:
        if self._on_gap is not None:
            self._on_gap(gap)
        else:
            warnings.warn(str(gap), StreamGapWarning, stacklevel=5)
