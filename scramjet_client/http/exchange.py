"""Exchange: one request and its answer, and the only place where an answer waits for the network."""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import wait_for_read

from scramjet_client._base import show_briefly
from scramjet_client._common.clock import monotonic
from scramjet_client.http.answers import too_long
from scramjet_client.http.body import BodyWriter, shut
from scramjet_client.http.chunked import ChunkedBody
from scramjet_client.http.durations import LONGEST_WAIT
from scramjet_client.http.framing import check_lines, content_length, is_chunked, unpacked
from scramjet_client.http.interrupts import Event, let_interrupts_pass, longest_part

READ_SIZE = 65536
"""Bytes of one read from the network."""

_HEAD_ALLOWANCE = 8 * 2**20
"""Bytes in addition to a body: http.client accepts 100 header lines of 64 KB, and chunks have frames."""

_POLL = 1.0
"""Seconds between two calls of `Exchange.on_idle` while nothing arrives."""


_MOST_INTERIM = 1000
"""Interim answers that are skipped before the final one; gateways send one every few seconds of a long call."""

_BODILESS = (http.client.NO_CONTENT, http.client.NOT_MODIFIED)

_HTTP_1_0 = 10

_AT_ONCE = 0.001
"""The shortest wait in seconds: 0 would make a TLS socket non-blocking."""

_RESET = struct.pack("ii", 1, 0)
"""An SO_LINGER value that makes the later close of a socket reset its connection."""


class WaitEnded(Exception):
    """Raised by an `on_idle` hook to end the wait that called it; users never see it."""


class Exchange:
    """One request and its answer, from before the connection until the last byte.

    Args:
        writer: The body, or None.
        deadline: `monotonic()` at which reading the answer ends with a timeout, or None.
        on_idle: Called with the seconds of silence, by the thread that waits for the answer, every `poll` seconds
            while nothing arrives. It raises to end the wait.
        poll: Seconds between those calls.
    """

    def __init__(
        self,
        *,
        writer: BodyWriter | None = None,
        deadline: float | None = None,
        on_idle: Callable[[float], object] | None = None,
        poll: float = _POLL,
    ) -> None:
        self.writer = writer
        self.deadline = deadline
        self.on_idle = on_idle
        self.poll = poll
        self.idle: float | None = None
        """Seconds of silence after which a read raises, if that is longer than a socket's limit can be."""
        self.is_noise: Callable[[bytes], bool] | None = None
        """Returns whether data leaves the answer as silent as before; None if all data ends the silence."""
        self.silence: float = 0.0
        """Seconds that reads have waited since data other than noise came."""
        self.heard_noise: bool = False
        """Whether the last data was noise."""
        self._waited = 0.0
        self.until: float | None = None
        """`monotonic()` at which reading ends, as at the end of the body, or None."""
        self.limit = ""
        """The deadline in words, for the error: "60 s (Timeouts.read)"."""
        self.overdue = ""
        """The limit that has passed, in words; "" before."""
        self.idle_limit: float | None = None
        """Seconds of silence that a reader allows, for the error."""
        self.answer: Answer | None = None
        self.failure: BaseException | None = None
        self.head_sent: Event = Event()
        """Set when the head of the request has been sent; before that, nothing has left."""
        self.size_limit: int | None = None
        """Bytes that may be read through http.client, which trusts the lengths in an answer; None for streams."""
        self._sock: socket.socket | None = None
        self._pid = os.getpid()
        self._aborted = False
        self._polled = False
        # Guards _sock and _aborted: an abort and a new connection must see each other.
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """Make this the exchange of the request that the current thread sends inside the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def connection_made(self, sock: socket.socket) -> None:
        """Take the socket; the connection calls this when the head of the request has been written."""
        with self._lock:
            self._sock = sock
            aborted = self._aborted
        if aborted:
            shut(sock)
        self.head_sent.set()

    def answered_elsewhere(self, request: requests.PreparedRequest) -> None:
        """Record that an answer came without a connection: a mock's, which does not read the body.

        The source is read to its end, as by a hub, and the recorded request gets its data.
        """
        self.head_sent.set()
        writer = self.writer
        if writer is None or writer.ended:
            return

        def record(body: bytes) -> None:
            request.body = body

        writer.record(record)

    def connection_given_back(self) -> None:
        """Forget the socket; called when the answer has been read to its end or closed."""
        with self._lock:
            self._sock = None

    @property
    def waits_apart(self) -> bool:
        """Whether a read needs more than the socket's own limit, or shares the socket with a writer."""
        return not self._polled and (
            self.deadline is not None
            or self.on_idle is not None
            or self.writer is not None
            or self.idle is not None
            or self.until is not None
            or longest_part() is not None
        )

    def begin_polling(self) -> tuple[int, float | None]:
        """Make reads non-blocking and without limits from now on: the caller waits for many exchanges at once.

        Returns:
            The socket's descriptor, or -1 if it has no socket any more, and the seconds that limited a read.
        """
        with self._lock:
            self._polled = True
            # The caller also measures the silence.
            self.silence = self._waited = 0.0
            if self._sock is None:
                return -1, None
            limit = self._sock.gettimeout()
            self._sock.settimeout(0)
            return self._sock.fileno(), limit if self.idle is None else self.idle

    def broke_silence(self, began: float) -> None:
        """Record that data has come after a silence since `began`; `came` tells which data."""
        if self.is_noise is not None:
            self._waited = monotonic() - began

    def came(self, data: bytes) -> None:
        """Record the data that has come; noise does not end the silence."""
        assert self.is_noise is not None
        self.heard_noise = self.is_noise(data)
        if not self.heard_noise:
            self._waited = 0.0
        self.silence = self._waited

    def end_polling(self, limit: float | None) -> None:
        """Undo `begin_polling`."""
        with self._lock:
            self._polled = False
            if self._sock is not None:
                # If another thread has just closed the socket, it needs no limit.
                with contextlib.suppress(OSError):
                    self._sock.settimeout(limit if self.idle is None else None)

    def is_late(self) -> bool:
        """Return whether the deadline has passed."""
        return self.deadline is not None and monotonic() >= self.deadline

    @property
    def aborted(self) -> bool:
        """Whether `abort` was called."""
        return self._aborted

    def fail(self, error: BaseException) -> None:
        """Call `abort` because of an error that the other half of the exchange should report."""
        if self.failure is None:
            self.failure = error
        self.abort()

    def abort(self) -> None:
        """End the exchange, from any thread; this frees at once every thread that reads or writes on its connection."""
        if self._pid != os.getpid():
            # After a fork the socket still belongs to the parent: a shutdown here would end it there.
            return
        with self._lock:
            self._aborted = True
            sock = self._sock
        if self.writer is not None:
            self.writer.abort()
        elif sock is not None:
            # If this side held a hub back, the hub learns of an orderly end only when the kernel gives up, in a
            # minute, and holds its program back until then. (An upload must not reset: the hub would lose its data.)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if sock is not None:
            shut(sock)


