"""Exchange: one request and its answer, and the only place where an answer waits for the network."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from scramjet_client._writer import BodyWriter, shut

READ_SIZE = 65536
"""Bytes of one read from the network."""

_POLL = 1.0
"""Seconds between two calls of `Exchange.on_idle` while nothing arrives."""


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


def current_exchange() -> Exchange | None:
    """Return the exchange of the request that this thread is sending."""
    return _current.get()


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
                if exchange.on_idle is not None:
                    exchange.on_idle(time.monotonic() - began)
            finally:
                self._sock.settimeout(limit)

    @staticmethod
    def _slice(exchange: Exchange, limit: float | None, began: float) -> float:
        """Return how long the next recv may take; raises when a limit has passed, whatever keeps coming."""
        now = time.monotonic()
        ends = [
            *([exchange.deadline] if exchange.deadline is not None else []),
            *([began + limit] if limit is not None else []),
        ]
        if ends and now >= min(ends):
            raise socket.timeout("timed out")
        return min([end - now for end in ends] + [exchange.poll] * (exchange.on_idle is not None))

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
        self.exchange = current_exchange()
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
