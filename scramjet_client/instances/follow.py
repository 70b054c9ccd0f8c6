"""Reading several streams of an instance at once, until it has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, ClassVar

from scramjet_client._base import Closing, public, safe_repr, tell_aside, warn_aside
from scramjet_client._common.clock import monotonic
from scramjet_client._common.names import guessed
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    ScramjetError,
    StreamClosedError,
    UploadError,
)
from scramjet_client.http.at_exit import AtExit
from scramjet_client.http.durations import Duration, duration, seconds
from scramjet_client.http.exchange import Exchange
from scramjet_client.http.interrupts import Event
from scramjet_client.http.standstill import Standstill
from scramjet_client.http.threads import start_thread, thread_needed
from scramjet_client.instances.watcher import EndWatcher
from scramjet_client.streams.output import OutputStream
from scramjet_client.streams.targets import Target
from scramjet_client.uploads.upload import Upload

_POLL = 0.25
"""How often, in seconds, a silent stream checks whether its instance has ended."""

_LOOK = 1.0
"""Seconds between two looks whether a wait without a limit stands still."""

_JOIN_LIMIT = 5.0
"""Seconds that `close` waits for a target that is busy with a write."""

_END_AFTER_CUT = 5.0
"""After an upload breaks, seconds in which the end of the instance may turn out to be the cause."""

Open = Callable[[str, Exchange], OutputStream]
"""Opens a stream of the instance."""


class Feeds:
    """The uploads that run beside a `Follow`; some may begin later. `news` is called when one of them has ended.

    Their errors count, unless the instance's end caused them.
    """

    def __init__(self, uploads: Sequence[Upload[Any]], news: Callable[[], object]) -> None:
        self._uploads = uploads
        self._cut_at: float | None = None

        def note(done: Any) -> None:
            # `check` answers for a failure. One that comes after its last look is of the end: nobody is told.
            done.exception()
            news()

        for upload in uploads:
            upload.add_done_callback(note)

    def check(self, *, ended: bool = False) -> None:
        """Raise an upload's error; `ended` says that the instance has ended.

        A program may end without reading all of its input. Its uploads then fail before its end is known.
        """
        for upload in self._uploads:
            error = upload.exception() if upload.done() else None
            if error is None or isinstance(error, (InstanceEndedError, InstanceNotFoundError)):
                continue
            if _may_be_of_the_end(error):
                self._cut_at = self._cut_at or monotonic()
                if ended or monotonic() - self._cut_at < _END_AFTER_CUT:
                    continue
            raise error

    def cancel(self) -> None:
        """Cancel uploads that still run, or have not begun."""
        for upload in self._uploads:
            upload.cancel()


def _may_be_of_the_end(error: BaseException) -> bool:
    """Say whether the end of an instance can cause this error before the end is known."""
    # 0.x then answers as if it had taken everything, and the result is an UploadError without a cause.
    answered_early = isinstance(error, UploadError) and error.__cause__ is None
    return answered_early or isinstance(error, HubConnectionError)


class _Copying:
    """The threads that copy streams to targets, and their state. It holds no reference to its `Follow`."""

    def __init__(
        self, name: str, targets: Mapping[str, Target], news: Callable[[], object]
    ) -> None:
        self.name = name
        self.over = Event()
        self.error: BaseException | None = None
        self._trace: TracebackType | None = None
        self._targets = targets
        self._news = news
        self._told = False
        self._dropped = False
        self._closing = False
        self._given_up = False
        self._left = len(targets)
        # Guards the seven above, from error on.
        self._lock = threading.RLock()
        self._streams: dict[str, OutputStream] = {}
        self._threads: list[threading.Thread] = []

    def __str__(self) -> str:
        return f"{', '.join(self._targets)} of {self.name}"

    def start(self, open_stream: Open, watcher: EndWatcher) -> None:
        """Open the streams and start a thread for each."""
        try:
            for stream_id in self._targets:
                exchange = watcher.exchange(stream_id, poll=_POLL)
                self._streams[stream_id] = open_stream(stream_id, exchange)
            needed = partial(thread_needed, f"reading {self}", "no stream is read any more")
            for stream_id in self._targets:
                self._threads.append(
                    start_thread("scramjet-follow", self._copy, stream_id, needed=needed)
                )
        except BaseException:
            self.end()
            for target in self._targets.values():
                target.close()
            raise

    @property
    def running(self) -> bool:
        """Whether a stream is still copied, and nobody has ended that."""
        return not (self._closing or self.over.is_set())

    def cut(self) -> str:
        """Return a sentence about what is copied no more, and how much of it had come."""
        come = {name: stream.bytes_read for name, stream in self._streams.items()}
        names = [f"{name} (after {count} bytes)" for name, count in come.items()]
        return f"the copy of {', '.join(names)} of {self.name} is cut"

    def reader(self, limit: float | None) -> str:
        """Return the call that reads one of the streams for some seconds."""
        name = next(iter(self._targets), "output")
        call = "get_log_stream(" if name == "log" else f"get_stream({name!r}, "
        return f"{call}timeout={limit or 0:g})"

    def end(self, *, given_up: bool = True) -> None:
        """Close the streams, and wait until the threads have ended.

        Args:
            given_up: Whether an error ends it: files of paths then keep what they hold, if nothing has come.
        """
        with self._lock:
            self._given_up = given_up and not self._closing
            self._closing = True
        self._close_streams()
        deadline = monotonic() + _JOIN_LIMIT
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - monotonic()))
                if thread.is_alive():
                    tell_aside(f"{thread.name} is still busy with its target of {self}")

    def tell(self, *, once: bool) -> None:
        """Raise the error, if there is one; with `once`, only if it has not been raised before."""
        with self._lock:
            told, self._told = self._told, self._told or self.error is not None
        if self.error is not None and not (once and told):
            # It may have been raised before: frames of that are no part of this call.
            raise self.error.with_traceback(self._trace)

    def drop(self) -> None:
        """Log the error, now or when it happens: nobody can ask for it any more."""
        with self._lock:
            self._dropped = True
            silent = self.error is None or self._told
        if not silent:
            self._log()

    def _copy(self, stream_id: str) -> None:
        try:
            with self._targets[stream_id] as target, self._streams[stream_id] as stream:
                try:
                    target.take(stream)
                except StreamClosedError:
                    if self._was_closed():
                        target.renew()
                    raise
        except BaseException as error:  # kept, and raised to the thread that waits
            self._fail(error)
        finally:
            with self._lock:
                self._left -= 1
                over = not self._left
            if over:
                self.over.set()
            self._news()

    def _was_closed(self) -> bool:
        """Return whether the user has closed it, and no error."""
        with self._lock:
            return self._closing and not self._given_up and self.error is None

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._closing and isinstance(error, StreamClosedError):
                return
            first = self.error is None
            if first:
                self.error, self._trace = error, error.__traceback__
            self._closing = True
            dropped = self._dropped
        self._close_streams()
        if first and dropped:
            self._log()

    def _log(self) -> None:
        shown = "nothing" if self.error is None else safe_repr(self.error)
        tell_aside(f"{self} is followed no more: {shown} (and nobody asked)")

    def _close_streams(self) -> None:
        for stream in list(self._streams.values()):
            stream.close()


def _end_all(followed: list[_Copying]) -> None:
    """Stop the threads at interpreter shutdown: a write to stdout at that time would abort the process."""
    for copying in [each for each in followed if not each.over.is_set()]:
        copying.end()
        warn_aside(
            f"the interpreter ends while {copying} is followed: later output is not shown",
            RuntimeWarning,
        )


_running: AtExit[_Copying] = AtExit(_end_all)


@public
class Follow(Closing):
    """Streams of an instance on their way to files, callables or the terminal; see `InstanceClient.follow`.

    It goes on until the instance or the interpreter ends, even if you drop this handle. Each stream has a daemon
    thread, `scramjet-follow-N`; these threads are gone when it is over. The first error ends all streams, and `wait`
    or `close` raises it. If the handle is lost before either is called, a warning tells the error.

    The end of a `with` block does not wait for the program. It delivers everything if the instance has ended by then.
    Otherwise the copy ends there, and a warning says so, unless you have called `wait()` or `close()`.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {"wait()": "join result run_until_done", "close()": "cancel detach end kill stop unfollow"}
    )

    def __init__(
        self,
        name: str,
        open_stream: Open,
        watcher: EndWatcher,
        targets: Mapping[str, Target],
        *,
        news: Callable[[], object] = lambda: None,
        standstill: Callable[[], Standstill] | None = None,
    ) -> None:
        """Open the streams and start; only the package itself calls this.

        Each target is closed when its stream has ended. The threads call `news` when a stream has ended or failed.
        `standstill` makes what tells that nothing moves during a wait.
        """
        self._watcher = watcher
        self._standstill = standstill
        # Whether the user has waited for the end, and so knows that it may not have come.
        self._waited = False
        self._copying = _Copying(name, targets, news)
        self._copying.start(open_stream, watcher)
        _running.add(self._copying)

    def __repr__(self) -> str:
        return f"<Follow of {self._copying}: {'over' if self.done else 'running'}>"

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._copying.over.is_set()

    def wait(self, timeout: Duration | None = None) -> None:
        """Wait until the streams have ended and everything they gave has been delivered.

        Args:
            timeout: Seconds; None waits without limit.

        Raises:
            HubTimeoutError: It has not ended in time.
            StreamInterruptedError: A connection broke.
            Exception: The error that a callable or a file raised.
        """
        limit = duration("timeout", timeout, zero=True)
        self._waited = True
        if limit is None and self._standstill is not None:
            standstill = self._standstill()
            while not self._copying.over.wait(_LOOK):
                standstill.look()
        elif not self._copying.over.wait(limit):
            within = seconds(limit or 0)
            instead = f"; to read for {within} and no longer, use {self._copying.reader(limit)}"
            raise HubTimeoutError(
                f"{self._copying} did not end within {within}{instead if limit else ''}"
            )
        self._copying.tell(once=False)

    def close(self) -> None:
        """Stop at once; data not yet delivered is dropped. Call it from any thread; safe to call twice.

        It waits up to 5 s for a callable that is busy.

        Raises:
            Exception: The error, if `wait` or `close` has not raised it before.
        """
        self._copying.end(given_up=False)
        self._copying.tell(once=True)

    def __exit__(self, kind: object = None, *_error: object) -> None:
        """Stop. If the instance has ended, everything that it gave is delivered first; else the copy may be cut."""
        if kind is not None:
            self._copying.end()
            return
        try:
            running = self._copying.running
            if running and self._has_ended():
                self._copying.over.wait()
                running = False
        finally:
            self._copying.end(given_up=False)
        if running and not self._waited:
            warn_aside(
                f"{self._copying.cut()}: the with block ended, and does not wait; wait() at its end does, and close()"
                " cuts without this warning",
                UserWarning,
            )
        self.close()

    def _has_ended(self) -> bool:
        try:
            return self._watcher.has_ended()
        except ScramjetError:
            return False

    def __del__(self) -> None:
        self._copying.drop()
