"""A TLS socket that one thread may read while another writes.

OpenSSL forbids two threads inside one TLS object. The stock `ssl.SSLSocket` does not keep them apart while it
waits for the network with the interpreter's lock released: connections that are read and written at once lose
data, crash or deadlock, depending on the Python version. Here the socket is always non-blocking, each step into
OpenSSL holds one lock, and all waiting happens outside that lock.

OpenSSL works on memory. On a socket it asks the system twice for each record of 16 KiB that it reads, and once for
each that it writes; here one call of the system moves several records.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import os
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from urllib3.connection import HTTPSConnection
from urllib3.util import wait_for_read, wait_for_write
from urllib3.util.ssl_ import create_urllib3_context

from scramjet_client._common.clock import monotonic

_T = TypeVar("_T")

_MOST_AT_ONCE = 131072
"""Bytes that one step encrypts, or reads from the network, before the other thread gets its turn."""

_RECORD = 16384
"""The most bytes of data in one TLS record."""

_FIRST_READ = 16384
"""Bytes that a new connection reads at once, until more come: what was read at once keeps its memory."""

_Data = TypeVar("_Data", bytes, int)


class DuplexSSLSocket(ssl.SSLSocket):
    """An `ssl.SSLSocket` for one reading and one writing thread; made through `SSLContext.sslsocket_class`.

    `settimeout` keeps its meaning (seconds for each call, None for no limit) for both directions. The descriptor
    below is always non-blocking.
    """

    _sslobj: Any  # ssl's TLS object, if the socket was connected when it was wrapped
    suppress_ragged_eofs: bool
    _timeout: float | None
    # Id of the process that owns the connection; a fork closes its copy silently.
    _pid: int
    # Guards every call into OpenSSL, and closing. The thread that has it may take it again, because the handler of a
    # signal may close the socket in the middle of a step.
    _step_lock: Any  # an RLock
    # Steps and waits that are under way. If the socket is closed meanwhile, the last of them closes the descriptor:
    # another connection would get its number, and they would work on that one.
    _under_way: int
    _over: bool
    # The exception that followed the data of the last read, for the next read.
    _late: OSError | None
    # What has come from the network for OpenSSL, and what OpenSSL has made for the network.
    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO
    _in_memory: bool  # whether OpenSSL works on them already
    # The part of the latter that has no room in the network yet, and how many bytes of a writer's data wait with it.
    _unsent: memoryview
    _owed: int
    # Whether OpenSSL has nothing to give until more has come, and whether the last read left something in the network.
    _starved: bool
    _more: bool
    _size: int  # bytes to read from the network at once

    def __new__(cls, *args: Any, **kwargs: Any) -> DuplexSSLSocket:
        """Make a socket with the lock for its steps."""
        self = super().__new__(cls, *args, **kwargs)
        # ssl makes its sockets without __init__, so only this method runs early enough.
        self._timeout = None
        self._late = None
        self._pid = os.getpid()
        self._step_lock = threading.RLock()
        self._under_way, self._over = 0, False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._in_memory = False
        self._unsent, self._owed = memoryview(b""), 0
        self._starved, self._more, self._size = True, False, _FIRST_READ
        return self

    def settimeout(self, value: float | None) -> None:
        """Set the limit of each later call: seconds, or None."""
        self._timeout = value
        if super().gettimeout() != 0.0:
            # It asks the system, and gives up the interpreter's lock to do so: too much for each read.
            super().setblocking(False)

    def gettimeout(self) -> float | None:
        """Return the limit that `settimeout` set."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Set no limit (True), or make calls never wait (False)."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """Return whether calls may wait."""
        return self._timeout != 0.0

    def _within(self, timeout: float | None, step: Callable[..., _T], *args: Any) -> _T:
        """Do one step to its end; wait outside the lock if it needs the network."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            with self._step_lock:
                if self._over or self.fileno() == -1:
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF))
                if self._sslobj is None:
                    # The peer was gone before the handshake, so ssl made no TLS object. Its own methods would raise
                    # ValueError, or continue in clear text.
                    raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
                self._under_way += 1
                try:
                    return step(*args)
                except ssl.SSLWantReadError:
                    wait = wait_for_read
                except ssl.SSLWantWriteError:
                    wait = wait_for_write
                finally:
                    self._done()
            if timeout == 0:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            remaining = None if deadline is None else deadline - monotonic()
            if remaining is not None and remaining <= 0:
                raise socket.timeout("timed out")
            with self._step_lock:
                self._under_way += 1
            try:
                wait(self, remaining)
            except (ValueError, OSError):
                # If it was closed meanwhile, the next turn raises a socket's usual error.
                if self.fileno() != -1:
                    raise
            finally:
                with self._step_lock:
                    self._done()

    def _done(self) -> None:
        self._under_way -= 1
        if self._over:
            self._close_if_idle()

    # The steps. Each is done with the lock held, and raises SSLWantReadError or SSLWantWriteError if it needs the
    # network, to be done again then.

    def _feed(self) -> None:
        """Give OpenSSL what has come from the network, or its end."""
        try:
            came = socket.socket.recv(self, self._size)
        except BlockingIOError as error:
            raise ssl.SSLWantReadError(*error.args) from None
        if came:
            self._incoming.write(came)
        else:
            self._incoming.write_eof()
        self._starved = False
        self._more = len(came) == self._size
        if self._more:
            self._size = min(4 * self._size, _MOST_AT_ONCE)

    def _flush(self) -> None:
        """Give the network what OpenSSL has made for it."""
        while self._unsent or self._outgoing.pending:
            if not self._unsent:
                self._unsent = memoryview(self._outgoing.read())
            try:
                sent = socket.socket.send(self, self._unsent)
            except BlockingIOError as error:
                raise ssl.SSLWantWriteError(*error.args) from None
            self._unsent = self._unsent[sent:]

    def _shake_hands(self) -> None:
        while True:
            try:
                self._sslobj.do_handshake()
                return self._flush()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                # An alert tells the peer why.
                with contextlib.suppress(OSError):
                    self._flush()
                raise

    def _record(self, size: int, buffer: Any = None) -> Any:
        """Return up to `size` bytes of one record, or read them into `buffer` and return how many they are."""
        if self._late is not None:
            raise copy.copy(self._late)
        while True:
            if self._starved:
                self._feed()
            try:
                if buffer is None:
                    data = self._sslobj.read(min(size, _RECORD))
                    count = len(data)
                else:
                    data = count = self._sslobj.read(size, buffer)
            except ssl.SSLWantReadError:
                self._starved = True
            except ssl.SSLError as error:
                # OpenSSL would say next time that this was the end.
                self._keep(error)
                raise
            else:
                # Less than was asked for is all that there was in the record.
                self._starved = 0 < count < size and not self._incoming.pending
                return data
            finally:
                if self._outgoing.pending:
                    # It is an answer to TLS itself, or an alert. If there is no room, it goes with the next write.
                    with contextlib.suppress(OSError):
                        self._flush()

    def _records(self, size: int) -> bytes:
        """Return up to `size` bytes of the records that have come, or of the first that comes."""
        data: bytes = self._record(size)
        if not data or len(data) == size or not self._has_more():
            return data
        pieces, left = [data], size - len(data)
        try:
            while data and left and self._has_more():
                data = self._record(left)
                pieces.append(data)
                left -= len(data)
        except OSError as error:
            self._keep(error)
        return b"".join(pieces)

    def _spread(self, buffers: Sequence[Any]) -> int:
        """Read like `_records` into buffers, one after the other; return how many bytes came."""
        count = 0
        try:
            for buffer in buffers:
                rest = memoryview(buffer)
                while rest:
                    came: int = self._record(len(rest), rest)
                    count += came
                    rest = rest[came:]
                    if not came or (rest and not self._has_more()):
                        return count
        except OSError as error:
            if not count:
                raise
            self._keep(error)
        return count

    def _has_more(self) -> bool:
        """Return whether another record may have come, after one that has been read to its end."""
        return self._incoming.pending > 0 or self._more

    def _keep(self, error: OSError) -> None:
        """Keep an exception for the next read, as the data before it comes first, and nothing would repeat it.

        What is kept is never raised: its traceback would hold the callers, and what they work for.
        """
        if not isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):
            self._late = copy.copy(error)

    def _send(self, data: Any) -> int:
        """Send some of `data`; return how many bytes. Done again, it continues with the same data, as OpenSSL does."""
        view = memoryview(data)
        if not self._owed:
            self._flush()
            self._owed = int(self._sslobj.write(view[:_MOST_AT_ONCE]))
        elif self._owed > view.nbytes:
            raise ssl.SSLError(
                ssl.SSL_ERROR_SSL, "bad write retry: other data has not been sent yet"
            )
        self._flush()
        sent, self._owed = self._owed, 0
        return sent

    def do_handshake(self, block: bool = False) -> None:
        """Do the handshake within the socket's time limit; resume the session that `Sessions.used` names."""
        if self._sslobj is not None and not self._in_memory:
            # ssl has made a TLS object on the socket itself. This one takes its place.
            in_memory = self.context.wrap_bio(
                self._incoming, self._outgoing, server_hostname=self.server_hostname
            )
            self._sslobj = in_memory._sslobj  # type: ignore[attr-defined]  # see docs/decisions/private-parts.md
            # Callbacks of the context get the owner.
            self._sslobj.owner = self
            self._in_memory = True
            session = _resumed.get()
            if session is not None:
                # Without it, the handshake is a whole one.
                with contextlib.suppress(ValueError):
                    self._sslobj.session = session
        self._within(self._timeout, self._shake_hands)

    def resumable(self) -> ssl.SSLSession | None:
        """Return a session that other connections may resume, if the hub has sent a ticket for it.

        A connection that has resumed one has nothing newer to offer: Python copies a session each time, which costs as
        much as the certificates do.
        """
        session: ssl.SSLSession | None = None
        with self._step_lock:
            if self._sslobj is not None and not self._sslobj.session_reused:
                session = self._sslobj.session
        return session if session is not None and session.has_ticket else None

    # ssl's own recv, recv_into and send would each take the lock twice.

    def _read(self, end: _Data, step: Callable[..., _Data], *args: Any) -> _Data:
        """Do a step that reads; return `end` where the connection ends without a word of TLS."""
        try:
            return self._within(self._timeout, step, *args)
        except ssl.SSLEOFError:
            if not self.suppress_ragged_eofs:
                raise
            return end

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Return up to `len` bytes, or read them into `buffer` and return how many came."""
        if buffer is None:
            return self._read(b"", self._record, len)
        room = memoryview(buffer).nbytes
        return self._read(0, self._record, min(len, room) if len > 0 else room, buffer)

    def write(self, data: Any) -> int:
        """Send some of `data`; return how many bytes were taken."""
        return self._within(self._timeout, self._send, data)

    def write_within(self, timeout: float | None, data: Any) -> int:
        """Send like `write`, with a separate limit, for the thread that writes while another reads."""
        return self._within(timeout, self._send, data)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Return up to `buflen` bytes, b"" at the end: the records that have come, or the first that comes."""
        with self._step_lock:
            if self._sslobj is not None and not self._over:
                # Who polls many sockets for a line each calls this where something has come: no detour, then.
                self._under_way += 1
                try:
                    return self._records(buflen)
                except (ssl.SSLWantReadError, ssl.SSLEOFError):
                    # Nothing has come yet, or it is the end: `_read` waits, or knows what that means.
                    pass
                finally:
                    self._done()
        return self._read(b"", self._records, buflen)

    def recvmsg_into(  # type: ignore[override]  # ssl's own refuses
        self, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, None]:
        """Read the records that have come, or the first that comes, into buffers, one after the other."""
        return self._read(0, self._spread, list(buffers)), [], 0, None

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Read into `buffer`; return how many bytes came, 0 at the end."""
        count: int = self.read(nbytes or memoryview(buffer).nbytes, buffer)
        return count

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of `data`; return how many bytes were taken."""
        return self.write(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of `data`."""
        with memoryview(data) as view, view.cast("B") as rest:
            sent = 0
            while sent < len(rest):
                sent += self.write(rest[sent:])

    def pending(self) -> int:
        """Return how many bytes may be read without the network; an exception that waits counts as one."""
        with self._step_lock:
            # A read also takes the beginning of a record out of there, so nobody polls for one in vain again and again.
            return super().pending() + self._incoming.pending + (self._late is not None)

    def shutdown(self, how: int) -> None:
        """Shut the connection below TLS.

        ssl's own version first drops the TLS layer, so that a thread that still writes continues in clear text.
        """
        if self._pid == os.getpid():
            socket.socket.shutdown(self, how)

    def _real_close(self) -> None:
        # socket.close() ends here once no file of the socket is open. The shutdown wakes the threads that still
        # wait for the network; the lock keeps the descriptor until they have left OpenSSL.
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        if self._pid != os.getpid():
            # A thread of the parent may have held the lock at the fork, or waited, and is not here.
            self._step_lock, self._under_way = threading.RLock(), 0
        with self._step_lock:
            self._over = True
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        if not self._under_way:
            super()._real_close()  # type: ignore[misc]  # ssl overrides it too, and documents neither


class GreenSSLSocket(ssl.SSLSocket):
    """The same under gevent, whose sockets wait by themselves, and whose threads are never in OpenSSL together."""

    def write_within(self, timeout: float | None, data: Any) -> int:
        """Send some of `data` within a limit; return how many bytes were taken."""
        sent: int = self.send(data, 0, timeout)  # type: ignore[call-arg]  # gevent's has the limit
        return sent


DUPLEX = (DuplexSSLSocket, GreenSSLSocket)
"""The sockets that a writer can write to while another thread reads."""

_SOCKET = DuplexSSLSocket if ssl.SSLSocket.__module__ == "ssl" else GreenSSLSocket


def duplex_context(cert_reqs: int | str | None) -> ssl.SSLContext:
    """Return a new client context whose sockets are `DuplexSSLSocket`s; it trusts no CA yet.

    Raises:
        ssl.SSLError: urllib3's contexts are not those of ssl any more.
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if not hasattr(context, "sslsocket_class"):
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, replaced_by(context))
    if cert_reqs in (ssl.CERT_NONE, "CERT_NONE", "NONE"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # A renegotiation lets a writer consume data that a reader waits for.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.sslsocket_class = _SOCKET
    _make_duplex_inside(context)
    return context


def _make_duplex_inside(context: ssl.SSLContext) -> None:
    """Give truststore's contexts, which wrap one of ssl's, sockets that are theirs and duplex.

    Their own class comes first, so that its handshake, which checks the certificates, stays in front of the other. A
    class that does more than this has sockets of its own kind, and stays as it is.
    """
    inner: Any = getattr(context, "_ctx", None)
    own = getattr(inner, "sslsocket_class", None)
    if not isinstance(own, type) or not issubclass(own, ssl.SSLSocket):
        return
    if own is not ssl.SSLSocket and own.__bases__ == (ssl.SSLSocket,):
        changed = {name for name in vars(own) if hasattr(ssl.SSLSocket, name)}
        if {name for name in changed if not name.startswith("__")} <= {"do_handshake"}:
            inner.sslsocket_class = type(own.__name__, (own, _SOCKET), {})


def replaced_by(found: object) -> str:
    """Return a sentence about who has replaced ssl, given the context or socket that is in place of ssl's."""
    kind = type(found)
    package = kind.__module__.partition(".")[0]
    if kind.__module__.startswith("urllib3.contrib."):
        package = kind.__module__
    return (
        f"{package} has replaced the TLS of Python, and {kind.__module__}.{kind.__qualname__} can't be used"
        " here. Make the client in a process in which it has not; verify= names a file of CAs"
    )


_resumed: ContextVar[ssl.SSLSession | None] = ContextVar("scramjet_tls_session", default=None)


class Sessions:
    """The TLS session of one pool that its next connection resumes, which spares both sides the certificates.

    All connections of a pool have one host, whose certificate was checked when the session began. A session belongs to
    its context, so that other or changed certificates begin another one.
    """

    def __init__(self) -> None:
        self._newest: weakref.ref[DuplexSSLSocket] | None = None
        self._session: tuple[ssl.SSLContext, ssl.SSLSession] | None = None
        # Guards both. A signal's handler may make a connection meanwhile.
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def used(self, context: ssl.SSLContext) -> Iterator[None]:
        """Resume the session in the handshakes of the block, if it is of this context."""
        with self._lock:
            # The ticket comes with the first data, so only now it is known.
            newest = None if self._newest is None else self._newest()
            session = None if newest is None else newest.resumable()
            if newest is not None and session is not None:
                self._session = (newest.context, session)
            kept = self._session
        token = _resumed.set(kept[1] if kept is not None and kept[0] is context else None)
        try:
            yield
        finally:
            _resumed.reset(token)

    def made(self, sock: object) -> None:
        """Learn of a new connection. One that checks certificates in its own way does so each time."""
        if type(sock) is DuplexSSLSocket:
            with self._lock:
                self._newest = weakref.ref(sock)


class ContextCache:
    """The TLS contexts of one pool: one for each set of certificates, shared by its connections.

    Loading a bundle of CAs takes tens of milliseconds and half a megabyte. A context keeps trusting every CA that
    was ever loaded into it, so other settings, or changed files, get another context.
    """

    def __init__(self) -> None:
        self._contexts: dict[tuple[Any, ...], ssl.SSLContext] = {}
        # Held while a context is made, so that many connections at once make only one. A signal's handler may need it.
        self._lock = threading.RLock()

    def context_for(self, connection: HTTPSConnection) -> ssl.SSLContext:
        """Return the context for a connection's settings.

        Raises:
            ssl.SSLError: A certificate file can't be used.
        """
        settings = (
            connection.cert_reqs,
            connection.ca_certs,
            connection.ca_cert_dir,
            connection.cert_file,
            connection.key_file,
            connection.key_password,
        )
        key = (*settings, *map(_changed_at, settings[1:5]))
        with self._lock:
            if key not in self._contexts:
                self._contexts[key] = _loaded(*settings)
            return self._contexts[key]


def _changed_at(path: Any) -> float | None:
    try:
        return None if path is None else os.stat(path).st_mtime
    except OSError:
        return None


def _loaded(cert_reqs: Any, ca_certs: Any, ca_cert_dir: Any, *client: Any) -> ssl.SSLContext:
    context = duplex_context(cert_reqs)
    try:
        if ca_certs is not None or ca_cert_dir is not None:
            context.load_verify_locations(ca_certs, ca_cert_dir)
        if client[0] is not None:
            context.load_cert_chain(*client)
    except OSError as error:
        raise ssl.SSLError(str(error)) from error
    return context
