"""The requests adapter and urllib3 connection whose chunked body a background thread writes.

One request is one `Exchange`. It is handed to the connection by a context variable, past `requests`,
whose `HTTPAdapter.send` stays untouched:

    HttpClient ── exchange.use() ── Session.send ── HTTPAdapter.send ── urllib3 pool
                                                                           │
            Exchange <── connection_made(sock) ── _Duplex connection ──────┘
               ├── writer   BodyWriter: a thread that writes the body while the caller awaits the answer
               └── answer   Answer: http.client's response, reading through an `_Inlet`

The `_Inlet` is where every read of an answer waits for the network, so it is also the only place that
knows time limits, deadlines and "is there still something to wait for?".
"""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import wait_for_write

from scramjet_client._tls import DuplexSSLSocket, duplex_context

READ_SIZE = 65536
"""Bytes of one read from the network."""

IDLE_LIMIT = 4.0
"""Seconds after which a pooled connection is not used again: the hub closes at 5 (Keep-Alive: timeout=5)."""

_POLL = 1.0
"""Seconds between two calls of `Exchange.on_idle` while nothing arrives."""

# A host that vanished without a word is found after 30 + 3 * 10 seconds of silence.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), seconds)
        for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]

_DONT_WAIT: int = getattr(socket, "MSG_DONTWAIT", 0)


class BodySource(Protocol):
    """What a `BodyWriter` writes: non-empty pieces, and `close()` when no more are wanted."""

    def __iter__(self) -> Iterator[bytes | memoryview]: ...
    def __next__(self) -> bytes | memoryview: ...
    def close(self) -> None: ...


class WaitEnded(Exception):
    """Raised by an `on_idle` hook to end the wait that it was called from; never seen by users."""


