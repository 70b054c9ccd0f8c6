"""Reading several streams of an instance at once, until it has ended."""

from __future__ import annotations

import atexit
import itertools
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from scramjet_client._base import Closing, logger, public
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    StreamClosedError,
    UploadError,
)
from scramjet_client.http.durations import Duration, duration
from scramjet_client.http.exchange import Exchange
from scramjet_client.instances.watcher import EndWatcher
from scramjet_client.streams.output import OutputStream
from scramjet_client.streams.targets import Target
from scramjet_client.uploads.upload import Upload

_numbers = itertools.count(1)

_POLL = 0.25
"""Seconds between two thoughts of a silent stream about its end."""

_JOIN_LIMIT = 5.0
"""Seconds that `close` waits for a target that is just being written to."""

_END_AFTER_CUT = 5.0
"""Seconds after a cut upload in which the end of the instance may show that it was the cause."""

Open = Callable[[str, Exchange], OutputStream]
"""Opens a stream of the instance."""


class Feeds:
    """The uploads beside a `Follow`: what goes wrong with them counts, unless the instance's end caused it.

    Args:
        uploads: The uploads, which may begin later.
        news: Called when one of them is over.
    """

    def __init__(self, uploads: Sequence[Upload[Any]], news: Callable[[], object]) -> None:
        self._uploads = uploads
        self._cut_at: float | None = None
        for upload in uploads:
            upload.add_done_callback(lambda _done: news())

    def check(self, *, ended: bool = False) -> None:
        """Raise what went wrong; `ended` says that the instance has ended.

        A program may end without having read all of its input, and is then gone before it is known.
        """
        for upload in self._uploads:
            error = upload.exception() if upload.done() else None
            if error is None or isinstance(error, (InstanceEndedError, InstanceNotFoundError)):
                continue
            if _may_be_of_the_end(error):
                self._cut_at = self._cut_at or time.monotonic()
                if ended or time.monotonic() - self._cut_at < _END_AFTER_CUT:
                    continue
            raise error

    def cancel(self) -> None:
        """Cancel what still runs, or has not begun."""
        for upload in self._uploads:
            upload.cancel()


def _may_be_of_the_end(error: BaseException) -> bool:
    """Say whether the end of an instance may show in this way before it is known."""
    # 0.x then answers as if it had taken everything, which is an UploadError without a cause.
    answered_early = isinstance(error, UploadError) and error.__cause__ is None
    return answered_early or isinstance(error, HubConnectionError)


class _Copying:
    """The threads that copy streams to targets, and what has become of them; it does not hold its `Follow`."""

    def __init__(
        self, name: str, targets: Mapping[str, Target], news: Callable[[], object]
    ) -> None:
        self.name = name
        self.over = threading.Event()
        self.error: BaseException | None = None
        self._targets = targets
        self._news = news
        self._told = False
        self._dropped = False
        self._closing = False
        self._left = len(targets)
        # Guards the five above, from error on.
        self._lock = threading.Lock()
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
            for stream_id in self._targets:
                name = f"scramjet-follow-{next(_numbers)}"
                thread = threading.Thread(
                    target=self._copy, args=(stream_id,), name=name, daemon=True
                )
                thread.start()
                self._threads.append(thread)
        except BaseException:
            self.end()
            for target in self._targets.values():
                target.close()
            raise

    def end(self) -> None:
        """Close the streams, and wait until the threads are gone."""
        with self._lock:
            self._closing = True
        self._close_streams()
        deadline = time.monotonic() + _JOIN_LIMIT
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    logger.warning("%s is still busy with its target of %s", thread.name, self)

    def tell(self, *, once: bool) -> None:
        """Raise what went wrong; `once` is only if that has not been done before."""
        with self._lock:
            told, self._told = self._told, self._told or self.error is not None
        if self.error is not None and not (once and told):
            raise self.error

    def drop(self) -> None:
        """Log what went wrong, or will go wrong: nobody can ask for it any more."""
        with self._lock:
            self._dropped = True
            silent = self.error is None or self._told
        if not silent:
            self._log()

    def _copy(self, stream_id: str) -> None:
        try:
            with self._targets[stream_id] as target, self._streams[stream_id] as stream:
                target.take(stream)
        except BaseException as error:  # kept, and raised where it is waited for
            self._fail(error)
        finally:
            with self._lock:
                self._left -= 1
                over = not self._left
            if over:
                self.over.set()
            self._news()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._closing and isinstance(error, StreamClosedError):
                return
            first = self.error is None
            self.error = self.error or error
            self._closing = True
            dropped = self._dropped
        self._close_streams()
        if first and dropped:
            self._log()

    def _log(self) -> None:
        logger.warning("%s is followed no more: %r (and nobody asked)", self, self.error)

    def _close_streams(self) -> None:
        for stream in list(self._streams.values()):
            stream.close()


