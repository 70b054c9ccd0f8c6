"""`seq run`: runs an instance as a shell command, with its exit code and Ctrl-C."""

from __future__ import annotations

import contextlib
import io
import math
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import attrs

from scramjet_client._common.files import NewFile
from scramjet_client._common.trace import packed
from scramjet_client.api.answers import has_ended
from scramjet_client.cli import _bodies, _exits, _output, _say
from scramjet_client.cli._hints import say_advice
from scramjet_client.cli._progress import Report, progress
from scramjet_client.cli._session import Session
from scramjet_client.cli._streams import log_line
from scramjet_client.clients.sequence import SequenceClient
from scramjet_client.errors import (
    BadParametersError,
    HubResponseError,
    HubTimeoutError,
    InstanceNotFoundError,
    RunTimeoutError,
    ScramjetError,
    SequenceNotFoundError,
    StopTimeoutError,
    UnsupportedByHubError,
)
from scramjet_client.instances.client import InstanceClient
from scramjet_client.instances.follow import Feeds, Follow
from scramjet_client.instances.last_words import LastLines
from scramjet_client.instances.run import run_new
from scramjet_client.models import Cause, GetInstanceResponse
from scramjet_client.streams.targets import write_all
from scramjet_client.uploads.upload import Upload

_CHECK = 0.1
"""How often, in seconds, the upload and the clock are checked."""

_FORGOTTEN = 10.0
"""Seconds in which a hub may still notice that an instance has ended."""

_ASKED = 0.5
"""Seconds that are enough to send a request."""

_LAST_WORDS = 2.0
"""Seconds in which output from before an instance's end may still arrive."""


@attrs.frozen(kw_only=True)
class Feed:
    """The input of a program: a file, "-" for stdin, or None for no input; and its stream and content type."""

    path: str | None
    stream_id: Any
    type: str | None


@attrs.frozen(kw_only=True)
class Display:
    """The parts of a program's output that the command shows: what its options say.

    Attributes:
        collected: Whether to keep everything for one JSON document at the end.
        requirements: The `-r` that would have installed its requirements, or None.
    """

    log: bool
    output_only: bool
    collected: bool
    path: str | None = None
    requirements: str | None = None


def exit_code(info: GetInstanceResponse) -> int:
    """Return the shell's exit code for the end of an instance, 128 and more for a signal; raise if it is unknown."""
    if info.terminated is None:
        if info.status == "crashed":
            return _exits.FAILED
        raise _exits.UnknownEnd(info.id)
    code = info.terminated.exit_code
    if code is None:
        if info.status == "stopped":
            return 0
        raise _exits.UnknownEnd(info.id)
    if code < 0:
        return 128 - code
    return code if code < 256 else _exits.FAILED


def is_alive(instance: InstanceClient) -> bool:
    """Return whether an instance is known to run; the streams of another one end too, and say why."""
    try:
        return not has_ended(instance.get_info())
    except ScramjetError:
        return False


def remove(sequence: SequenceClient, *, patient: bool) -> None:
    """Delete a sequence that was sent for one run; print a warning if it stays.

    If `patient`, try again while the hub still counts the ended instance.
    """
    deadline = time.monotonic() + _FORGOTTEN
    try:
        while patient and time.monotonic() < deadline:
            if _removed(sequence):
                return
            time.sleep(_CHECK)
        sequence.delete()
    except SequenceNotFoundError:
        return
    except (ScramjetError, KeyboardInterrupt) as error:
        said = error.message if isinstance(error, ScramjetError) else "interrupted"
        _say.warn(
            f"the sequence stays on the hub ({said}); `scramjet seq rm {sequence.id}` deletes it"
        )


def _removed(sequence: SequenceClient) -> bool:
    """Delete a sequence; return whether it is gone, or sure to be gone soon."""
    try:
        sequence.delete()
    except HubResponseError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
    else:
        return True
    # 1.x counts an instance for 15 s after its end. A forced deletion takes as long, and continues without a waiting
    # client. There is no other instance that it could kill.
    try:
        sequence.delete(force=True, timeout=_ASKED)
    except UnsupportedByHubError:
        # 0.x notices the end within moments.
        return False
    except HubTimeoutError:
        pass
    return True


def run(
    session: Session,
    start: Callable[[], InstanceClient],
    feed: Feed,
    shown: Display,
    limit: float | None,
) -> GetInstanceResponse:
    """Start an instance, feed it, show its output, and return its last info.

    Raises:
        Interrupted: The user has interrupted; the instance got a stop request, or was killed.
        RunTimeoutError: It had not ended within `limit` seconds, and was killed.
    """

    def run_it(instance: InstanceClient, left: float | None) -> GetInstanceResponse:
        try:
            return _ShellRun(session, instance, feed, shown, limit=left, output=output).through()
        except _LimitOver:
            raise RunTimeoutError(
                f"instance {instance.id!r} had not ended after {limit:g} s and is killed"
            ) from None

    with contextlib.ExitStack() as stack:
        # Before the start: an instance whose output can't be kept should not begin.
        output = None if shown.path is None else stack.enter_context(NewFile(shown.path, "-o"))
        return run_new(start, run_it, limit)