class Exchange:
    """One request and its answer, from before the connection until the last byte.

    Args:
        writer: The body, or None.
        deadline: `time.monotonic()` at which reading the answer ends with a timeout, or None.
        on_idle: Called with the seconds of silence, by the thread that waits for the answer, every
            `poll` seconds while nothing arrives. Raises to end the wait.
        poll: Seconds between those calls.
    """

    def __init__(
        self,
        *,
        writer: BodyWriter | None = None,
        deadline: float | None = None,
        on_idle: Callable[[float], None] | None = None,
        poll: float = _POLL,
    ) -> None:
        self.writer = writer
        self.deadline = deadline
        self.on_idle = on_idle
        self.poll = poll
        self.answer: Answer | None = None
        self.failure: BaseException | None = None
        self.sent = threading.Event()
        """Set when the head of the request is on the wire: until then nothing has left."""
        self._sock: socket.socket | None = None
        self._aborted = False
        # Guards _sock and _aborted: an abort and the birth of the connection must see each other.
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """Make this the exchange of the request that the current thread sends inside the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def connection_made(self, sock: socket.socket) -> None:
        """Learn the socket; called by the connection when the head of the request has been written."""
        with self._lock:
            self._sock = sock
            aborted = self._aborted
        if aborted:
            shut(sock)
        self.sent.set()

    def connection_given_back(self) -> None:
        """Forget the socket; called when the answer has been read to its end or closed."""
        with self._lock:
            self._sock = None

    @property
    def aborted(self) -> bool:
        """Whether `abort` was called."""
        return self._aborted

    def fail(self, error: BaseException) -> None:
        """`abort`, because of an error that the other half of the exchange should hear of."""
        if self.failure is None:
            self.failure = error
        self.abort()

    def abort(self) -> None:
        """End the exchange from any thread: whoever reads or writes on its connection is freed at once."""
        with self._lock:
            self._aborted = True
            sock = self._sock
        if self.writer is not None:
            self.writer.abort()
        if sock is not None:
            shut(sock)


_current: ContextVar[Exchange | None] = ContextVar("scramjet_exchange", default=None)


def shut(sock: socket.socket) -> None:
    """Shut a socket down both ways, below TLS; a read-side shutdown alone leaves writers stuck."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class BodyWriter:
    """Writes the chunked body of an upload on one daemon thread, `scramjet-upload-N`.

    The thread starts when the first request's head is on the wire, and ends when the source has ended or
    raised, or after `abort()`; a source that blocks for ever keeps it, which is why it is a daemon.

    It writes to the socket it was given, never to a connection's current one: http.client drops its
    socket on `Connection: close` and reopens for the next request, and late chunks would land there.

    Attributes:
        bytes_sent: Bytes of the source that are on the wire.
        error: What the source or the socket raised, else None.
        source_failed: Whether `error` came out of the source.
    """

    _numbers = itertools.count(1)

    def __init__(
        self,
        source: BodySource,
        *,
        stall_limit: float | None = None,
    ) -> None:
        self.bytes_sent = 0
        self.error: BaseException | None = None
        self.source_failed = False
        self._source = source
        self._stall_limit = stall_limit
        self._on_end: Callable[[], None] | None = None
        self._on_abort: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._sock: socket.socket | None = None
        self._aborted = False
        self._ended = False
        self._whole = False
        # Guards _sock, _aborted, _ended and _whole; notified when one of them changes.
        self._changed = threading.Condition()
        # Held while one frame is on its way into the socket: a roll-over must not cut a frame in two.
        self._frame = threading.Lock()

    def observe(self, *, on_end: Callable[[], None], on_abort: Callable[[], None]) -> None:
        """Have `on_end` called by the writing thread when it is through, `on_abort` by who aborts."""
        self._on_end, self._on_abort = on_end, on_abort

    @property
    def finished(self) -> bool:
        """Whether the body is on the wire with its end."""
        return self._whole and self.error is None

    @property
    def ended(self) -> bool:
        """Whether the thread is through with the source, in whatever way."""
        return self._ended

    @property
    def between_requests(self) -> bool:
        """Whether a roll-over ended the last request's body, and more is to come in another."""
        return self._sock is None and not self._aborted

    def attach(self, sock: socket.socket) -> None:
        """Write to `sock` from now on; its request's head has been sent."""
        with self._changed:
            self._sock = sock
            self._changed.notify_all()
            if self._thread is not None or self._aborted:
                return
            self._thread = threading.Thread(
                target=self._run, name=f"scramjet-upload-{next(self._numbers)}", daemon=True
            )
        self._thread.start()

    def roll_over(self) -> None:
        """End the present request's body; the next piece waits for another `attach`."""
        with self._frame:
            with self._changed:
                sock, over = self._sock, self._whole or self._ended or self._aborted
                if sock is None or over:
                    return
                self._sock = None
            # A connection that broke meanwhile is found by whoever awaits its answer.
            with contextlib.suppress(OSError):
                self._send(sock, b"0\r\n\r\n")

    def abort(self) -> None:
        """Stop writing; the thread ends as soon as the source gives its next piece."""
        with self._changed:
            self._aborted = True
            sock, unused = self._sock, self._thread is None
            self._changed.notify_all()
        if sock is not None and not self._whole:
            shut(sock)
        if unused:
            self._source.close()
        if self._on_abort is not None:
            self._on_abort()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the thread is through with the source; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, timeout)

    def _run(self) -> None:
        try:
            while True:
                try:
                    piece = next(self._source)
                except StopIteration:
                    break
                except BaseException:
                    self.source_failed = True
                    raise
                # %b takes every buffer, a memoryview without a copy of its own.
                frame = b"%x\r\n%b\r\n" % (len(piece), piece)  # type: ignore[str-format]
                if not self._write(frame):
                    return
                self.bytes_sent += len(piece)
            self._write(b"0\r\n\r\n", last=True)
        except BaseException as error:  # noqa: B036 - kept, and raised where the upload is waited for
            self.error = error
        self._end()
        with self._changed:
            sock = self._sock
        if self.error is not None and sock is not None:
            # Without its final chunk the hub does not take this for the end of the input. Only now, so
            # that whoever is woken by it finds the reason.
            shut(sock)

    def _end(self) -> None:
        try:
            self._source.close()
        except BaseException as error:  # noqa: B036 - a generator's finally block may raise anything
            if self.error is None and not self._whole:
                self.error, self.source_failed = error, True
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._on_end is not None:
            self._on_end()

    def _write(self, frame: bytes, *, last: bool = False) -> bool:
        """Write one frame to the present socket, waiting for one between two requests; False = aborted."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._sock is not None or self._aborted)
            with self._frame:
                with self._changed:
                    sock, aborted = self._sock, self._aborted
                if aborted:
                    return False
                if sock is not None:
                    # Before the send: the hub may answer before this thread runs again.
                    self._whole = last
                    self._send(sock, frame)
                    return True

    def _send(self, sock: socket.socket, frame: bytes) -> None:
        view = memoryview(frame)
        while view:
            view = view[self._send_some(sock, view) :]

    def _send_some(self, sock: socket.socket, view: memoryview) -> int:
        # The reading thread sets this socket's time limit for itself, so the limit that a send hits is
        # no news: what counts is the limit of this writer, which is how long nothing at all was taken.
        deadline = None if self._stall_limit is None else time.monotonic() + self._stall_limit
        while True:
            remaining = None if deadline is None else deadline - time.monotonic()
            try:
                if isinstance(sock, DuplexSSLSocket):
                    return sock.write_within(remaining, view)
                return sock.send(view, _DONT_WAIT if remaining is not None else 0)
            except (BlockingIOError, socket.timeout):
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    raise TimeoutError(
                        f"the hub took nothing for {self._stall_limit} s"
                    ) from None
            wait_for_write(sock, remaining)


class _Inlet(io.RawIOBase):
    """The network end of an answer: one `recv_into` a call, with the exchange's limits."""

    def __init__(self, sock: socket.socket, exchange: Exchange | None) -> None:
        self._sock = sock
        # An open file of the socket's own keeps its descriptor while http.client "closes" the socket.
        self._hold = sock.makefile("rb", buffering=0)
        self._exchange = exchange

    def readable(self) -> bool:
        """Answers are read."""
        return True

    def readinto(self, buffer: Any) -> int:
        exchange = self._exchange
        if exchange is None or (exchange.deadline is None and exchange.on_idle is None):
            return self._sock.recv_into(buffer)
        limit = self._sock.gettimeout()
        began = time.monotonic()
        while True:
            self._sock.settimeout(self._slice(exchange, limit, began))
            try:
                return self._sock.recv_into(buffer)
            except socket.timeout:
                now = time.monotonic()
                if exchange.deadline is not None and now >= exchange.deadline:
                    raise
                if limit is not None and now - began >= limit:
                    raise
                if exchange.on_idle is not None:
                    exchange.on_idle(now - began)
            finally:
                self._sock.settimeout(limit)

    @staticmethod
    def _slice(exchange: Exchange, limit: float | None, began: float) -> float | None:
        """Return how long the next recv may take, of whichever limit comes first."""
        now = time.monotonic()
        limits = [
            *([exchange.poll] if exchange.on_idle is not None else []),
            *([exchange.deadline - now] if exchange.deadline is not None else []),
            *([limit - (now - began)] if limit is not None else []),
        ]
        # 0 would mean "do not wait at all" and raise another error.
        return max(min(limits), 0.001)

    def close(self) -> None:
        if not self.closed:
            # The body has ended: the connection may carry another request from now on, which a late
            # abort of this one must not hit.
            if self._exchange is not None:
                self._exchange.connection_given_back()
            self._hold.close()
        super().close()


