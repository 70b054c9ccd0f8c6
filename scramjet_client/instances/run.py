"""`InstanceClient.run`: feed a program, collect its output, and wait for its end, as subprocess.run does."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

import attrs

from scramjet_client._base import Shown, public, tell_aside, warn_aside
from scramjet_client._common.clock import monotonic
from scramjet_client._common.names import Guided, guessed
from scramjet_client.api.answers import has_ended
from scramjet_client.api.generations import generation_of
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
from scramjet_client.http.at_exit import AtExit
from scramjet_client.http.durations import seconds
from scramjet_client.http.interrupts import Event, wait_in_parts
from scramjet_client.http.retries import pauses
from scramjet_client.http.standstill import Standstill
from scramjet_client.http.threads import fulfil, start_thread, thread_needed
from scramjet_client.instances.cause import Survived, evidence
from scramjet_client.instances.follow import Feeds, Follow, Open
from scramjet_client.instances.last_words import LastLines, last_words_of
from scramjet_client.instances.lifetime import Instance, told
from scramjet_client.instances.watcher import EndWatcher, fetch_info
from scramjet_client.models import OUTPUT_STREAMS, Cause, GetInstanceResponse
from scramjet_client.streams.targets import BinaryFile, Target
from scramjet_client.uploads.upload import Upload

_I = TypeVar("_I", bound=Instance)
_R = TypeVar("_R")

Unfinished = Literal["kill", "stop", "leave"]
UNFINISHED = ("kill", "stop", "leave")

_FIRST_PAUSE = 0.02
_LAST_PAUSE = 1.0
"""Seconds between two looks at the instance. The pause starts over at the first value after each event."""

_START_GRACE = 10.0
"""After an interrupt, and at the interpreter's end, seconds to wait for the answer to a start, in order to kill the new
instance."""

_NO_INPUT = "if the program waits for the end of its input, input=b'' ends it"

_NOT_FED = {
    "stdin": "; run() sent nothing to its stdin: if it reads sys.stdin, give the data as stdin=",
    "input": "; run() sent no input, only stdin: if it waits for its input, give the data as input=",
}
"""What to say if one of the two was sent, and the program has given nothing."""


def explain(error: BaseException, text: str) -> None:
    """Add a note to Ctrl-C, which Python 3.11 and newer show: what the program may have waited for."""
    if isinstance(error, KeyboardInterrupt) and hasattr(error, "add_note"):
        error.add_note(text)


@contextlib.contextmanager
def explained(text: Callable[[], str]) -> Iterator[None]:
    """Explain Ctrl-C in the block."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        said = text().lstrip("; ")
        if said:
            explain(interrupt, said)
        raise


@public
@attrs.frozen(kw_only=True)
class CompletedInstance(Guided, Shown):
    """An ended instance and all its output.

    Attributes:
        info: Its last info; on a 0.x hub the last info before its end, with the status "stopped".
        returncode: As in `subprocess`: 0 if the program ended by itself or obeyed a stop; its own code for a failure;
            -9 if it was killed. None if the code is unknown: 0.x hubs never say it, and 1.x hubs do not for some ends.
            The hub's own statement is in `info.terminated.raw`.
        output: Its whole output.
        stdout: Its whole stdout.
        stderr: Its whole stderr.
        log: Its log, one JSON object a line.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "returncode": "code exit_code exitcode",
            "cause, or info.terminated.reason": "exception failure message reason",
            "check_returncode()": "check error raise_for_status",
            "info.id": "id",
            "log": "logs",
            "returncode == 0": "ok",
            "output": "data result results value",
            "output, as in json.loads(result.output)": "json",
            "output.splitlines()": "lines readlines",
            "info.status": "status",
            "output.decode()": "text",
        }
    )

    info: GetInstanceResponse
    returncode: int | None
    output: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    stdout: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    stderr: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    log: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")

    @property
    def cause(self) -> Cause | None:
        """The program's own error, as far as it is known."""
        return self.info.cause

    @property
    def traceback(self) -> str:
        """The traceback of the program's own error as text, without lines of the runner; "" if there is none."""
        return "" if self.cause is None else self.cause.traceback

    def check_returncode(self) -> None:
        """Raise unless `returncode` is 0.

        Raises:
            InstanceFailedError: It was killed or crashed; the message gives the program's own error.
            UnsupportedByHubError: It is unknown how it ended: neither the hub (0.x) nor its stderr nor its log says.

        Wire: docs/protocol.md, "Exit codes".
        """
        if self.returncode == 0:
            return
        if self.returncode is None and self.info.status != "crashed":
            raise UnsupportedByHubError(unknown_end(self.info))
        error = failed_error(self.info)
        error.completed = self
        raise error


