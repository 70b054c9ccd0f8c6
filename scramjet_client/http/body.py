"""BodyWriter: the background thread that writes the body of an upload."""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from urllib3.util import wait_for_write

from scramjet_client._base import safe_repr, tell_aside, without_callers
from scramjet_client._common.clock import monotonic
from scramjet_client.errors import UploadError
from scramjet_client.http import forks
from scramjet_client.http.contexts import in_context
from scramjet_client.http.durations import LONGEST_WAIT
from scramjet_client.http.threads import upload_thread_needed
from scramjet_client.http.tls import DUPLEX

_DONT_WAIT: int = getattr(socket, "MSG_DONTWAIT", 0)
_PROMPT = sys.platform.startswith("linux") and _DONT_WAIT != 0
"""Whether a send with that flag never waits. macOS heeds it only for reads, and Windows does not have it."""

_MOMENT = 0.05
"""Seconds in which a source that has something gives it."""

_SURE = 2048
"""Bytes for which every system has room where a wait says that a socket can be written to."""

_WORTH_SCATTERING = 16384
"""Bytes from which on a frame's parts go to the socket one by one, without being joined."""


def shut(sock: socket.socket | Recorded) -> None:
    """Shut a socket down both ways, below TLS; shutting down only the read side leaves writers stuck."""
    # The sockets of some mocks can't be shut down.
    with contextlib.suppress(OSError, AttributeError):
        sock.shutdown(socket.SHUT_RDWR)
    if type(sock).__module__.startswith("eventlet."):
        _let_eventlet_see(sys.modules["eventlet"])


def _let_eventlet_see(eventlet: Any) -> None:
    """Let eventlet ask the system about its sockets once.

    It wakes nobody who waits for a socket that is closed before that. The first turn may come before the question.
    """
    with contextlib.suppress(AssertionError):  # its own loop, which may collect garbage, can't wait
        eventlet.sleep(0)
        eventlet.sleep(0)


class ForkedSourceError(RuntimeError):
    """The code of a source or of a progress hook has gone on in a fork, whose connection is that of its parent."""


class BodySource(Protocol):
    """The source of a `BodyWriter`: non-empty pieces, and `close()` when no more are wanted."""

    @property
    def whole(self) -> memoryview | None:
        """The whole body if it is in memory; a mock may look at it before it answers."""

    def __iter__(self) -> Iterator[bytes | memoryview]: ...
    def close(self) -> None:
        """Release the source."""


class Recorded:
    """Takes a body in place of a socket if a mock answered the request, because a mock has no socket.

    Args:
        ended: Called with the whole body at its end.
    """

    def __init__(self, ended: Callable[[bytes], object]) -> None:
        self._ended = ended
        self._body: list[bytes] = []

    def take(self, frame: tuple[bytes | memoryview, ...]) -> None:
        """Take one frame: the size, the piece and a line end, or only the final chunk."""
        if len(frame) > 1:
            self._body.append(bytes(frame[1]))
        else:
            self._ended(b"".join(self._body))

    def shutdown(self, _how: int) -> None:
        """Do nothing; a mock has no connection to cut."""


