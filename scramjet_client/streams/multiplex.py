"""Many output streams read by one thread.

    with Multiplexer(instance.get_stream("output") for instance in instances) as multiplexer:
        for stream, lines in multiplexer:
            ...

One `select` waits for all of them, each that has something is read once in its turn, and what a stream has
besides whole lines is kept until the rest of its line comes: memory is one buffer, and the begun lines.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import queue
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Optional

from scramjet_client._base import Closing, public
from scramjet_client.errors import LineTooLongError, ScramjetError, StreamBusyError
from scramjet_client.http.durations import interval
from scramjet_client.http.exchange import READ_SIZE, WaitEnded
from scramjet_client.streams.lines import LineSplitter
from scramjet_client.streams.output import OutputStream

EndHook = Callable[[OutputStream, Optional[ScramjetError]], object]
"""Told of a stream that has ended, and of the error that it ended with, if it was one."""


@public
class Multiplexer(Closing):
    """Reads many output streams, of any number of hubs, on the thread that iterates it.

    Iterating gives `(stream, lines)` as they come: lines of `bytes` without their ends, as of
    `OutputStream.lines`, and never none of them. Every stream that has something gets its turn before any gets
    a second one. While the loop's body runs nothing is read, and the hubs hold the programs back.

    A stream that has ended is closed and leaves. If it ended with an error, that is raised out of the loop,
    unless `on_end` is given, which hears of every end; a new loop goes on with the others. The loop ends when
    no stream is left.

    While a stream is in here, it can't be read in another way (`StreamBusyError`). `add`, `remove` and `close`
    may be called from any thread, also during the loop; the `close` of a stream too.

    Args:
        streams: The first streams.
        limit: Bytes that a line may have; a stream with a longer one ends with `LineTooLongError`.
        on_end: Called on the iterating thread with each stream that has ended and its error, or None.
        until_closed: Whether the loop waits for further streams when none is left, until `close`.
        tick: Seconds between two looks at the limits of streams that are silent, and at their instances.
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
        self._tick_every = interval("tick", tick)
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
        # What other threads want of the one that iterates: a deque takes and gives one at a time.
        self._orders: deque[Callable[[], object]] = deque()
        # Held by the thread that iterates, which is _iterating, or carries out an order while none does.
        self._turn = threading.Lock()
        self._iterating: int | None = None
        # Guards _members, _closed and the start of iterating, which are changed from any thread.
        self._lock = threading.Lock()
        self._closed = False
        self._hooks = HookThread()
        self._next_tick = time.monotonic() + self._tick_every
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
        """Read this stream too, from where it is.

        Raises:
            StreamBusyError: Somebody is reading it.
            ValueError: It can't be waited for: it is closed, or its answer is compressed; or this is closed.
        """
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
        """Read this stream no more, and leave it as it is: it can be read on in other ways.

        What has been read of a line that is not whole is given back to it. When another thread iterates,
        this takes effect at its next turn.

        Raises:
            ValueError: It is not in here.
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
            # Another thread may hold it, for as long as it carries out an order.
            with self._turn:
                yield from self._batches()
        finally:
            self._iterating = None
            # For an order that came just before.
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
        """Have something done by the thread that iterates, or here if none does."""
        self._orders.append(order)
        if self._iterating == threading.get_ident():
            # Out of the loop's body.
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
        """Wait until a stream has something, or an order has come; return those whose turn it is, and the time."""
        wait = max(self._next_tick - time.monotonic(), 0)
        found = self._selector.select(0 if self._ready else wait)
        turn = dict.fromkeys(self._ready)
        self._ready.clear()
        for key, _ in found:
            if key.data is None:
                self._answer_bell()
            else:
                turn[key.data] = None
        now = time.monotonic()
        if now >= self._next_tick:
            self._tick(now)
        return list(turn), now

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
                # A member that was closed elsewhere, and has not left yet, may have had this number.
                with contextlib.suppress(KeyError):
                    self._selector.unregister(member.descriptor)
                self._selector.register(member.descriptor, selectors.EVENT_READ, member)
            # What has been read of it before will never wake anybody.
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
    """One stream, taken from other readers for as long as it is a member.

    Attributes:
        stream: The stream.
        descriptor: What to wait for, -1 for nothing: all of it has come.
        more: Whether there may be more that wakes nobody: read with the last, but not given yet.
        ended: Whether it gives nothing any more.
        error: Why, if not by the hub's end of stream.
        left: Whether it is no member any more.
    """

    def __init__(self, stream: OutputStream, limit: int, on_close: Callable[[], object]) -> None:
        self.stream = stream
        self.more: bool = False
        self.ended: bool = False
        self.left: bool = False
        self.error: ScramjetError | None = None
        self._reader = stream._reader
        self._splitter = LineSplitter(repr(stream), keep_ends=False, limit=limit)
        self._last = time.monotonic()
        self._first = True
        self._hook_runs = False
        self._outcome: Exception | None = None
        self.descriptor: int
        stream._begin(None)
        try:
            self._check(stream)
        except BaseException:
            stream._turn.release()
            raise
        self.descriptor, self._idle_limit = self._reader.exchange.begin_polling()
        stream._on_close = on_close

    def _check(self, stream: OutputStream) -> None:
        if stream.closed:
            raise ValueError(f"{stream!r} is closed")
        if not self._reader.live:
            raise ValueError(
                f"{stream!r} can't be waited for: its answer has not begun, or is compressed"
            )

    def read(self, buffer: memoryview, now: float) -> list[bytes]:
        """Return the whole lines that have come, without waiting; look at the attributes afterwards."""
        try:
            data = self._data(buffer)
        except ScramjetError as error:
            self.ended, self.error = True, error
            return []
        self.more = data is not None and self._reader.pending
        if data is None:
            return []
        if data:
            if not self._reader.exchange.heard_noise:
                # What was found of the silence before, too late to matter, is not true of what comes next.
                self._last, self._outcome = now, None
            return self._ending(*self._splitter.split_now(data))
        self.ended = True
        try:
            last = self._splitter.last()
        except LineTooLongError as error:
            self.error = error
            return []
        return [last] if last else []

    def _ending(self, lines: list[bytes], error: ScramjetError | None) -> list[bytes]:
        """Return the lines; an error of the one after them ends the stream."""
        if error is not None:
            self.ended, self.error = True, error
        return lines

    def _data(self, buffer: memoryview) -> bytes | None:
        """Return what has come, b"" at the end, None if nothing has."""
        try:
            data = self._take_first() if self._first else self._reader.take()
        except BlockingIOError:
            return self._nothing()
        if data is not None:
            return data
        count = self._reader.readinto(buffer)
        return self._nothing() if count is None else bytes(buffer[:count])

    def _take_first(self) -> bytes | None:
        """Return what the stream's other readers have left in its buffer, before all that comes."""
        self._first = False
        size = len(io.BufferedReader.peek(self.stream))
        return io.BufferedReader.read1(self.stream, size) if size else self._reader.take()

    def _nothing(self) -> bytes | None:
        """Return what it means that nothing has come, if that is the outcome of a look or a limit; or raise it."""
        outcome = self._outcome
        if outcome is None:
            return None
        if isinstance(outcome, WaitEnded):
            self._reader.exchange.fail(outcome)
            return b""
        raise outcome if isinstance(outcome, ScramjetError) else self._reader.ending(outcome)

    def overdue(self, now: float) -> bool:
        """Return whether it was silent for longer than its limit; the next read that finds nothing says so."""
        overdue = self._idle_limit is not None and now - self._last >= self._idle_limit
        if overdue:
            self._outcome = socket.timeout("timed out")
        return overdue

    def hook_due(self, now: float) -> bool:
        """Return whether the hook of its exchange is to be called, which may find that it has ended."""
        exchange = self._reader.exchange
        return (
            exchange.on_idle is not None
            and not self._hook_runs
            and now - self._last >= exchange.poll
        )

    def call_hook(self) -> None:
        """Call the hook of its exchange, on a thread that may wait; the next read that finds nothing acts on it."""
        on_idle = self._reader.exchange.on_idle
        try:
            if on_idle is not None:
                on_idle(time.monotonic() - self._last)
        except (WaitEnded, ScramjetError) as outcome:
            self._outcome = outcome
        finally:
            self._hook_runs = False

    def hook_ordered(self) -> None:
        """Take note that the hook will be called."""
        self._hook_runs = True

    def leave(self) -> None:
        """Give the stream back to its other readers, with what was read of a line."""
        if self.left:
            return
        self.left = True
        self._reader.give_back(self._splitter.take_back())
        self._reader.exchange.end_polling(self._idle_limit)
        self.stream._on_close = None
        self.stream._turn.release()


class HookThread:
    """The thread that calls the hooks of silent streams, so that a slow hub holds up no other stream.

    It is a daemon, `scramjet-watch-N`, and exists from the first call on until `close`.
    """

    _numbers = itertools.count(1)

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Optional[tuple[Member, Callable[[], object]]]] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None

    def ask(self, member: Member, then: Callable[[], object]) -> None:
        """Have the hook of a member called, and `then`, on that thread."""
        member.hook_ordered()
        self._asked.put((member, then))
        if self._thread is None:
            name = f"scramjet-watch-{next(self._numbers)}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        for member, then in iter(self._asked.get, None):
            member.call_hook()
            then()

    def close(self) -> None:
        """End the thread, after the call that it may be at."""
        self._asked.put(None)