def unknown_end(info: GetInstanceResponse) -> str:
    """Return a sentence for an end that may have been good or bad."""
    more = "" if info.terminated is None else ", and neither its stderr nor its log tells"
    return f"how instance {info.id!r} ended is not known: its hub does not say{more}"


def failed_error(info: GetInstanceResponse) -> InstanceFailedError:
    """Return the error for an instance that was killed or that crashed."""
    error = InstanceFailedError(f"instance {info.id!r} failed: {told(info)}")
    error.info, error.cause = info, info.cause
    return error


def check_end(info: GetInstanceResponse) -> None:
    """Raise if an instance is known to have ended badly."""
    code = None if info.terminated is None else info.terminated.exit_code
    if info.status == "crashed" or code:
        raise failed_error(info)


def refuse_check(client: HttpClient) -> None:
    """Raise UnsupportedByHubError if the hub does not say how instances end."""
    generation_of(client).require("the exit code that check=True needs")


def run_new(
    start: Callable[[], _I], run_it: Callable[[_I, float | None], _R], timeout: float | None
) -> _R:
    """Start an instance and run it, within the seconds for both. After any error, the instance does not live on.

    `start` may take longer than that: its instance is killed as soon as its id is known.
    """
    began = monotonic()
    instance = _started(start, timeout)
    left = None if timeout is None else max(timeout - (monotonic() - began), _FIRST_PAUSE)
    try:
        return run_it(instance, left)
    except BaseException as error:
        if isinstance(error, RunTimeoutError) and timeout is not None and left is not None:
            # The user gave the whole time.
            error.message = error.message.replace(f"{left:g} s", f"{timeout:g} s", 1)
        if not instance.asked_to_end:
            _finish(instance, "kill")
        raise


def _started(start: Callable[[], _I], timeout: float | None) -> _I:
    """Start an instance, and kill it if the caller is interrupted, or its time is over, before its id is known.

    Only the hub's answer gives the id. A separate daemon thread, `scramjet-start-N`, waits for that answer and
    ends with it.
    """
    starting: Future[_I] = Future()
    needed = partial(thread_needed, "run()", "nothing was started")
    thread = start_thread("scramjet-start", fulfil, starting, start, needed=needed)
    try:
        return starting.result(wait_in_parts(starting, timeout))
    except BaseException as error:
        starting.add_done_callback(_kill_started)
        if isinstance(error, FutureTimeoutError) and not isinstance(error, ScramjetError):
            _LATE_STARTS.add(thread)
            raise HubTimeoutError(
                f"the start of an instance was not answered within {seconds(timeout or 0)} (timeout); one that starts "
                "after all is killed"
            ) from None
        thread.join(_START_GRACE)
        raise


def _await_starts(threads: list[threading.Thread]) -> None:
    deadline = monotonic() + _START_GRACE
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))


_LATE_STARTS = AtExit(_await_starts)
"""Threads that wait for the answers to starts that nobody else waits for."""


def _kill_started(starting: Future[_I]) -> None:
    if starting.exception() is None:
        _finish(starting.result(), "kill")


def run(
    instance: Instance,
    open_stream: Open,
    uploads: Sequence[Upload[Any]],
    timeout: float | None,
    unfinished: Unfinished,
    *,
    output: Target | None = None,
) -> CompletedInstance:
    """Run an instance to its end; see `InstanceClient.run`.

    The uploads feed it, and have not begun. An `output` takes its output instead of memory.
    """
    try:
        return _Run(instance, open_stream, uploads, timeout, output).through()
    except BaseException as error:
        done = _finish(instance, unfinished)
        if isinstance(error, RunTimeoutError):
            error.message += f"; {done}{_advice(error, uploads)}"
        if not uploads:
            explain(error, f"run() sent no input; {_NO_INPUT}")
        raise


def _advice(error: RunTimeoutError, uploads: Sequence[Upload[Any]]) -> str:
    """Return what a program may have waited for, as the end of a sentence; "" if it has said something itself."""
    if not uploads:
        return f"; {_NO_INPUT}"
    if error.cause is not None or error.output or error.stdout:
        return ""
    fed = {upload.name.partition(" ")[0] for upload in uploads}
    return "".join(advice for stream_id, advice in _NOT_FED.items() if stream_id not in fed)


def _finish(instance: Instance, unfinished: Unfinished) -> str:
    """End an instance whose end was not seen; return in words how it was ended."""
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
        # The caller must see the earlier error.
        tell_aside(f"could not {unfinished} instance {instance.id!r}: {error}")
        return f"it could not be ended: {error.message}"
    return "it was left as it is"