class Answer(http.client.HTTPResponse):
    """http.client's response, which reads through an `_Inlet` and gives what has come at once."""

    _left: int | None = None

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.exchange = _current.get()
        self.fp = io.BufferedReader(_Inlet(sock, self.exchange), READ_SIZE)
        if self.exchange is not None:
            self.exchange.answer = self

    def read_live(self, size: int) -> bytes:
        """Return what has come, at most `size` bytes, waiting for the first; b"" at the end of the body.

        Raises:
            http.client.IncompleteRead: The connection ended before the body did.
            OSError: The connection broke, or a time limit passed.
        """
        if self.fp is None:
            return b""
        if self.chunked or self.length is None:
            return self.read1(size)
        # http.client's read1 takes a body shorter than its Content-Length for a whole one, and up to
        # Python 3.12 does not count what it has given.
        if self._left is None:
            self._left = self.length
        data = self.fp.read1(min(size, self._left)) if self._left else b""
        if not data and self._left:
            raise http.client.IncompleteRead(b"", self._left)
        self._left -= len(data)
        if not self._left:
            self.close()
        return data


class _Handover:
    """Stands in for the body inside urllib3's `request`: asked for a piece when the head has been sent."""

    def __init__(self, connection: _Duplex) -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._connection.body_is_elsewhere = True
        raise StopIteration


