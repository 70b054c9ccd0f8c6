"""`InstanceClient.run`: feed a program, collect what it gives, and wait for its end, as subprocess.run does."""

from __future__ import annotations

import contextlib
import io
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Literal, TypeVar

import attrs

from scramjet_client._base import Shown, logger, public
from scramjet_client.api.answers import ENDED_BY_ITSELF, STOPPED, has_ended
from scramjet_client.api.generations import dialect_of
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InstanceFailedError,
    InstanceNotFoundError,
    RunTimeoutError,
    ScramjetError,
    UnsupportedByHubError,
)
from scramjet_client.instances.follow import Feeds, Follow, Open
from scramjet_client.instances.lifetime import Instance
from scramjet_client.instances.watcher import EndWatcher, fetch_info
from scramjet_client.models import OUTPUT_STREAMS, GetInstanceResponse
from scramjet_client.streams.targets import BinaryFile
from scramjet_client.uploads.upload import Upload

_I = TypeVar("_I", bound=Instance)
_R = TypeVar("_R")

Unfinished = Literal["kill", "stop", "leave"]
UNFINISHED = ("kill", "stop", "leave")

_FIRST_PAUSE = 0.02
_LAST_PAUSE = 1.0
"""Seconds between two looks at the instance; the first again whenever something has happened."""

_START_GRACE = 10.0
"""Seconds that an interrupt waits for the answer to a start, to kill what was started."""

_numbers = itertools.count(1)


@public
@attrs.frozen(kw_only=True)
class CompletedInstance(Shown):
    """An instance that has ended, and all that it gave.

    Attributes:
        info: Its last info; on an 0.x hub the last one before its end, with the status "stopped".
        returncode: 0 if the program ended by itself, or by a stop that it obeyed; else the runner's exit
            code. None where the hub does not say it (0.x). What the hub says of a good end is -1, 0 or 138,
            and is in `info.terminated`.
        output: Its whole output.
        stdout: Its whole stdout.
        stderr: Its whole stderr.
        log: Its log, one JSON object a line.
    """

    info: GetInstanceResponse
    returncode: int | None
    output: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    stdout: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    stderr: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    log: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")

    def check_returncode(self) -> None:
        """Raise unless `returncode` is 0.

        1.x hubs that run programs as processes give every end of a Python program the code 213, good or
        bad, which is raised too.

        Raises:
            InstanceFailedError: It was killed, or it crashed.
            UnsupportedByHubError: The hub does not say how it ended (0.x).

        Wire: docs/protocol.md, "Exit codes".
        """
        if self.returncode == 0:
            return
        how = self.info.terminated
        if how is None and self.info.status != "crashed":
            raise UnsupportedByHubError(
                f"how instance {self.info.id!r} ended is not known: its hub does not say"
            )
        said = "" if how is None else f": {how.reason}, exit code {how.exit_code}"
        error = InstanceFailedError(f"instance {self.info.id!r} failed{said}")
        error.completed = self
        raise error


def checked(unfinished: Unfinished) -> Unfinished:
    """Return what is to become of an instance, if it is one of the words for it."""
    if unfinished not in UNFINISHED:
        raise ValueError(f"unfinished must be one of {', '.join(UNFINISHED)}, not {unfinished!r}")
    return unfinished


def refuse_check(client: HttpClient) -> None:
    """Raise UnsupportedByHubError if the hub does not tell how instances end."""
    dialect_of(client).require("the exit code that check=True needs")


def run_new(
    start: Callable[[], _I],
    run_it: Callable[[_I, float | None], _R],
    timeout: float | None,
) -> _R:
    """Start an instance and run it; whatever goes wrong, it does not live on.

    Args:
        start: Starts it.
        run_it: Runs it within the seconds that are left.
        timeout: Seconds for both.
    """
    began = time.monotonic()
    instance = _started(start)
    try:
        left = None if timeout is None else max(timeout - (time.monotonic() - began), _FIRST_PAUSE)
        return run_it(instance, left)
    except BaseException:
        if not instance.asked_to_end:
            _finish(instance, "kill")
        raise


def _started(start: Callable[[], _I]) -> _I:
    """Start an instance, and kill it if the caller is interrupted before its id is known.

    Only the hub's answer names it, so it is awaited by a thread of its own, `scramjet-start-N`, a daemon that
    ends with the answer.
    """
    starting: Future[_I] = Future()

    def work() -> None:
        try:
            starting.set_result(start())
        except BaseException as error:  # raised where it is waited for
            starting.set_exception(error)

    thread = threading.Thread(target=work, name=f"scramjet-start-{next(_numbers)}", daemon=True)
    thread.start()
    try:
        return starting.result()
    except BaseException:
        starting.add_done_callback(_kill_started)
        thread.join(_START_GRACE)
        raise