_current: ContextVar[Exchange | None] = ContextVar("scramjet_exchange", default=None)


def current_exchange() -> Exchange | None:
    """Return the exchange of the request that this thread is sending."""
    return _current.get()


class _Inlet(io.RawIOBase):
    """The network end of an answer: one `recv_into` a call, within the exchange's limits."""

    def __init__(self, sock: socket.socket, exchange: Exchange | None) -> None:
        self._sock = sock
        # An open file of the socket keeps its descriptor while http.client "closes" the socket.
        self._hold = sock.makefile("rb", 0)
        self._exchange = exchange
        self.holding = False
        """Set while only data that has been read already is wanted."""
        self.at_end = False
        """Whether the connection has ended."""
        self._received = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.holding:
            return None
        count: int = self.limited(lambda: self._sock.recv_into(buffer))
        self._received += count
        self.at_end = not count
        limit = None if self._exchange is None else self._exchange.size_limit
        if limit is not None and self._received > limit + _HEAD_ALLOWANCE:
            raise too_long("the hub", limit)
        return count

    def taken_over(self, begun: bytes) -> ChunkedBody:
        """Return a reader for the chunked body that comes now; `begun` is its first bytes."""
        exchange = self._exchange
        wait = self.limited if exchange is not None and exchange.waits_apart else None
        return ChunkedBody(self._sock, begun, wait)

    def limited(self, receive: Callable[[], Any]) -> Any:
        """Do one read from the socket within the exchange's limits."""
        exchange = self._exchange
        if exchange is None or not exchange.waits_apart:
            return receive()
        limit = self._sock.gettimeout()
        # After noise, the earlier silence continues, and the hook runs as soon as no data is there.
        began = monotonic() - exchange.silence
        at_once = exchange.heard_noise
        while True:
            seconds = self._slice(exchange, exchange.idle or limit, began)
            if at_once:
                seconds, at_once = _AT_ONCE, False
            if type(self._sock) is socket.socket:
                if self._wait(seconds):
                    exchange.broke_silence(began)
                    return receive()
            else:
                self._sock.settimeout(seconds)
                try:
                    data = receive()
                    exchange.broke_silence(began)
                    return data
                except socket.timeout as error:
                    let_interrupts_pass(error)
                finally:
                    self._sock.settimeout(limit)
            if exchange.on_idle is not None:
                exchange.on_idle(monotonic() - began)

    def _wait(self, seconds: float | None) -> bool:
        """Wait for the socket by a poll: each step of the writer would wake a thread that is inside a recv."""
        try:
            return wait_for_read(self._sock, seconds)
        except ValueError as error:
            let_interrupts_pass(error)
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None
        except BaseException as error:  # most interrupts come here
            show_briefly(error)
            raise

    @staticmethod
    def _slice(exchange: Exchange, limit: float | None, began: float) -> float | None:
        """Return how long the next wait may take; raises if a limit has passed, even while data keeps coming."""
        now = monotonic()
        if exchange.until is not None and now >= exchange.until:
            raise WaitEnded("its time is over")
        end = exchange.deadline
        if limit is not None:
            end = began + limit if end is None else min(end, began + limit)
        if end is not None and now >= end:
            if exchange.is_late():
                exchange.overdue = exchange.limit
            raise socket.timeout("timed out")
        waits = [] if end is None else [min(end - now, LONGEST_WAIT)]
        if exchange.on_idle is not None:
            waits.append(exchange.poll)
        if exchange.until is not None:
            waits.append(exchange.until - now)
        part = longest_part()
        if part is not None:
            waits.append(part)
        return min(waits, default=None)

    def close(self) -> None:
        if not self.closed:
            # The body has ended. From now on the connection may carry another request, which a late abort of
            # this one must not hit.
            if self._exchange is not None:
                self._exchange.connection_given_back()
            self._hold.close()
        super().close()