class _Duplex(HTTPConnection):
    """A connection whose body is written by a `BodyWriter` while its answer is awaited."""

    response_class = Answer
    body_is_elsewhere = False
    owner = 0
    used_at = 0.0
    writer: BodyWriter | None = None

    def stale(self) -> bool:
        """Whether this pooled connection must not carry another request."""
        return (
            self.owner != os.getpid()
            or time.monotonic() - self.used_at > IDLE_LIMIT
            or (self.writer is not None and not self.writer.ended)
        )

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._begin(super().request, *args, **kwargs)

    def request_chunked(self, *args: Any, **kwargs: Any) -> None:
        # urllib3 1.26 sends chunked bodies by this method, 2.x by `request`.
        self._begin(super().request_chunked, *args, **kwargs)

    def _begin(self, request: Any, method: str, url: str, body: Any = None, *args: Any, **kw: Any) -> None:
        """Let urllib3 send the request; of an upload only the head, without the final chunk it adds."""
        exchange = _current.get()
        self.writer = exchange.writer if exchange is not None else None
        try:
            request(method, url, body if self.writer is None else _Handover(self), *args, **kw)
        finally:
            self.body_is_elsewhere = False
        self._mark_sent(exchange)

    def _mark_sent(self, exchange: Exchange | None) -> None:
        self.used_at = time.monotonic()
        self.owner = os.getpid()
        if exchange is None:
            return
        sock = self.sock
        exchange.connection_made(sock)
        if exchange.writer is not None:
            exchange.writer.attach(sock)

    def send(self, data: Any) -> None:
        if not self.body_is_elsewhere:
            super().send(data)


class _DuplexTLS(_Duplex, HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        if self.ssl_context is None:
            self.ssl_context = duplex_context(self.cert_reqs)
        super().connect()

    def _mark_sent(self, exchange: Exchange | None) -> None:
        if self.writer is not None and not isinstance(self.sock, DuplexSSLSocket):
            raise ssl.SSLError(
                "an upload cannot be sent through TLS inside TLS (an https:// proxy to an https:// hub)"
            )
        super()._mark_sent(exchange)


class _FreshPool(urllib3.HTTPConnectionPool):
    """A pool that opens a stale connection again instead of using it."""

    ConnectionCls = _Duplex

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if connection.sock is not None and connection.stale():
            connection.close()
        return connection


class _FreshTLSPool(_FreshPool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _DuplexTLS


_POOLS = {"http": _FreshPool, "https": _FreshTLSPool}


class DuplexAdapter(HTTPAdapter):
    """The adapter to mount: connections with TCP keep-alive that can be written and read at once."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kw: Any) -> None:
        """Make the pool manager; called by requests."""
        kw["socket_options"] = HTTPConnection.default_socket_options + _KEEPALIVE
        super().init_poolmanager(connections, maxsize, block, **kw)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kw: Any) -> Any:
        """Return the pool manager for a proxy; called by requests."""
        kw.setdefault("socket_options", HTTPConnection.default_socket_options + _KEEPALIVE)
        manager = super().proxy_manager_for(proxy, **kw)
        manager.pool_classes_by_scheme = _POOLS
        return manager