def _kill_started(starting: Future[_I]) -> None:
    if starting.exception() is None:
        _finish(starting.result(), "kill")


def run(
    instance: Instance,
    open_stream: Open,
    uploads: Sequence[Upload[Any]],
    timeout: float | None,
    unfinished: Unfinished,
) -> CompletedInstance:
    """Run an instance to its end; see `InstanceClient.run`.

    Args:
        instance: The instance.
        open_stream: Opens one of its streams.
        uploads: What feeds it; they have not begun.
        timeout: Seconds.
        unfinished: What becomes of the instance if this does not see its end.
    """
    try:
        return _Run(instance, open_stream, uploads, timeout).through()
    except BaseException as error:
        done = _finish(instance, unfinished)
        if isinstance(error, RunTimeoutError):
            error.message += f"; {done}"
            error.args = (error.message,)
        raise


def _finish(instance: Instance, unfinished: Unfinished) -> str:
    """End an instance whose end was not seen; return what was done, in words."""
    try:
        if unfinished == "kill":
            instance.kill(remove_immediately=True)
            return "it was killed"
        if unfinished == "stop":
            instance.stop()
            return "it was stopped"
    except InstanceNotFoundError:
        return "it is gone by now"
    except ScramjetError as error:
        # What went wrong before is what the caller must hear of.
        logger.warning("could not %s instance %r: %s", unfinished, instance.id, error)
        return f"it could not be ended: {error.message}"
    return "it was left as it is"


class _Run:
    """One run: who reads, who writes, and what has been seen."""

    def __init__(
        self,
        instance: Instance,
        open_stream: Open,
        uploads: Sequence[Upload[Any]],
        timeout: float | None,
    ) -> None:
        self._instance = instance
        self._name = f"instance {instance.id!r}"
        self._open = open_stream
        self._uploads = uploads
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._collected = {stream_id: io.BytesIO() for stream_id in OUTPUT_STREAMS}
        self._info: GetInstanceResponse | None = None
        # Set when a stream or an upload has ended, so that the waiting thread looks at once.
        self._news = threading.Event()
        self._feeds = Feeds(uploads, self._news.set)

    def through(self) -> CompletedInstance:
        """Read, write and wait until the instance has ended."""
        instance = self._instance
        # 0.x knows nothing of an instance that has ended, so what can be known is asked for first.
        info = self._info = fetch_info(instance.client, instance.id, timeout=self._remaining())
        watcher = EndWatcher(instance.client, instance.id)
        targets = {stream_id: BinaryFile(file) for stream_id, file in self._collected.items()}
        try:
            with Follow(self._name, self._open, watcher, targets, news=self._news.set) as reading:
                for upload in self._uploads:
                    upload.start()
                self._until_end(reading, watcher)
                self._drain(reading)
        except RunTimeoutError as error:
            error.info = info
            for stream_id, data in self._data().items():
                setattr(error, stream_id, data)
            raise
        return self._completed(info)

    def _until_end(self, reading: Follow, watcher: EndWatcher) -> None:
        """Wait until the instance has ended, or something has gone wrong."""
        pause = _FIRST_PAUSE
        while not self._has_ended(reading, watcher):
            if reading.done:
                reading.wait()
            self._feeds.check()
            remaining = self._remaining()
            happened = self._news.wait(pause if remaining is None else min(pause, remaining))
            self._news.clear()
            pause = _FIRST_PAUSE if happened else min(2 * pause, _LAST_PAUSE)

    @staticmethod
    def _has_ended(reading: Follow, watcher: EndWatcher) -> bool:
        try:
            return watcher.has_ended()
        except HubTimeoutError:
            return False
        except HubConnectionError:
            # The streams that are being read say it themselves if the hub is down.
            if reading.done:
                raise
            return False

    def _drain(self, reading: Follow) -> None:
        """Wait until what came before the end of the instance has been read."""
        while not reading.done:
            self._news.wait(self._remaining())
            self._news.clear()
        reading.wait()
        self._feeds.check(ended=True)

    def _remaining(self) -> float | None:
        if self._deadline is None:
            return None
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise RunTimeoutError(f"{self._name} had not ended after {self._timeout:g} s")
        return remaining

    def _data(self) -> dict[str, bytes]:
        return {stream_id: file.getvalue() for stream_id, file in self._collected.items()}

    def _completed(self, info: GetInstanceResponse) -> CompletedInstance:
        with contextlib.suppress(InstanceNotFoundError):
            info = self._instance.get_info()
        if not has_ended(info):
            info = attrs.evolve(info, status="stopped")
        code = None if info.terminated is None else info.terminated.exit_code
        returncode = 0 if code in (*ENDED_BY_ITSELF, STOPPED) else code
        return CompletedInstance(info=info, returncode=returncode, **self._data())
