"""Many output streams read by one thread.

    with Multiplexer(instance.get_stream("output") for instance in instances) as multiplexer:
        for stream, lines in multiplexer:
            ...

One `select` waits for all streams, and each stream that has data is read once in its turn. The beginning of a
line is kept until the rest comes: the memory is one buffer, and these beginnings.
"""

from __future__ import annotations

import contextlib
import io
import queue
import select
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Optional

from scramjet_client._base import Closing, public
from scramjet_client._common.clock import monotonic
from scramjet_client._common.tracebacks import Shortening
from scramjet_client.errors import (
    LineTooLongError,
    NoThreadError,
    ScramjetError,
    StreamBusyError,
    StreamError,
)
from scramjet_client.http.durations import interval
from scramjet_client.http.exchange import READ_SIZE, WaitEnded
from scramjet_client.http.interrupts import longest_part
from scramjet_client.http.threads import start_thread, thread_needed
from scramjet_client.streams.lines import LineSplitter
from scramjet_client.streams.output import OutputStream, lend, reclaim

EndHook = Callable[[OutputStream, Optional[ScramjetError]], object]
"""Called with a stream that has ended, and with its error, or None."""


@public
class Multiplexer(Closing):
    """Reads many output streams, of any number of hubs, on the thread that iterates it.

    Iterating gives `(stream, lines)` as data comes: lines of `bytes` without their ends, as from
    `OutputStream.lines`, and never an empty list. Every stream that has data gets its turn before any gets a second
    one. While the loop's body runs, nothing is read, and the hubs hold the programs back.

    A stream that has ended is closed and removed. If it ended with an error, the loop raises the error, unless you
    give `on_end`, which hears of every end. A new loop continues with the other streams. The loop ends when no
    stream is left.

    While a stream is in here, you can't read it in another way (`StreamBusyError`). You may call `add`, `remove` and
    `close` from any thread, even during the loop; the `close` of a stream too.

    Args:
        streams: The first streams.
        limit: Most bytes of a line; a stream with a longer one ends with `LineTooLongError`.
        on_end: Called on the iterating thread with each stream that has ended and its error, or None.
        until_closed: Whether the loop waits for more streams when none is left, until `close`.
        tick: Seconds between two checks of silent streams: of their limits and their instances.
    """

    def __init__(
        self,
        streams: Iterable[OutputStream] = (),
        *,
        limit: int = 1 << 20,
        on_end: EndHook | None = None,
        until_closed: bool = False,
        tick: float = 1.0,
    ) -> None:
        if isinstance(streams, OutputStream) or not isinstance(streams, Iterable):
            raise TypeError(f"streams must be a list of streams, not {type(streams).__name__}")
        self._tick_every = interval("tick", tick)
        # Ctrl-C ends no wait for sockets on Windows.
        self._longest = longest_part()
        self._limit = limit
        self._on_end = on_end
        self._until_closed = until_closed
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._members: dict[OutputStream, Member] = {}
        self._ready: deque[Member] = deque()
        self._selector = selectors.DefaultSelector()
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        # Requests of other threads to the iterating one; a deque adds and removes atomically.
        self._orders: deque[Callable[[], object]] = deque()
        # Held by the iterating thread, _iterating, or by a thread that carries out an order while none iterates.
        self._turn = threading.Lock()
        self._iterating: int | None = None
        # Guards _members, _closed and the start of iterating, which any thread may change.
        self._lock = threading.RLock()
        self._closed = False
        self._hooks = HookThread()
        self._next_tick = monotonic() + self._tick_every
        try:
            for stream in streams:
                self.add(stream)
        except BaseException:
            for stream in list(self._members):
                self.remove(stream)
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Multiplexer of {len(self)} streams>"

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, stream: object) -> bool:
        return stream in self._members

    def add(self, stream: OutputStream) -> None:
        """Read this stream too, from its present position.

        Raises:
            StreamBusyError: Another reader is using the stream.
            ValueError: The stream is closed or its answer is compressed, so it can't be waited for; or this is closed.
        """
        if not isinstance(stream, OutputStream):
            raise TypeError(
                f"a stream must be an OutputStream, as get_stream() returns, not {type(stream).__name__}"
            )
        member = Member(stream, self._limit, lambda: self._order(lambda: self._wake(member)))
        with self._lock:
            closed = self._closed
            if not closed:
                self._members[stream] = member
        if closed:
            member.leave()
            raise ValueError("the multiplexer is closed")
        self._order(lambda: self._enter(member))

    def remove(self, stream: OutputStream) -> None:
        """Stop reading this stream and leave it open: you can continue to read it in other ways.

        The stream gets back the beginning of an unfinished line. If another thread iterates, this takes effect at
        its next turn.

        Raises:
            ValueError: The stream is not in here.
        """
        with self._lock:
            member = self._members.pop(stream, None)
        if member is None:
            raise ValueError(f"{stream!r} is not in here")
        self._order(lambda: self._leave(member))

    def close(self) -> None:
        """End the loop and close all streams that are in here."""
        with self._lock:
            self._closed = True
        self._order(self._close)

    # -- the thread that iterates -----------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[OutputStream, list[bytes]]]:
        with self._lock:
            if self._iterating is not None:
                raise StreamBusyError("this multiplexer is being iterated already")
            self._iterating = threading.get_ident()
        try:
            # Another thread may hold the lock while it carries out an order.
            with Shortening(), self._turn:
                yield from self._batches()
        finally:
            self._iterating = None
            # An order may have come just before.
            self._obey()

    def _batches(self) -> Iterator[tuple[OutputStream, list[bytes]]]:
        while self._more():
            turn, now = self._with_something()
            for member in turn:
                if member.left:
                    continue
                lines = member.read(self._buffer, now)
                if lines:
                    yield member.stream, lines
                if member.ended and not member.left:
                    self._report(member)
                elif member.more:
                    self._ready.append(member)

    def _order(self, order: Callable[[], object]) -> None:
        """Have the iterating thread do something, or do it here if no thread iterates."""
        self._orders.append(order)
        if self._iterating == threading.get_ident():
            # This call comes from the loop's body.
            self._carry_out()
            return
        with contextlib.suppress(OSError):
            self._button.send(b"!")
        self._obey()

    def _obey(self) -> None:
        while self._orders and self._turn.acquire(blocking=False):
            try:
                self._carry_out()
            finally:
                self._turn.release()

    def _carry_out(self) -> None:
        while self._orders:
            self._orders.popleft()()

    def _more(self) -> bool:
        self._carry_out()
        return not self._closed and (bool(self._members) or self._until_closed)

    def _with_something(self) -> tuple[list[Member], float]:
        """Wait for data of a stream, or for an order; return the streams whose turn it is, and the time."""
        wait = max(self._next_tick - monotonic(), 0)
        if self._longest is not None:
            wait = min(wait, self._longest)
        found = self._select(0 if self._ready else wait)
        turn = dict.fromkeys(self._ready)
        self._ready.clear()
        for key, _ in found:
            if key.data is None:
                self._answer_bell()
            else:
                turn[key.data] = None
        now = monotonic()
        if now >= self._next_tick:
            self._tick(now)
        return list(turn), now

    def _select(self, wait: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for data; a member whose descriptor another thread has closed gets its turn, and finds that."""
        try:
            return self._selector.select(wait)
        except OSError:
            # Where there is only `select`, it refuses the whole list for a closed descriptor; polls pass over it.
            closed = [key for key in self._selector.get_map().values() if not usable(key)]
            if not closed:
                raise
            for key in closed:
                self._selector.unregister(key.fd)
            return [(key, selectors.EVENT_READ) for key in closed]

    def _answer_bell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._bell.recv(4096):
                pass
        self._carry_out()

    def _has(self, member: Member) -> bool:
        return self._members.get(member.stream) is member

    def _report(self, member: Member) -> None:
        with self._lock:
            self._members.pop(member.stream, None)
        self._leave(member)
        member.stream.close()
        if self._on_end is not None:
            self._on_end(member.stream, member.error)
        elif member.error is not None:
            raise member.error

    def _tick(self, now: float) -> None:
        self._next_tick = now + self._tick_every
        for member in list(self._members.values()):
            if member.overdue(now):
                self._wake(member)
            elif member.hook_due(now):
                self._hooks.ask(member, partial(self._order, partial(self._wake, member)))

    def _enter(self, member: Member) -> None:
        if self._has(member):
            if member.descriptor >= 0:
                # A member that was closed elsewhere, and has not left yet, may have had this descriptor.
                with contextlib.suppress(KeyError):
                    self._selector.unregister(member.descriptor)
                self._selector.register(member.descriptor, selectors.EVENT_READ, member)
            # Data of it that has been read before will never wake a wait.
            self._ready.append(member)

    def _wake(self, member: Member) -> None:
        if self._has(member):
            self._ready.append(member)

    def _leave(self, member: Member) -> None:
        key = self._selector.get_map().get(member.descriptor)
        if key is not None and key.data is member:
            self._selector.unregister(member.descriptor)
        member.leave()

    def _close(self) -> None:
        with self._lock:
            members, self._members = list(self._members.values()), {}
        for member in members:
            self._leave(member)
            member.stream.close()
        self._hooks.close()
        self._selector.close()
        self._bell.close()
        self._button.close()


class Member:
    """One stream, which no other reader may use while it is a member.

    Attributes:
        descriptor: The descriptor to wait for, -1 if all data has come.
        more: Whether data may be left that wakes no wait: read with the last data, but not given yet.
        ended: Whether it has no more data; `error` is the reason, if not the hub's end of stream.
        left: Whether it has stopped being a member.
    """

    def __init__(self, stream: OutputStream, limit: int, on_close: Callable[[], object]) -> None:
        self.stream = stream
        self.more: bool = False
        self.ended: bool = False
        self.left: bool = False
        self.error: ScramjetError | None = None
        self._splitter = LineSplitter(repr(stream), keep_ends=False, limit=limit)
        self._last = monotonic()
        self._first = True
        self.hook_runs: bool = False
        self._outcome: Exception | None = None
        self.descriptor: int
        self._reader = lend(stream, on_close)
        try:
            self._check(stream)
        except BaseException:
            reclaim(stream)
            raise
        self.descriptor, self._idle_limit = self._reader.exchange.begin_polling()

    def _check(self, stream: OutputStream) -> None:
        if stream.closed:
            raise ValueError(f"{stream!r} is closed")
        if not self._reader.live:
            raise ValueError(
                f"{stream!r} can't be waited for: its answer has not begun, or is compressed"
            )

    def read(self, buffer: memoryview, now: float) -> list[bytes]:
        """Return the whole lines that have come, without waiting; check the attributes afterwards."""
        try:
            data = self._data(buffer)
        except ScramjetError as error:
            self.ended, self.error = True, error
            if isinstance(error, StreamError):
                error.partial = self._splitter.begun
            return []
        self.more = data is not None and self._reader.pending
        if data is None:
            return []
        if data:
            if not self._reader.exchange.heard_noise:
                # A finding about the earlier silence is too late now: new data has come.
                self._last, self._outcome = now, None
            lines, too_long = self._splitter.split_now(data)
            if too_long is not None:
                # The line after these.
                self.ended, self.error = True, too_long
            return lines
        self.ended = True
        try:
            last = self._splitter.last()
        except LineTooLongError as error:
            self.error = error
            return []
        return [last] if last else []

    def _data(self, buffer: memoryview) -> bytes | None:
        """Return the data that has come, b"" at the end, None if nothing has."""
        try:
            data = self._take_first() if self._first else self._reader.take()
        except BlockingIOError:
            return self._nothing()
        if data is not None:
            return data
        count = self._reader.readinto(buffer)
        return self._nothing() if count is None else bytes(buffer[:count])

    def _take_first(self) -> bytes | None:
        """Return the data that the stream's other readers have left in its buffer; it comes first."""
        self._first = False
        try:
            size = len(io.BufferedReader.peek(self.stream))
            if size:
                return io.BufferedReader.read1(self.stream, size)
        except ValueError:
            # Closed by another thread before this first turn; the reader knows the right error for it.
            if not self.stream.closed:
                raise
        return self._reader.take()

    def _nothing(self) -> bytes | None:
        """Return b"" at the end, None to wait on; raise a pending timeout or error."""
        outcome = self._outcome
        if outcome is None:
            return None
        if isinstance(outcome, WaitEnded):
            self._reader.exchange.fail(outcome)
            return b""
        raise outcome if isinstance(outcome, ScramjetError) else self._reader.ending(outcome)

    def overdue(self, now: float) -> bool:
        """Return whether it was silent beyond its limit; the next read without data reports that."""
        overdue = self._idle_limit is not None and now - self._last >= self._idle_limit
        if overdue:
            self._outcome = socket.timeout("timed out")
        return overdue

    def hook_due(self, now: float) -> bool:
        """Return whether to call the hook of its exchange, which may find that the stream has ended."""
        exchange = self._reader.exchange
        return (
            exchange.on_idle is not None
            and not self.hook_runs
            and now - self._last >= exchange.poll
        )

    def call_hook(self) -> None:
        """Call the hook of its exchange, on a thread that may wait; the next read without data uses the result."""
        on_idle = self._reader.exchange.on_idle
        try:
            if on_idle is not None:
                on_idle(monotonic() - self._last)
        except (WaitEnded, ScramjetError) as outcome:
            self._outcome = outcome
        finally:
            self.hook_runs = False

    def leave(self) -> None:
        """Give the stream back to its other readers, with the beginning of a line that was read."""
        if self.left:
            return
        self.left = True
        self._reader.exchange.end_polling(self._idle_limit)
        reclaim(self.stream, self._splitter.take_back())


def usable(key: selectors.SelectorKey) -> bool:
    """Return whether the system can still wait for a descriptor."""
    try:
        select.select([key.fd], [], [], 0)
    except OSError:
        return False
    return True


class HookThread:
    """The thread that calls the hooks of silent streams, so that a slow hub does not delay other streams.

    It is a daemon, `scramjet-watch-N`, and runs from the first call until `close`.
    """

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Optional[tuple[Member, Callable[[], object]]]] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None

    def ask(self, member: Member, then: Callable[[], object]) -> None:
        """Have that thread call the hook of a member, and then `then`."""
        member.hook_runs = True
        if self._thread is None:
            try:
                needed = partial(thread_needed, "a look at silent streams")
                self._thread = start_thread("scramjet-watch", self._run, needed=needed)
            except NoThreadError:
                # The other streams wait for it.
                member.call_hook()
                then()
                return
        self._asked.put((member, then))

    def _run(self) -> None:
        for member, then in iter(self._asked.get, None):
            member.call_hook()
            then()

    def close(self) -> None:
        """End the thread, after its current call."""
        self._asked.put(None)