class Answer(http.client.HTTPResponse):
    """http.client's response, which reads through an `_Inlet`, returns data as it comes, and judges heads strictly."""

    _left: int | None = None

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.exchange: Exchange | None = current_exchange()
        self._inlet = _Inlet(sock, self.exchange)
        self.fp: io.BufferedReader = io.BufferedReader(self._inlet, READ_SIZE)
        if self.exchange is not None:
            self.exchange.answer = self

    def begin(self, **limits: Any) -> None:
        """Read the head of the answer, and any interim answers before it; called by http.client.

        Raises:
            urllib3.exceptions.InvalidHeader: The head does not say for sure where its body ends.
            http.client.HTTPException: It is not HTTP, or the connection ended before the head did.
            OSError: The connection broke, or a time limit passed.
        """
        if self.headers is not None:
            return
        for _ in range(_MOST_INTERIM):
            super().begin(**limits)
            if self._inlet.at_end:
                # To http.client, the end of the connection is also the end of the head.
                raise http.client.IncompleteRead(b"")
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise InvalidHeader("the other side changes to a protocol that was not asked for")
            if self.status >= http.client.OK:
                break
            # http.client skips 100 only, and takes other interim answers as final ones without a body.
            self.headers = self.msg = None
        else:
            raise InvalidHeader(f"more than {_MOST_INTERIM} interim answers")
        check_lines(self.headers)
        if self.status in _BODILESS:
            self.chunked, self.length = False, 0
            return
        self.chunked = is_chunked(self.headers)
        self.length = None if self.chunked else content_length(self.headers)
        # HTTP/1.0 knows no chunks: what follows such a body may be anything.
        if self.length is None and (not self.chunked or self.version == _HTTP_1_0):
            self.will_close = True

    def chunked_body(self) -> ChunkedBody | None:
        """Return the reader of the body, which comes now; None if the body is not chunked (see `read_plain`)."""
        if not self.chunked or self.fp is None:
            return None
        # The body begins with the data that http.client's reader has taken beyond the head.
        self._inlet.holding = True
        begun = self.fp.read(len(self.fp.peek(1)))
        self._inlet.holding = False
        return self._inlet.taken_over(begun or b"")

    def read_plain(self, buffer: memoryview) -> int:
        """Read the data that has come into a buffer, waiting for the first byte; 0 is the end of the body.

        Raises:
            http.client.HTTPException: The connection ended before the body did.
            OSError: The connection broke, or a time limit passed.
        """
        if self.fp is None:
            return 0
        if self.length is None:
            data = self.fp.read1(len(buffer))
        else:
            # http.client's read1 accepts a body shorter than its Content-Length as complete. Up to Python 3.12 it
            # does not count the bytes that it has given.
            left = self.length if self._left is None else self._left
            data = self.fp.read1(min(len(buffer), left)) if left else b""
            if not data and left:
                raise http.client.IncompleteRead(b"", left)
            self._left = left - len(data)
        buffer[: len(data)] = data
        return len(data)


class AnswerBody:
    """The body of an answer, for requests: framed strictly, and unpacked. It is in the place of urllib3's response.

    Args:
        raw: urllib3's response, which knows the pool.
        answer: The answer below it.
        packed: Whether the body is gzip.
    """

    def __init__(self, raw: Any, answer: Answer, *, packed: bool) -> None:
        self._raw = raw
        self._answer = answer
        self._packed = packed

    def stream(self, size: int, decode_content: bool = True) -> Iterator[bytes]:
        """Yield the data as it comes, in pieces of at most `size` bytes; called by requests."""
        chunked = self._answer.chunked_body()
        read = self._answer.read_plain if chunked is None else chunked.readinto
        pieces = _pieces(read, size)
        yield from unpacked(pieces, size) if self._packed and decode_content else pieces
        if chunked is not None and chunked.has_more:
            # What came after the body would be taken for the next answer.
            self.close()
        self._answer.close()
        self.release_conn()

    def close(self) -> None:
        """Close the connection, unless the pool has it again."""
        self._raw.close()

    def release_conn(self) -> None:
        """Give the connection back to its pool; called by requests, too."""
        self._raw.release_conn()


def _pieces(read: Callable[[memoryview], int], size: int) -> Iterator[bytes]:
    buffer = memoryview(bytearray(size))
    while count := read(buffer):
        yield bytes(buffer[:count])