class BodyWriter:
    """Writes the chunked body of an upload on a daemon thread, `scramjet-upload-N`.

    Small pieces that are ready together are sent together (see `Gathering`, which may have a thread too).

    The thread starts when the head of the first request has been sent. It ends when the source has ended or
    raised, or after `abort()`. A source that blocks for ever keeps the thread, so it is a daemon.

    It writes to the socket that it was given, never to a connection's current one. http.client drops its socket
    on `Connection: close` and opens a new one for the next request, which late chunks would corrupt.

    The caller's code, which runs on this thread, may fork. The child's copy of the thread writes and ends nothing: it
    leaves with the exception of that code, or with `ForkedSourceError`, and the child ends with it.

    Attributes:
        bytes_sent: Bytes of the source that have been sent.
        error: The exception of the source or the socket, else None.
        blamed: The caller's part that raised `error`: "source", "progress hook", or "" for neither.
    """

    _numbers = itertools.count(1)

    def __init__(
        self,
        source: BodySource,
        *,
        stall_limit: float | None = None,
        size_limit: int | None = None,
        gather: bool = True,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        number = next(self._numbers)
        self._name = f"scramjet-upload-{number}"
        self._gathering = Gathering(self._chunk, self._broken, f"scramjet-flush-{number}")
        self._put = self._gathering.put if gather else self._chunk
        self.bytes_sent: int = 0
        self.error: BaseException | None = None
        self.blamed: str = ""
        self._source: BodySource | None = source
        self._pull: Iterator[bytes] = iter(())
        self._stall_limit = stall_limit
        self._size_limit = size_limit
        self._carried = 0  # bytes of the source in the current request
        self._progress = progress
        self._on_end: Callable[[], None] | None = None
        self._on_abort: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._process = forks.process
        self._sock: socket.socket | Recorded | None = None
        self._left: socket.socket | Recorded | None = None  # the last request's, between two
        self._held: object = None
        self._aborted = False
        self._ended = False
        self._whole = False
        # Guards changes of _sock, _left, _aborted and _ended, and is notified of each.
        self._changed = threading.Condition()
        # Held while one frame is written to the socket: a roll-over must not cut a frame in two.
        self._frame = threading.Lock()

    def observe(self, *, on_end: Callable[[], None], on_abort: Callable[[], None]) -> None:
        """Have the writing thread call `on_end` at its end, and the aborting thread call `on_abort`."""
        self._on_end, self._on_abort = on_end, on_abort

    @property
    def finished(self) -> bool:
        """Whether the whole body, final chunk included, has been sent."""
        return self._whole and self.error is None

    @property
    def ended(self) -> bool:
        """Whether the thread has finished with the source, however it ended."""
        return self._ended

    @property
    def waits_for_source(self) -> bool:
        """Whether the next step is the source's, so that nobody else holds the body back."""
        return not (self._frame.locked() or self._ended)

    @property
    def recorded(self) -> bool:
        """Whether a mock has answered; there is no connection then."""
        return isinstance(self._sock, Recorded)

    @property
    def connected(self) -> bool:
        """Whether a connection of this package carries the body now; with a mock there is none."""
        return self._sock is not None and not self.recorded

    @property
    def between_requests(self) -> bool:
        """Whether a roll-over ended the last request's body, and the rest needs another request."""
        return self._sock is None and not self._aborted and self.error is None

    def is_idle(self) -> bool:
        """Watch it for a moment, and return whether it has nothing to send: its source has ended, or gives nothing."""
        before = self.bytes_sent
        over = self.finished or self.join(_MOMENT)
        return over or (self.waits_for_source and self.bytes_sent == before)

    def body(self) -> bytes | Iterator[bytes]:
        """Return the body for mocks, and for a user's own adapters, which take it from the request.

        A connection of this package attaches itself instead.
        """
        whole = None if self._source is None else self._source.whole
        if whole is not None and isinstance(whole.obj, bytes) and len(whole.obj) == len(whole):
            return whole.obj
        self._pull = self._pulled()
        return self._pull

    def record(self, ended: Callable[[bytes], object]) -> None:
        """Read the body without a connection, and pass it to `ended`; see `Recorded`."""
        if self._thread is None and self._source is None:
            # Another reader has begun already.
            for _ in self._pull:
                pass
        else:
            self.attach(Recorded(ended))

    def _pulled(self) -> Iterator[bytes]:
        """Give the source's pieces to another reader, who reads them on its own thread."""
        with self._changed:
            source, self._source = self._source, None
        if source is None:
            raise RuntimeError("the body of this request has been read already")
        try:
            for piece in source:
                self._check_process()
                if self._aborted:
                    return
                self._count(piece)
                data = bytes(piece)
                del piece
                yield data
            self._check_process()
            self._whole = True
        except BaseException as error:
            self.error, self.blamed = error, self.blamed or "source"
            raise
        finally:
            if not self._is_fork:
                self._end(source)
        self._check_process()

    def attach(self, sock: socket.socket | Recorded) -> None:
        """Write to `sock` from now on; the head of its request has been sent."""
        with self._changed:
            self._sock, self._left, self._carried = sock, None, 0
            self._changed.notify_all()
            if self._aborted:
                return
            if self._ended and self.error is not None:
                # It failed between two requests.
                shut(sock)
                return
            self._hold(sock)
            if self._thread is not None:
                return
            with upload_thread_needed():
                self._thread = threading.Thread(
                    target=in_context(self._run), name=self._name, daemon=True
                )
        try:
            with upload_thread_needed():
                self._thread.start()
        except UploadError:
            if threading.main_thread().is_alive():
                self._thread = self._held = None
                raise
            # Python 3.12.0 and 3.12.1 start no thread during the interpreter's end: sending late is better than losing.
            self._run()

    def _hold(self, sock: socket.socket | Recorded) -> None:
        """Keep a socket's descriptor until the thread has finished with it.

        http.client and urllib3 close the descriptor after an interrupt. A thread that is blocked in a closed
        descriptor never wakes, not even by a later shutdown. TLS sockets keep their own.
        """
        if not isinstance(sock, (*DUPLEX, Recorded)):
            # The sockets of mocks have no descriptor, or can't be asked like this.
            with contextlib.suppress(AttributeError, TypeError):
                self._held = sock.makefile("rb", 0)

    def roll_over(self) -> None:
        """End the body of the current request; the next piece waits for another `attach`."""
        with self._frame:
            with self._changed:
                sock, over = self._sock, self._whole or self._ended or self._aborted
                if sock is None or over:
                    return
                self._sock, self._left = None, sock
            # If the connection broke meanwhile, the thread that awaits its answer finds out.
            with contextlib.suppress(OSError):
                self._send(sock, b"0\r\n\r\n")

    def abort(self) -> None:
        """Stop writing; the thread ends when the source gives its next piece."""
        if self._is_fork:
            # After a fork, the thread and the socket belong to the parent.
            return
        with self._changed:
            self._aborted = True
            sock, unused = self._sock, self._thread is None
            self._changed.notify_all()
        self._gathering.close()
        if sock is not None and not self._whole:
            shut(sock)
        if unused and self._source is not None:
            self._source.close()
        if self._on_abort is not None:
            self._on_abort()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the thread has finished with the source; return whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, timeout)

    def _run(self) -> None:
        # Only the thread holds the source now: a user who keeps an upload does not keep its data.
        source, self._source = self._source, None
        assert source is not None
        try:
            self._pump(source)
        except BaseException as error:  # kept, and raised to the thread that waits for the upload
            if self._is_fork:
                raise
            # Of this thread's calls, the source's own matter to those who read the traceback.
            error.__traceback__ = without_callers(error.__traceback__)
            self.error = self.error or error
        if self._is_fork:
            return
        self._gathering.close()
        self._end(source)
        if self._is_fork:
            return
        with self._changed:
            sock = self._sock or self._left
        if self.error is not None and sock is not None:
            # The missing final chunk tells the hub that this is not the end of the input. It comes last, so that
            # a thread that it wakes finds the reason.
            shut(sock)

    def _pump(self, source: BodySource) -> None:
        pieces, process = iter(source), self._process
        while True:
            try:
                piece = next(pieces)
            except StopIteration:
                break
            except BaseException:
                self.blamed = "source"
                raise
            # Asked for each item, so without a call.
            if process is not forks.process:
                self._check_process()
            if self.error is not None or not self._put(piece):
                return
            # The source can't change the size of its buffer as long as somebody looks at it.
            del piece
        if not self._is_fork and self._gathering.flush():
            self._write(b"0\r\n\r\n", last=True)

    @property
    def _is_fork(self) -> bool:
        return self._process is not forks.process

    def _check_process(self) -> None:
        if self._is_fork:
            raise ForkedSourceError(
                "a fork of this process was made while it sent data, and the fork has gone on with it; only the parent"
                " sends: end the fork before, as multiprocessing does"
            )

    def _chunk(self, piece: bytes | memoryview) -> bool:
        """Write a piece, as one chunk unless it is too large for the request; return False after an abort."""
        limit = self._size_limit
        while limit is not None and self._carried + len(piece) > limit and not self.recorded:
            room = _between_characters(piece, limit - self._carried)
            if room and not self._one_chunk(memoryview(piece)[:room]):
                return False
            piece = memoryview(piece)[room:]
            self.roll_over()
            if not self._wait_for_request():
                return False
        return self._one_chunk(piece)

    def _one_chunk(self, piece: bytes | memoryview) -> bool:
        done = self._write(b"%x\r\n" % len(piece), piece, b"\r\n")
        if done:
            self._carried += len(piece)
            self._count(piece)
        return done

    def _count(self, piece: bytes | memoryview) -> None:
        self.bytes_sent += len(piece)
        if self._progress is None:
            return
        try:
            self._progress(self.bytes_sent)
        except BaseException:
            self.blamed = "progress hook"
            raise
        self._check_process()

    def _broken(self, error: BaseException) -> None:
        """Called by the flushing thread, while the source may be waiting for something."""
        if self._is_fork:
            raise error
        self.error = error
        sock = self._sock
        if sock is not None:
            shut(sock)

    def _end(self, source: BodySource) -> None:
        try:
            source.close()
        except BaseException as error:
            if self.error is None and not self._whole:
                self.error, self.blamed = error, "source"
            else:
                tell_aside(f"a source could not be closed: {safe_repr(error)}")
        if self._is_fork:
            return
        with self._changed:
            self._ended = True
            # If the socket was closed meanwhile, this closes its descriptor.
            self._held = None
            self._changed.notify_all()
        if self._on_end is not None:
            self._on_end()

    def _write(self, *frame: bytes | memoryview, last: bool = False) -> bool:
        """Write one frame to the current socket, and wait for a socket between two requests; False means aborted."""
        while True:
            with self._frame:
                # Only a roll-over takes the socket away, and never during a frame.
                sock = self._sock
                if self._aborted:
                    return False
                if sock is not None:
                    # Set before the send, because the hub may answer before this thread runs again.
                    self._whole = last
                    self._send(sock, *frame)
                    return True
            self._wait_for_request()

    def _wait_for_request(self) -> bool:
        """Wait until a request carries the body; return False after an abort."""
        limit = self._stall_limit
        wait = None if limit is None or limit > LONGEST_WAIT else limit
        with self._changed:
            if not self._changed.wait_for(lambda: self._sock is not None or self._aborted, wait):
                raise _stalled(limit)
            return not self._aborted

    def _send(self, sock: socket.socket | Recorded, *frame: bytes | memoryview) -> None:
        if isinstance(sock, Recorded):
            sock.take(frame)
            return
        parts: Sequence[bytes | memoryview] = frame
        if len(frame) < 2 or len(frame[1]) < _WORTH_SCATTERING or not self._scatters(sock):
            parts = (b"".join(frame),)
        size, sent = sum(map(len, parts)), self._send_some(sock, parts)
        if sent == size:
            return
        views = [memoryview(part) for part in parts]
        while views:
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if views:
                views[0] = views[0][sent:]
                sent = self._send_some(sock, views)

    @staticmethod
    def _scatters(sock: socket.socket) -> bool:
        return not isinstance(sock, DUPLEX) and hasattr(sock, "sendmsg")

    def _send_some(self, sock: socket.socket, parts: Sequence[bytes | memoryview]) -> int:
        """Send at least one byte; return how many bytes of the parts were sent."""
        if self._stall_limit is not None:
            return self._send_within(self._stall_limit, sock, parts)
        while True:
            try:
                if isinstance(sock, DUPLEX):
                    return sock.write_within(None, parts[0])
                return _send_some(sock, parts, 0)
            except (BlockingIOError, socket.timeout):
                # The reading thread sets this socket's time limit for its own reads.
                wait_for_write(sock)

    def _send_within(
        self, limit: float, sock: socket.socket, parts: Sequence[bytes | memoryview]
    ) -> int:
        deadline = monotonic() + limit
        while True:
            remaining = deadline - monotonic()
            if remaining <= 0:
                raise _stalled(limit)
            remaining = min(remaining, LONGEST_WAIT)
            # A send that hits the reading thread's limit proves nothing: only how long an upload may stall counts.
            with contextlib.suppress(BlockingIOError, socket.timeout):
                if isinstance(sock, DUPLEX):
                    return sock.write_within(remaining, parts[0])
                # Wait here, because a send itself waits as long as the socket's own limit.
                if wait_for_write(sock, remaining):
                    if not _PROMPT:
                        return sock.send(parts[0][:_SURE], _DONT_WAIT)
                    return _send_some(sock, parts, _DONT_WAIT)