_running: weakref.WeakSet[_Copying] = weakref.WeakSet()
# Guards it: a daemon thread may begin while the interpreter's end looks through them.
_lock = threading.Lock()


def _end_at_exit(copying: _Copying) -> None:
    """Have the interpreter's end stop the threads: one that writes to stdout then would abort the process."""
    with _lock:
        if not _running:
            # Here and not on import; anew, so that it runs before what was registered in between.
            atexit.unregister(_end_all)
            atexit.register(_end_all)
        _running.add(copying)


def _end_all() -> None:
    with _lock:
        running = [each for each in _running if not each.over.is_set()]
    for copying in running:
        copying.end()
        warnings.warn(
            f"the interpreter ends while {copying} is followed: what comes now is not shown",
            RuntimeWarning,
            stacklevel=2,
        )


@public
class Follow(Closing):
    """Streams of an instance on their way to files, callables or the terminal; see `InstanceClient.follow`.

    It goes on until the instance or the interpreter ends, whether this handle is kept or not, on one daemon
    thread for each stream, `scramjet-follow-N`, which are gone when it is over. The first thing that goes
    wrong ends all of it and is raised by `wait` or `close`; if the handle is lost without either, it is
    logged as a warning.
    """

    def __init__(
        self,
        name: str,
        open_stream: Open,
        watcher: EndWatcher,
        targets: Mapping[str, Target],
        *,
        news: Callable[[], object] = lambda: None,
    ) -> None:
        """Open the streams and start; the SDK does.

        Args:
            name: What is followed, for messages: "instance 'abc'".
            open_stream: Opens one stream.
            watcher: Sees the end of the instance.
            targets: Where each stream goes; closed when it has ended.
            news: Called by the threads when a stream has ended or failed.
        """
        self._copying = _Copying(name, targets, news)
        self._copying.start(open_stream, watcher)
        _end_at_exit(self._copying)

    def __repr__(self) -> str:
        return f"<Follow of {self._copying}: {'over' if self.done else 'running'}>"

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._copying.over.is_set()

    def wait(self, timeout: Duration | None = None) -> None:
        """Wait until the streams have ended and all that came of them was delivered.

        Args:
            timeout: Seconds; None is for ever.

        Raises:
            HubTimeoutError: It still goes on.
            StreamInterruptedError: A connection broke.
            Exception: Whatever a callable or a file raised.
        """
        if not self._copying.over.wait(duration("timeout", timeout, zero=True)):
            raise HubTimeoutError(f"{self._copying} did not end within {timeout} s")
        self._copying.tell(once=False)

    def close(self) -> None:
        """Stop at once, from any thread; what has not been delivered is not. Safe to call twice.

        A callable that is busy is waited for up to 5 s.

        Raises:
            Exception: What went wrong, if `wait` or `close` has not raised it before.
        """
        self._copying.end()
        self._copying.tell(once=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._copying.end()

    def __del__(self) -> None:
        self._copying.drop()