class _Run:
    """One run: its readers, its uploads, and what has been seen so far."""

    def __init__(
        self,
        instance: Instance,
        open_stream: Open,
        uploads: Sequence[Upload[Any]],
        timeout: float | None,
        output: Target | None,
    ) -> None:
        self._output = output
        self._instance = instance
        self._name = f"instance {instance.id!r}"
        self._open = open_stream
        self._uploads = uploads
        self._timeout = timeout
        self._silence = instance.client.tuning.run_silence
        self._deadline = None if timeout is None else monotonic() + timeout
        self._collected = {stream_id: io.BytesIO() for stream_id in OUTPUT_STREAMS}
        self._last = LastLines(instance.client, self._collected["stderr"], self._collected["log"])
        # Set when a stream or an upload has ended, so that the waiting thread looks at once.
        self._news = Event()
        self._feeds = Feeds(uploads, self._news.set)

    def through(self) -> CompletedInstance:
        """Read, write and wait until the instance has ended."""
        instance = self._instance
        # 0.x forgets an instance at its end, so ask for its info first.
        try:
            info = fetch_info(instance.client, instance.id, timeout=self._remaining())
        except HubTimeoutError:
            # It may be the limit of the run that is over.
            self._remaining()
            raise
        watcher = EndWatcher(instance.client, instance.id)
        targets: dict[str, Target] = {
            stream_id: BinaryFile(file) for stream_id, file in self._collected.items()
        }
        targets["stderr"] = BinaryFile(self._last.stderr)
        targets["log"] = BinaryFile(self._last.log)
        if self._output is not None:
            targets["output"] = self._output
        try:
            with Follow(self._name, self._open, watcher, targets, news=self._news.set) as reading:
                for upload in self._uploads:
                    upload.start()
                self._until_end(reading, watcher)
                self._drain(reading)
        except RunTimeoutError as error:
            error.info = info
            data = self._data()
            for stream_id, each in data.items():
                setattr(error, stream_id, each)
            found = self._reason(data)
            if found is not None:
                error.cause = found.cause
                error.message += f"; {found.said}"
            raise
        return self._completed(info)

    def _until_end(self, reading: Follow, watcher: EndWatcher) -> None:
        """Wait until the instance has ended, or an error has occurred."""
        waits = pauses(_FIRST_PAUSE, _LAST_PAUSE)
        # A user who knows of the silence, and gave a limit, needs no word.
        watched = not self._uploads and self._timeout is None and self._output is None
        standstill = Standstill(self._silence, self._given, self._say_that_it_is_silent)
        while not self._has_ended(reading, watcher):
            if watched:
                standstill.look()
            if reading.done:
                reading.wait()
            self._feeds.check()
            self._tell_what_it_survives(reading, watcher)
            remaining = self._remaining()
            pause = next(waits)
            if self._news.wait(pause if remaining is None else min(pause, remaining)):
                waits = pauses(_FIRST_PAUSE, _LAST_PAUSE)
            self._news.clear()

    def _reason(self, data: dict[str, bytes]) -> Survived | None:
        """Return the error that may explain why the program did not end."""
        found = self._last.survived()
        if found is not None:
            return found
        for stream, log in (("stderr", b""), ("log", data["log"])):
            cause = evidence(data["stderr"], log).cause
            if cause is not None:
                return Survived(stream=stream, cause=cause)
        return None

    def _tell_what_it_survives(self, reading: Follow, watcher: EndWatcher) -> None:
        found = self._last.news(lambda: not self._has_ended(reading, watcher))
        if found is not None:
            warn_aside(f"{self._name} still runs, but {found.said}", RuntimeWarning)

    def _given(self) -> bool:
        """Return whether the program has given anything."""
        return any(self._collected[each].tell() for each in ("output", "stdout", "stderr"))

    def _say_that_it_is_silent(self) -> None:
        if not self._given():
            warn_aside(
                f"{self._name} has given nothing for {self._silence:g} s, and run() sent it no input; {_NO_INPUT}",
                UserWarning,
            )

    @staticmethod
    def _has_ended(reading: Follow, watcher: EndWatcher) -> bool:
        try:
            return watcher.has_ended()
        except HubTimeoutError:
            return False
        except HubConnectionError:
            # If the hub is down, the open streams report it themselves.
            if reading.done:
                raise
            return False

    def _drain(self, reading: Follow) -> None:
        """Wait until all data from before the end of the instance has been read."""
        while not reading.done:
            self._news.wait(self._remaining())
            self._news.clear()
        reading.wait()
        self._feeds.check(ended=True)

    def _remaining(self) -> float | None:
        if self._deadline is None:
            return None
        remaining = self._deadline - monotonic()
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
        data = self._data()
        info = last_words_of(self._instance.client).learn(info, data["stderr"], data["log"])
        code = None if info.terminated is None else info.terminated.exit_code
        return CompletedInstance(info=info, returncode=code, **data)