def _stalled(limit: float | None) -> TimeoutError:
    return TimeoutError(f"the hub took nothing for {limit:g} s (Timeouts.write)")


def _between_characters(data: bytes | memoryview, size: int) -> int:
    """Return where to cut data: before `size` if that is within a character; hubs decode the body of each request."""
    for end in range(size, max(size - 4, -1), -1):
        if data[end] & 0xC0 != 0x80:
            return end
    return size


def _send_some(sock: socket.socket, parts: Sequence[bytes | memoryview], flags: int) -> int:
    """Send some of the parts; return how many bytes were taken."""
    if len(parts) > 1:
        count: int = getattr(sock, "sendmsg")(parts, [], flags)  # noqa: B009 - Windows has none
        return count
    return sock.send(parts[0], flags)


ENOUGH = 65536
"""The most bytes that are sent together."""

_PAUSE = 0.000025
"""Seconds after the last write within which a piece is part of a burst: many times what a generator needs for an
item, and a part of what a round trip needs."""

_HOLD = 0.0005
"""Seconds that a piece is held: half of the promised time, because a thread does not wake up on time."""


class Gathering:
    """Holds pieces for one writing thread.

    Args:
        write: Writes bytes, waiting as long as necessary; returns whether it did.
        failed: Called with an error that `write` raised on the flushing thread.
        name: Name of that thread.
        clock: The clock for pauses and holds, in seconds.
        hold: Seconds that a piece is held.
    """

    def __init__(
        self,
        write: Callable[[bytes | memoryview], bool],
        failed: Callable[[BaseException], None],
        name: str,
        clock: Callable[[], float] = time.perf_counter,
        hold: float = _HOLD,
    ) -> None:
        self._write = write
        self._failed = failed
        self._name = name
        self._clock = clock
        self._hold = hold
        self._held: list[bytes] = []
        self._size = 0
        self._since = 0.0
        self._over = False
        self._wrote_at = float("-inf")
        self._thread: threading.Thread | None = None
        # Guards _held, _size, _since and _over; used directly, because a Condition's own way to it takes half the time
        # of `put`. A signal handler may close this while its own thread does.
        self._lock = threading.RLock()
        # Notified when the first piece is held, and at the end.
        self._changed = threading.Condition(self._lock)
        # Held from taking pieces out until they are written: two flushes must not swap their data.
        self._writing = threading.Lock()

    def put(self, piece: bytes | memoryview) -> bool:
        """Write a piece, now or soon; return False if writing is over.

        Only one thread may call this.
        """
        now = self._clock()
        at_once = not self._held and (now - self._wrote_at > _PAUSE or len(piece) >= ENOUGH)
        if at_once or (self._thread is None and not self._start()):
            with self._writing:
                done = self._write(piece)
                self._wrote_at = self._clock()
            return done
        with self._lock:
            if not self._held:
                self._since = now
                self._changed.notify()
            # A copy, because the source may use the buffer again; bytes are not copied.
            self._held.append(piece if type(piece) is bytes else bytes(piece))
            self._size += len(piece)
            full = self._size >= ENOUGH or now - self._since > self._hold
        return self.flush() if full else True

    def flush(self) -> bool:
        """Write the held pieces; return False if writing is over."""
        with self._writing:
            with self._changed:
                held, self._held, self._size = self._held, [], 0
            if not held:
                return True
            done = self._write(held[0] if len(held) == 1 else b"".join(held))
            self._wrote_at = self._clock()
            return done

    def close(self) -> None:
        """End the thread; held pieces are not written."""
        with self._changed:
            self._over = True
            self._changed.notify()

    def _start(self) -> bool:
        """Start the flushing thread at the first burst; return whether it runs."""
        if not threading.main_thread().is_alive():
            # During the interpreter's end, Python 3.12.0 and 3.12.1 refuse to start threads.
            return False
        try:
            self._thread = threading.Thread(
                target=in_context(self._watch), name=self._name, daemon=True
            )
            self._thread.start()
        except RuntimeError:
            # Without it, each piece is sent by itself.
            self._thread = None
            return False
        return True

    def _watch(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._held or self._over)
                    if self._over:
                        return
                    since = self._since
                    remaining = since + self._hold - self._clock()
                    if remaining > 0:
                        self._changed.wait(remaining)
                    due = self._held and self._since == since
                if due and not self.flush():
                    return
        except BaseException as error:
            self._failed(error)
