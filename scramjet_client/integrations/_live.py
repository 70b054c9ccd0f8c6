"""A WSGI body that passes data on as it arrives, and releases its source when the browser has left."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import queue
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import attrs

from scramjet_client._common.clock import monotonic
from scramjet_client.errors import NoThreadError, ScramjetError, StreamClosedError
from scramjet_client.http.threads import start_thread, thread_needed

LOOK = 0.5
"""While the source is silent, seconds between two checks whether the browser is still connected."""

_AHEAD = 4
"""Items to read ahead. More would only take memory, because the server writes one at a time."""

_CLOSED = (
    "the stream was closed before the answer was sent, as by a with block around the return; return it without one: "
    "the answer closes the stream itself"
)

_END = object()

_READABLE: int = getattr(select, "POLLIN", 1)

# Linux reports it in one call, even if there is unread data before the end, as with TLS.
_HUNG_UP: int = 0
for _name in ("POLLRDHUP", "POLLHUP", "POLLERR"):
    _HUNG_UP |= getattr(select, _name, 0)


def has_left(environ: dict[str, Any]) -> Callable[[], bool]:
    """Return a function that says whether the browser has closed its connection; call it in the server's thread.

    Gunicorn and Werkzeug's own server (from 2.0) put the socket into the WSGI environment, waitress puts a function
    there, and uWSGI has a module that knows the file descriptor. With other servers the answer is always no. On Windows
    it is also no while something is unread, and with TLS.
    """
    # Waitress knows it after a failed write, or at once if it reads ahead (channel_request_lookahead).
    asked: Callable[[], bool] | None = environ.get("waitress.client_disconnected")
    if asked is not None:
        return asked
    sock = (
        environ.get("gunicorn.socket") or environ.get("werkzeug.socket") or _uwsgi_socket(environ)
    )
    if sock is None:
        return lambda: False

    def look() -> bool:
        try:
            happened = _happened(sock)
            if happened & _HUNG_UP:
                return True
            # gevent's poll, and select, report only "readable".
            return bool(happened) and _peek(sock) == b""
        except (OSError, ValueError):
            return True

    return look


def _happened(sock: Any) -> int:
    """Return what has happened to a socket: events of a poll, or only "readable" on Windows, which has no poll."""
    poll = getattr(select, "poll", None)
    if poll is None:
        return _READABLE if select.select([sock], [], [], 0)[0] else 0
    poller = poll()
    poller.register(sock.fileno(), _READABLE | _HUNG_UP)
    found: int = dict(poller.poll(0)).get(sock.fileno(), 0)
    return found


class _Descriptor:
    """The socket of a request under uWSGI, which gives only its number. This class does not close it."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def recv(self, size: int, flags: int) -> bytes:
        with socket.socket(fileno=os.dup(self._number)) as copy:
            return copy.recv(size, flags | getattr(socket, "MSG_DONTWAIT", 0))


def _uwsgi_socket(environ: dict[str, Any]) -> _Descriptor | None:
    """Return the socket of the request that this thread serves, if the server is uWSGI."""
    if "uwsgi.version" not in environ:
        return None
    # Only the uWSGI server itself provides this module.
    number = importlib.import_module("uwsgi").connection_fd()
    return None if number < 0 else _Descriptor(number)


def _peek(sock: Any) -> bytes:
    """Return a readable socket's next byte without taking it; TLS can't peek, so it gives a placeholder."""
    if hasattr(sock, "pending"):
        return b"?"
    with contextlib.suppress(BlockingIOError):
        data: bytes = sock.recv(1, socket.MSG_PEEK)
        return data
    return b"?"


@attrs.define(eq=False, repr=False)
class LiveBody:
    """The body of an answer: the items of a live source, read on a separate thread.

    So the server's thread can watch the browser, and send heartbeats, while the source is silent. A slow
    browser holds the source back. The thread, `scramjet-flask-N`, starts with the first request for an item, and
    ends with the source or `close()`. It is a daemon because a source that can't be closed may block for ever.

    Args:
        source: The object to close at the end.
        first: Bytes to send first; empty bytes make the server send the headers.
        heartbeat: Bytes to send after each `every` seconds of silence, or None.
        last: Makes the bytes to send after the source has failed, from its error; None raises the error. It is not
            called after `close()`, because closing the source makes it fail.

    Raises (when iterated):
        ScramjetError: The source broke off before its end; servers then cut the connection.
    """

    _items: Iterable[bytes]
    _source: Any
    _left: Callable[[], bool]
    _first: bytes | None = attrs.field(default=b"", kw_only=True)
    _heartbeat: bytes | None = attrs.field(default=None, kw_only=True)
    _every: float = attrs.field(default=5.0, kw_only=True)
    _last: Callable[[ScramjetError], bytes] | None = attrs.field(default=None, kw_only=True)
    _ready: queue.Queue[Any] = attrs.field(factory=lambda: queue.Queue(_AHEAD), init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._closed:
            raise StopIteration
        if self._thread is None and getattr(self._source, "closed", False) is True:
            raise StreamClosedError(_CLOSED)
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._thread is None:
            self._start()
        item = self._wait()
        if item is _END or isinstance(item, BaseException):
            self.close()
            raise item if isinstance(item, BaseException) else StopIteration
        data: bytes = item
        return data

    def _start(self) -> None:
        try:
            needed = partial(thread_needed, "a live answer")
            self._thread = start_thread("scramjet-flask", self._read, needed=needed)
        except NoThreadError:
            self.close()
            raise

    def _wait(self) -> Any:
        """Return the next item, a heartbeat, or the end if the browser has left."""
        due = monotonic() + (float("inf") if self._heartbeat is None else self._every)
        while True:
            silence = max(min(LOOK, due - monotonic()), 0)
            with contextlib.suppress(queue.Empty):
                return self._ready.get(timeout=silence)
            if self._left():
                return _END
            if monotonic() >= due:
                return self._heartbeat

    def _read(self) -> None:
        end: Any = _END
        try:
            for item in self._items:
                self._ready.put(item)
                if self._closed:
                    break
        except Exception as error:  # raised again in the thread that iterates
            end = error
            if isinstance(error, ScramjetError) and self._last is not None and not self._closed:
                self._ready.put(self._last(error))
                end = _END
        if inspect.isgenerator(self._source):
            # Another thread can't close a generator that runs.
            self._source.close()
        if not self._closed:
            self._ready.put(end)

    def close(self) -> None:
        """Close the source, from any thread; the server calls this however the answer ends."""
        if self._closed:
            return
        self._closed = True
        if self._thread is None or not inspect.isgenerator(self._source):
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
        # A reader that waits for room finds it, and then sees that the body is closed.
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
