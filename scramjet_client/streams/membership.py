"""A stream's membership in a `Multiplexer`: read when it has something, watched when it has nothing."""

from __future__ import annotations

import io
import itertools
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Optional

from scramjet_client.errors import LineTooLongError, ScramjetError
from scramjet_client.http.exchange import WaitEnded
from scramjet_client.streams.output import OutputStream


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
        self._limit = limit
        self._reader = stream._reader
        self._begun: list[bytes] = []
        self._last = time.monotonic()
        self._first = True
        self._looking = False
        self._outcome: Exception | None = None
        self.descriptor: int
        stream._begin(None)
        try:
            self._check(stream)
        except BaseException:
            stream._turn.release()
            raise
        self.descriptor, self._idle_limit = self._reader.exchange.polled()
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
            # What was found of the silence before, too late to matter, is not true of what comes next.
            self._last, self._outcome = now, None
            if not self._begun and data.endswith(b"\n") and b"\r" not in data:
                lines = data.split(b"\n")[:-1]
                return self._within(lines) if len(data) > self._limit else lines
            return self._lines(data)
        self.ended = True
        last, self._begun = b"".join(self._begun), []
        return self._within([last] if last else [])

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

    def _lines(self, data: bytes) -> list[bytes]:
        *lines, rest = data.split(b"\n")
        if lines and self._begun:
            lines[0] = b"".join([*self._begun, lines[0]])
            self._begun = []
        if rest:
            self._begun.append(rest)
        if b"\r" in data or (lines and lines[0].endswith(b"\r")):
            lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
        lines = self._within(lines)
        # A carriage return at its end may be part of the line's end.
        if sum(map(len, self._begun)) > self._limit + rest.endswith(b"\r"):
            self._too_long()
        return lines

    def _within(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines before one that is too long, with which the stream ends."""
        for at, line in enumerate(lines):
            if len(line) > self._limit:
                self._too_long()
                return lines[:at]
        return lines

    def _too_long(self) -> None:
        self.ended = True
        self.error = LineTooLongError(
            f"a line of {self.stream!r} has more than {self._limit} bytes"
        )

    def overdue(self, now: float) -> bool:
        """Return whether it was silent for longer than its limit; the next read that finds nothing says so."""
        overdue = self._idle_limit is not None and now - self._last >= self._idle_limit
        if overdue:
            self._outcome = socket.timeout("timed out")
        return overdue

    def look_due(self, now: float) -> bool:
        """Return whether somebody has to look whether it will ever give anything again."""
        exchange = self._reader.exchange
        return (
            exchange.on_idle is not None and not self._looking and now - self._last >= exchange.poll
        )

    def look(self) -> None:
        """Look, on a thread that may wait; the next read that finds nothing acts on it."""
        on_idle = self._reader.exchange.on_idle
        try:
            if on_idle is not None:
                on_idle(time.monotonic() - self._last)
        except (WaitEnded, ScramjetError) as outcome:
            self._outcome = outcome
        finally:
            self._looking = False

    def looked_at(self) -> None:
        """Take note that a look has been asked for."""
        self._looking = True

    def leave(self) -> None:
        """Give the stream back to its other readers, with what was read of a line."""
        if self.left:
            return
        self.left = True
        if self._begun:
            self._reader.give_back(b"".join(self._begun))
        self._reader.exchange.waited_for(self._idle_limit)
        self.stream._on_close = None
        self.stream._turn.release()


class Looker:
    """The thread that looks at the instances of silent streams, so that a slow hub holds up no other stream.

    It is a daemon, `scramjet-watch-N`, and exists from the first look on until `close`.
    """

    _numbers = itertools.count(1)

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Optional[tuple[Member, Callable[[], object]]]] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None

    def ask(self, member: Member, then: Callable[[], object]) -> None:
        """Have a member looked at, and `then` called on that thread."""
        member.looked_at()
        self._asked.put((member, then))
        if self._thread is None:
            name = f"scramjet-watch-{next(self._numbers)}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        for member, then in iter(self._asked.get, None):
            member.look()
            then()

    def close(self) -> None:
        """End the thread, after the look that it may be at."""
        self._asked.put(None)