class _Watched:
    """A file that knows whether anything was written to it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.used = False

    def write(self, data: Any) -> int:
        self.used = True
        write_all(self._file, data)
        return len(data)

    def flush(self) -> None:
        if hasattr(self._file, "flush"):
            self._file.flush()


class _LimitOver(Exception):
    """The time limit of a run has passed."""


class _ShellRun:
    """One run."""

    def __init__(
        self,
        session: Session,
        instance: InstanceClient,
        feed: Feed,
        shown: Display,
        *,
        limit: float | None,
        output: NewFile | None,
    ) -> None:
        self._session = session
        self._instance = instance
        self._feed = feed
        self._deadline = None if limit is None else time.monotonic() + limit
        self._shown = shown
        self._file = output
        self._kept = {name: io.BytesIO() for name in ("output", "stdout", "stderr", "log")}
        stderr = self._kept["stderr"] if shown.collected else sys.stderr.buffer
        # Searched for the reason if the program crashes.
        self._last = LastLines(instance.client, stderr)
        self._body: _bodies.Body | None = None
        self._report: Report | None = None
        self._upload: Upload[Any] | None = None
        self._feeds: Feeds | None = None
        self._targets = self._files()
        # From when on its silence is worth a word.
        self._silent_from = time.monotonic() + instance.client.tuning.run_silence

    def through(self) -> GetInstanceResponse:
        """Feed the instance and show its output until it has ended."""
        instance = self._instance
        # 0.x forgets an ended instance, so this asks for its info at the beginning.
        known = instance.get_info()
        following: Follow | None = None
        with contextlib.ExitStack() as stack:
            try:
                # Followed separately: hubs end the other streams with the program, and the log some time later.
                log = stack.enter_context(instance.follow(log=self._take_log))
                following = stack.enter_context(instance.follow(**self._targets))
                self._feed_until_end(following)
                info = self._last_info(known)
                if self._shown.log or self._shown.collected:
                    log.wait()
                else:
                    self._await_reason(log, info)
                    log.close()
                info = self._last.learn(info)
            except KeyboardInterrupt:
                killed = self._interrupted(following)
                raise _exits.Interrupted(killed=killed) from None
            except InstanceNotFoundError as error:
                # 0.x forgets an instance when it ends, perhaps before its streams are open.
                raise _exits.UnknownEnd(instance.id) from error
        if self._shown.collected:
            self._print_document(info)
        if info.status == "crashed":
            self._say_why(info)
        return info

    def _await_reason(self, log: Follow, info: GetInstanceResponse) -> None:
        """Wait until the log gives the reason of a failure, or a time limit passes."""
        deadline = time.monotonic() + _LAST_WORDS
        while not (log.done or self._last.explain(info) or time.monotonic() >= deadline):
            time.sleep(_CHECK)

    def _say_why(self, info: GetInstanceResponse) -> None:
        """Print why the program failed, as far as it has said so, unless the command has already shown it."""
        cause = info.cause
        if cause is None:
            how = info.terminated
            if how is not None and how.exit_code is not None and how.reason != "Runner failed":
                _say.error(
                    f"instance {info.id!r} crashed and neither its stderr nor its log says why; the hub's own log may"
                    f" (`scramjet inst info {info.id}` shows what its hub knows)"
                )
            return
        shown = self._shown.log or (not self._shown.collected and self._was_shown(cause))
        if not shown:
            _say.err(cause.traceback.strip("\n") or cause.summary, keep=_say.LINES)
        if cause.type == "ModuleNotFoundError" and self._shown.requirements is not None:
            _say.error(
                f"the hub has not got this module: `-r {self._shown.requirements}` installs what is listed there"
            )
            return
        say_advice(cause, None if self._body is None else self._body.sent_as)

    def _was_shown(self, cause: Cause) -> bool:
        """Return whether the program's stderr, which the command shows live, ended with this error."""
        said = f"{cause.type}: {cause.message}" if cause.type else cause.message
        return said.encode() in bytes(self._last.stderr)

    def _files(self) -> dict[str, Any]:
        """Return what takes the program's streams."""
        if self._shown.collected:
            output: Any = self._kept["output"]
            stdout: Any = self._kept["stdout"]
        else:
            output = _say.Data()
            stdout = sys.stderr.buffer if self._shown.output_only else _say.Data()
        shown = {"output": self._file or output, "stdout": stdout, "stderr": self._last.stderr}
        return {name: _Watched(each) for name, each in shown.items()}

    def _take_log(self, line: bytes) -> None:
        """Take a line of the log, even if it is not shown: an unread log would hold the program back."""
        self._last.log.write(line)
        if self._shown.collected:
            self._kept["log"].write(line)
        elif self._shown.log:
            log_line(line)

    def _feed_until_end(self, following: Follow) -> None:
        with contextlib.ExitStack() as stack:
            if self._feed.path is not None:
                given = _bodies.body(self._feed.path, self._feed.type, self._feed.stream_id)
                self._body = stack.enter_context(given)
                if self._feed.path != "-":
                    what, printed = self._feed.stream_id, self._shown.path is None
                    report = stack.enter_context(progress(self._session, what, printed=printed))
                    self._report = self._body.reported(report)
            stack.callback(self._cancel)
            while not following.done:
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    raise _LimitOver
                if time.monotonic() >= self._silent_from:
                    silence = self._instance.client.tuning.run_silence
                    self._warn_of_silence(f" for {silence:g} s")
                if self._body is not None and self._upload is None:
                    self._begin(_CHECK)
                    continue
                with contextlib.suppress(HubTimeoutError):  # any other error appears again below
                    following.wait(_CHECK)
                if self._feeds is not None:
                    self._feeds.check()
                self._tell_what_it_survives()
            following.wait()
            if self._feeds is not None:
                self._feeds.check(ended=True)

    def _begin(self, seconds: float) -> None:
        """Begin to send the input, if it is known within so many seconds what it is."""
        body = self._body
        if body is None or not body.ready(seconds):
            return
        self._upload = self._instance.submit_stream(
            self._feed.stream_id, body.source, type=body.type, end=True, progress=self._report
        )
        self._feeds = Feeds([self._upload], lambda: None)

    def _cancel(self) -> None:
        """Cancel the upload before the reader of stdin is freed: a cut input must not look like a complete one."""
        if self._feeds is not None:
            self._feeds.cancel()

    def _warn_of_silence(self, how_long: str) -> None:
        """Say once, if nothing has come from the program, that its input is still open."""
        self._silent_from = math.inf
        came = any(each.used for each in self._targets.values())
        if came or (self._upload is not None and self._upload.done()):
            return
        _say.warn(
            f"instance {self._instance.id!r} has given nothing{how_long}; {self._input_is_open()}"
        )

    def _input_is_open(self) -> str:
        """Return a sentence that says why the program's input has not ended, and what ends it."""
        what = f"its {self._feed.stream_id} is open"
        if self._feed.path is None:
            return f"{what}, because --no-input sends nothing and does not end it: `< /dev/null` sends an empty one"
        if self._feed.path != "-":
            return f"{what} as long as {self._feed.path} has not been sent"
        if sys.stdin.isatty():
            return f"{what}: if the program waits for it, type it; Ctrl-D ends it"
        return (
            f"{what} as long as somebody can write to the pipe at stdin: if there is nothing to send, `< /dev/null` is"
            " an empty input"
        )

    def _tell_what_it_survives(self) -> None:
        """Warn of an error that has not ended the program: it may now wait for ever."""
        found = self._last.news(lambda: is_alive(self._instance))
        if found is None:
            return
        told = f"instance {self._instance.id!r} still runs, but its {found.stream} says {found.cause.summary}"
        _say.warn(told)
        say_advice(found.cause, self._feed.type)

    def _last_info(self, known: GetInstanceResponse) -> GetInstanceResponse:
        """Wait for the end; a hub of 0.x may forget the instance when it ends."""
        left = None if self._deadline is None else max(_CHECK, self._deadline - time.monotonic())
        try:
            return self._instance.wait(left)
        except InstanceNotFoundError:
            return attrs.evolve(known, status="stopped")
        except HubTimeoutError:
            if left is None:
                raise
            raise _LimitOver from None

    def _interrupted(self, following: Follow | None) -> bool:
        """Ask the instance to stop; if the user interrupts this, kill it. Return whether it was killed."""
        if self._silent_from != math.inf:
            self._warn_of_silence("")
        self._session.note("stopping the instance; Ctrl-C again kills it")
        try:
            try:
                self._instance.stop()
            except StopTimeoutError as error:
                _say.warn(error.message)
            if following is not None:
                with contextlib.suppress(HubTimeoutError):
                    following.wait(_LAST_WORDS)
        except KeyboardInterrupt:
            self._kill()
            return True
        except ScramjetError as error:
            _say.warn(error.message)
        return False

    def _kill(self) -> None:
        try:
            self._instance.kill(remove_immediately=True)
        except BadParametersError:
            # 1.x accepts no kill after a stop, and itself kills the instance when the time for the stop is over.
            _say.warn(f"instance {self._instance.id!r} is stopping; its hub kills it within 7 s")
        except ScramjetError as error:
            _say.warn(error.message)

    def _print_document(self, info: GetInstanceResponse) -> None:
        kept = {name: packed(file.getvalue()) for name, file in self._kept.items()}
        data = {name: each.get("text", each) for name, each in kept.items()}
        log = self._kept["log"].getvalue().decode("utf-8", "replace").splitlines()
        code = None if info.terminated is None else info.terminated.exit_code
        _output.document({"id": info.id, "returncode": code, "info": info, **data, "log": log})
