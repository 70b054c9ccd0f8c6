"""The loop of `scramjet dev`: pack, send, start, feed and show; and again when something is saved."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any, Union

import attrs
import click

from scramjet_client._common.signals import ENDING, taken
from scramjet_client._common.trace import TraceWriter
from scramjet_client.cli import _exits, _running, _say
from scramjet_client.cli._bodies import is_text
from scramjet_client.cli._dev_debugger import Debugger
from scramjet_client.cli._dev_input import Cut, KeptInput
from scramjet_client.cli._dev_program import BuildError, Built, Program
from scramjet_client.cli._dev_screen import OwnEvents, Screen
from scramjet_client.cli._dev_watcher import Watcher, is_temporary
from scramjet_client.cli._session import Session
from scramjet_client.cli._terms import in_options
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    ScramjetError,
    StreamInterruptedError,
)
from scramjet_client.http.answers import as_text
from scramjet_client.instances.last_words import LastLines
from scramjet_client.models import BINARY, TEXT, Cause, GetInstanceResponse

if TYPE_CHECKING:
    from scramjet_client.clients.host import HostClient
    from scramjet_client.clients.sequence import SequenceClient
    from scramjet_client.hub import LocalHub
    from scramjet_client.instances.client import InstanceClient
    from scramjet_client.instances.follow import Follow
    from scramjet_client.uploads.upload import Upload

_HOST = "127.0.0.1"
_PORT = 8000

_GRACE_MS = 1000
"""Milliseconds that a program gets to stop by itself."""

_REST_LIMIT = 1.0
"""Seconds for reading what a killed program has written."""

_END_LIMIT = 6.0
"""Seconds in which an instance must end after its streams broke."""

_LAST_WORDS = 30.0
"""Seconds to wait for the reason of a failure in a log that does not end."""

_CHECK = 0.025
"""How often, in seconds, the last lines of an ended program are checked for a reason."""

_LOOK = 0.1
"""How often, in seconds, the last lines of a running program are checked for an error."""

_SIGNALS = 0.5
"""How often, in seconds, the main thread wakes to handle signals."""

_AGAIN = 1.0
"""Seconds between two attempts to reach a hub that does not answer."""

_IN_USE = 16.0
"""Seconds for which a hub counts an ended instance as an instance of its sequence."""

_PIECE = 65536
"""Bytes of a file that are read and recorded at a time."""


@attrs.frozen(kw_only=True)
class Wanted:
    """The options of the command."""

    path: str
    args: list[Any]
    config: dict[str, Any] | None
    input_path: str | None
    no_input: bool
    to_stdin: bool
    content_type: str | None
    once: bool
    debugger: bool
    no_page: bool
    port: int | None
    record: str | None
    events: tuple[str, ...]
    output_topic: str | None
    input_topic: str | None
    requirements: str | None
    no_requirements: bool


def run(session: Session, wanted: Wanted) -> int:
    """Run the command and return its exit code."""
    with contextlib.ExitStack() as stack:
        return _Dev(session, wanted, stack).through()


@attrs.frozen
class _Saved:
    """Something was saved."""

    paths: frozenset[str]


@attrs.frozen
class _Ended:
    """A version of the program has ended, or its hub is lost.

    `info` says how, if that is known; `error` is what went wrong instead.
    """

    version: _Version
    info: GetInstanceResponse | None = None
    error: BaseException | None = None


class _Stop:
    """The user wants to end."""


@attrs.frozen
class _Broken:
    """Something that ends the command, such as stdout that can't be written."""

    error: BaseException


_News = Union[_Saved, _Ended, _Stop, _Broken]


@attrs.define(eq=False, repr=False, slots=False)
class _Version:
    """One version of the program while it runs."""

    built: Built
    _sequence: SequenceClient
    instance: InstanceClient
    _screen: Screen
    _trace: TraceWriter | None
    _on_own_hub: bool = attrs.field(kw_only=True)
    over: threading.Event = attrs.field(factory=threading.Event, init=False)
    # None if the program has ended before they were opened, on a hub that then forgets it.
    _streams: Follow | None = attrs.field(default=None, init=False)
    _log: Follow | None = attrs.field(default=None, init=False)
    _upload: Upload[Any] | None = attrs.field(default=None, init=False)
    _asked_to_end: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._last = LastLines(self.instance.client)

    def show(self, tell: Callable[[_Ended], object], *, whole_log: bool) -> None:
        """Show its streams from now on, and report its end from another thread: with `whole_log`, after the log."""
        with contextlib.suppress(InstanceNotFoundError):
            self._log = self.instance.follow(log=self._take_log)
            self._streams = self.instance.follow(
                output=self._taker("output"), stdout=self._taker("stdout"), stderr=self._take_stderr
            )

        def wait() -> None:
            try:
                tell(_Ended(self, self._end(whole_log)))
            except BaseException as failure:
                tell(_Ended(self, error=failure))

        # Ends with the streams, which `end` closes. A daemon, as a hub may keep them open.
        threading.Thread(target=wait, name="scramjet-dev-wait", daemon=True).start()

    def _end(self, whole_log: bool) -> GetInstanceResponse | None:
        """Wait for the end and its reason; return how it ended, or None if that is not known."""
        lost = False
        try:
            if self._streams is not None:
                self._wait_for(self._streams)
        except ScramjetError:
            lost = True
        finally:
            self.over.set()
        info: GetInstanceResponse | None = None
        # A program may close its streams and go on.
        with contextlib.suppress(InstanceNotFoundError):
            info = self.instance.wait(_END_LIMIT if lost else None)
        deadline = time.monotonic() + _LAST_WORDS
        while self._log is not None and not self._log.done and time.monotonic() < deadline:
            # Stderr has already ended.
            if self._asked_to_end or (not whole_log and self._last.explain(info)):
                break
            time.sleep(_CHECK)
        # A Transform Hub forgets an instance at its end, perhaps before it was asked. Its streams say it all.
        known = info or GetInstanceResponse(
            id=self.instance.id, sequence=self._sequence.id, status="stopped"
        )
        found = self._last.learn(known)
        return found if found.terminated is not None or found.status == "crashed" else None

    def _wait_for(self, streams: Follow) -> None:
        """Wait for the end of the streams; meanwhile show an error that does not end the program."""
        while not streams.done:
            with contextlib.suppress(HubTimeoutError):  # any other error appears again below
                streams.wait(_LOOK)
            found = self._last.news(
                lambda: not self.over.is_set() and _running.is_alive(self.instance)
            )
            if found is not None:
                self.blame(found.cause)
                self._screen.note("the program still runs, and may wait for ever", _say.YELLOW)
        streams.wait()

    def blame(self, cause: Cause) -> None:
        """Show an error of the program with its place and its cure."""
        place = self.built.place(cause, self.folder)
        said = f"{cause.type}: {cause.message}" if cause.type else cause.message
        self._screen.problem(f"{place}: {said}" if place else said)
        if cause.cure is not None:
            self._screen.problem(in_options(cause.cure))

    def feed(self, upload: Upload[Any]) -> None:
        """Take the upload of its input, and show its error."""
        self._upload = upload
        upload.add_done_callback(self._fed)

    def _fed(self, upload: Future[Any]) -> None:
        error = None if upload.cancelled() else upload.exception()
        expected = (InstanceEndedError, InstanceNotFoundError, HubConnectionError, Cut)
        if error is None or self.over.is_set() or isinstance(error, expected):
            return
        if isinstance(error.__cause__, Cut):
            return
        self._screen.problem(f"its input: {error}")

    def _taker(self, name: str) -> Callable[[bytes], None]:
        def take(line: bytes) -> None:
            self.record("came", **{"from": name}, data=line)
            self._screen.data(name, line)

        return take

    def record(self, kind: str, **fields: Any) -> None:
        """Write into the trace; the own hub does this itself, and then there is no trace here."""
        if self._trace is not None:
            self._trace.add(kind, self.instance.id, **fields)

    def _take_stderr(self, line: bytes) -> None:
        self.record("came", **{"from": "stderr"}, data=line)
        self._last.stderr.write(line)
        if self._asked_to_end and not self._on_own_hub:
            return  # a runner of a Transform Hub writes a traceback when it is stopped
        if b'File "' in line:
            text = self.built.with_local_paths(line.decode("utf-8", "replace"), self.folder)
            line = text.encode()
        self._screen.data("stderr", line)

    def _take_log(self, line: bytes) -> None:
        self.record("came", **{"from": "log"}, data=line)
        self._last.log.write(line)
        self._screen.log(line)

    @cached_property
    def folder(self) -> str | None:
        """Its folder on the hub, or None if the hub does not tell it."""
        with contextlib.suppress(ScramjetError):
            return as_text(self._sequence.get_info().config.get("sequenceDir"))
        return None

    def end(self, *, gently: bool = True) -> None:
        """Stop it, or kill it; wait a few seconds for its end."""
        self.over.set()
        self._asked_to_end = True
        if self._upload is not None:
            self._upload.cancel()
        streams = self._streams
        if gently and streams is not None and not streams.done:
            threading.Thread(target=self._ask, name="scramjet-dev-stop", daemon=True).start()
            with contextlib.suppress(Exception):
                streams.wait(_GRACE_MS / 1000)
        if streams is not None and not streams.done:
            with contextlib.suppress(ScramjetError):
                self.instance.kill(remove_immediately=True)
            # Nobody asked for the rest of what a flooding program has left.
            with contextlib.suppress(Exception):
                streams.wait(_REST_LIMIT)
        self.forget()

    def _ask(self) -> None:
        with contextlib.suppress(Exception):
            self.instance.stop(_GRACE_MS)

    def forget(self) -> None:
        """Close its streams and its upload."""
        self.over.set()
        if self._upload is not None:
            self._upload.cancel()
        for each in (self._streams, self._log):
            if each is not None:
                with contextlib.suppress(Exception):
                    each.close()


class _Dev:
    """One run of the command."""

    def __init__(self, session: Session, wanted: Wanted, stack: contextlib.ExitStack) -> None:
        self._session = session
        self._wanted = wanted
        self._stack = stack
        self._news: SimpleQueue[_News] = SimpleQueue()
        self._screen = Screen(as_json=session.json, quiet=session.quiet)
        self._program = Program(
            wanted.path, wanted.requirements, wanted.no_requirements, self._screen.note
        )
        self._input: KeptInput | None = None
        self._version: _Version | None = None
        self._begun = threading.Event()
        self._digest: object = None
        self._problem = ""
        self._sent: deque[tuple[float, SequenceClient]] = deque()
        self._own: LocalHub | None = None
        self._trace: TraceWriter | None = None
        self._told: set[str] = set()
        self._watcher: Watcher | None = None
        self._events = OwnEvents(self._screen, self._break)
        self._host: HostClient

    # -- the whole ------------------------------------------------------------------------------------

    def through(self) -> int:
        """Run until the user ends it, or with `--once` until the program ends."""
        wanted, stack = self._wanted, self._stack
        stack.callback(self._program.close)
        stack.callback(self._events.close)
        stack.enter_context(_signals(self._stop))
        built = self._first_build()
        if wanted.record is not None:
            self._open_trace(wanted.record, built)
        self._open_input()
        self._host = self._find_hub()
        stack.callback(self._end_all)
        if not wanted.once:
            self._watcher = Watcher(
                lambda paths: self._news.put(_Saved(paths)), self._screen.problem
            )
            stack.callback(self._watcher.stop)
            self._watch(built)
            # For a save between the build and now.
            self._news.put(_Saved(frozenset()))
        if built is not None:
            self._start(built)
        return self._loop()

    def _open_trace(self, path: str, built: Built | None) -> None:
        """Begin a trace, which names the program as seen from its own folder."""
        self._program.check_record(path, self._wanted.input_path, built)
        program, separator, name = self._wanted.path, "", ""
        if not Path(program).exists():
            program, separator, name = program.rpartition(":")
        near = os.path.relpath(program, Path(path).resolve().parent)
        trace = TraceWriter(path, {"program": f"{near}{separator}{name}"})
        self._trace = trace

        def close() -> None:
            trace.close()
            if trace.failure is not None:
                self._screen.problem(f"the trace {path} is not complete: {trace.failure}")

        self._stack.callback(close)

    def _first_build(self) -> Built | None:
        try:
            return self._program.build()
        except BuildError as error:
            if self._wanted.once:
                raise click.ClickException(str(error)) from error
            self._problem = str(error)
            self._screen.problem(self._problem)
            self._screen.note("waiting for a save")
            return None

    def _loop(self) -> int:
        while True:
            found = _next(self._news)
            if isinstance(found, _Stop):
                if self._wanted.once:
                    raise _exits.Interrupted
                return 0
            if isinstance(found, _Broken):
                raise found.error
            if isinstance(found, _Saved):
                self._restart(self._all_saved(found))
                continue
            if found.version is not self._version:
                continue
            code = self._on_end(found)
            if code is not None:
                return code

    def _all_saved(self, first: _Saved) -> frozenset[str]:
        """Return the saved paths, with those saved since: one restart is enough for all."""
        paths = set(first.paths)
        kept: list[_News] = []
        with contextlib.suppress(Empty):
            while True:
                further = self._news.get_nowait()
                if isinstance(further, _Saved):
                    paths |= further.paths
                else:
                    kept.append(further)
        for each in kept:
            self._news.put(each)
        return frozenset(paths)

    def _end_all(self) -> None:
        """End the program; delete its sequences from a hub that is not ours."""
        self._screen.close()
        self._end_version()
        if self._own is None:
            for _, sequence in self._sent:
                _running.remove(sequence, patient=True)

    # -- the hub --------------------------------------------------------------------------------------

    def _find_hub(self) -> HostClient:
        if self._session.names_a_hub:
            host = self._session.host
            host.get_version()  # an unreachable hub is one sentence, and no loop
            self._screen.note(f"on the hub at {host.api_base}")
            return host
        from scramjet_client.hub._starting import kept_token  # noqa: PLC0415

        hub = self._started_hub()
        self._own = hub
        self._stack.callback(hub.stop)
        try:
            self._stack.enter_context(kept_token(hub))
        except OSError as error:
            self._screen.note(str(error))
        if hub.page_url is not None:
            self._screen.note(f"page {hub.page_url}")
        host = hub.client()
        self._stack.callback(host.close)
        return host

    def _started_hub(self) -> LocalHub:
        port = self._wanted.port
        try:
            return self._hub_at(_PORT if port is None else port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if port is not None:
                raise click.ClickException(
                    f"no hub can listen on {_HOST}:{port}: {error.strerror}; --port 0 takes a free one"
                ) from error
        hub = self._hub_at(0)
        self._screen.note(f"port {_PORT} is in use, so the hub listens at {hub.url}")
        return hub

    def _hub_at(self, port: int) -> LocalHub:
        from scramjet_client.hub._starting import make_hub  # noqa: PLC0415

        page = not (self._wanted.no_page or self._wanted.once)
        hub = make_hub(_HOST, port, page=page, record=self._take)
        hub.start()
        return hub

    def _take(self, record: dict[str, Any]) -> None:
        """Take a record of the own hub. Only records have all events: clients must know their names."""
        if self._trace is not None:
            self._trace.copy(record)
        if record.get("kind") == "came" and record.get("from") == "event":
            self._events.take(record)

    def _stop(self) -> None:
        """Let the command end, even if this thread waits for stdout."""
        self._news.put(_Stop())
        self._screen.close()

    def _break(self, error: BaseException) -> None:
        """End the command by an error of another thread."""
        self._news.put(_Broken(error))

    # -- one version ----------------------------------------------------------------------------------

    def _open_input(self) -> None:
        wanted = self._wanted
        elsewhere = wanted.no_input or wanted.input_path not in (None, "-")
        if elsewhere and not wanted.debugger:
            return
        # A program's stdin takes UTF-8 only.
        of_type = {None: None, BINARY: True}.get(wanted.content_type, False)
        binary = False if wanted.to_stdin else of_type
        keys = KeptInput(binary=binary, note=self._screen.note)
        self._input = None if elsewhere else keys
        self._stack.callback(keys.stop)
        if wanted.debugger:
            self._stack.callback(Debugger(self._screen, keys, self._with_local_paths).close)
        keys.start()

    def _with_local_paths(self, text: str) -> str:
        # A program may fail before its start is answered.
        self._begun.wait(_END_LIMIT)
        version = self._version
        return text if version is None else version.built.with_local_names(text, version.folder)

    def _start(self, built: Built) -> None:
        wanted = self._wanted
        for each in built.warnings:
            if each not in self._told:
                self._told.add(each)
                self._screen.note(each, _say.YELLOW)
        self._digest = self._state_of(built)
        sequence = self._host.send_sequence(built.data)
        self._sent.append((time.monotonic(), sequence))
        self._end_version()
        self._begun.clear()
        self._events.expect()
        self._remove_old()
        instance = sequence.start(
            args=wanted.args,
            app_config=wanted.config,
            input_topic=wanted.input_topic,
            output_topic=wanted.output_topic,
        )
        own = self._own is not None
        trace = None if own else self._trace
        version = _Version(built, sequence, instance, self._screen, trace, on_own_hub=own)
        version.record("start", sequence=built.name, args=wanted.args, config=wanted.config or {})
        self._version = version
        self._begun.set()
        self._events.show(instance.id)
        version.show(self._tell_end, whole_log=wanted.once)
        self._show_events(version)
        self._feed(version)

    def _tell_end(self, ended: _Ended) -> None:
        if ended.error is None:
            self._events.wait()
        self._news.put(ended)

    def _end_version(self) -> None:
        version, self._version = self._version, None
        if version is not None:
            version.end()

    def _show_events(self, version: _Version) -> None:
        for name in self._wanted.events:
            try:
                stream = version.instance.get_event_stream(name)
            except InstanceNotFoundError:
                return  # it has ended already

            def show(name: str = name, stream: Any = stream) -> None:
                try:
                    with contextlib.suppress(ScramjetError), stream:
                        for each in stream:
                            version.record(
                                "came", **{"from": "event"}, name=name, message=each.data
                            )
                            self._screen.event(name, each.data)
                except OSError as error:
                    self._break(error)

            # Ends with the instance.
            threading.Thread(target=show, name="scramjet-dev-event", daemon=True).start()

    def _feed(self, version: _Version) -> None:
        wanted = self._wanted
        if wanted.input_topic is not None or wanted.no_input:
            return
        keys = self._input
        if keys is not None and keys.is_binary(0) is not None:
            self._feed_stdin(version, keys)
            return
        if keys is not None:
            # Nothing here waits for what comes through a pipe.
            threading.Thread(
                target=self._feed_late, args=(version, keys), name="scramjet-dev-feed", daemon=True
            ).start()
            return
        path = Path(str(wanted.input_path))
        if not path.is_file():
            self._screen.problem(f"{wanted.input_path} is not there: the program gets no input")
            return
        self._send(version, path, TEXT if is_text(path) else BINARY)

    def _feed_stdin(self, version: _Version, keys: KeptInput) -> None:
        self._send(version, keys.reader(version.over), BINARY if keys.is_binary(0) else TEXT)

    def _feed_late(self, version: _Version, keys: KeptInput) -> None:
        while keys.is_binary(_SIGNALS) is None:
            if version.over.is_set():
                return
        try:
            self._feed_stdin(version, keys)
        except ScramjetError as error:
            if not version.over.is_set():
                self._screen.problem(f"its input: {error}")
        except Exception as error:
            self._break(error)

    def _send(self, version: _Version, source: Any, kind: str) -> None:
        """Begin to send the input of a version; `kind` is its type if the command line names none."""
        wanted = self._wanted
        kind = wanted.content_type or kind
        if self._trace is not None and self._own is None:
            source = _recorded(source, version, "stdin" if wanted.to_stdin else "input", kind)
        if wanted.to_stdin:
            version.feed(version.instance.submit_stdin(source, end=True))
        else:
            version.feed(version.instance.submit_input(source, type=kind, end=True))

    def _remove_old(self) -> None:
        """Delete sequences of earlier versions, once the hub lets them go: a day of saves must not fill a disk."""
        while len(self._sent) > 1 and time.monotonic() - self._sent[0][0] > _IN_USE:
            _, sequence = self._sent[0]
            try:
                sequence.delete()
            except ScramjetError:
                # Its instance has ended less than that ago; the next save tries again.
                self._sent.rotate(-1)
                self._sent[-1] = (time.monotonic(), sequence)
                return
            self._sent.popleft()

    # -- news -----------------------------------------------------------------------------------------

    def _state_of(self, built: Built) -> object:
        path = self._wanted.input_path
        changed = None
        if path not in (None, "-"):
            with contextlib.suppress(OSError):
                found = Path(str(path)).stat()
                changed = (found.st_mtime_ns, found.st_size)
        return built.digest, changed

    def _restart(self, paths: frozenset[str]) -> None:
        began = time.monotonic()
        if self._wanted.record is not None and paths:
            paths -= {str(Path(self._wanted.record).resolve())}
            if not paths:
                return
        try:
            built = self._program.build()
        except BuildError as error:
            ours = [each for each in paths if each.endswith((".py", "package.json"))]
            if not ours and str(error) == self._problem:
                return  # something else was saved
            self._problem = str(error)
            self._screen.problem(self._problem)
            going = self._version is not None and not self._version.over.is_set()
            self._screen.note(
                "the version before goes on" if going else "waiting for the next save"
            )
            self._digest = None
            return
        if self._digest is not None and self._state_of(built) == self._digest:
            return  # such as a file that is not part of the package
        names = sorted({Path(each).name for each in paths if not is_temporary(each)})
        names = names or [self._program.name]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        self._watch(built)
        self._start_again(built, f"{', '.join(names[:3])}{more} saved", began)

    def _start_again(self, built: Built, why: str, began: float) -> None:
        try:
            self._start(built)
        except (HubConnectionError, StreamInterruptedError) as error:
            self._lost(built, error)
            return
        except ScramjetError as error:
            self._screen.problem(str(error))
            self._screen.note("waiting for the next save")
            return
        self._screen.note(f"{why}: started anew in {time.monotonic() - began:.2f} s")

    def _lost(self, built: Built, error: BaseException) -> None:
        """Wait until the hub is back, and start the program anew there."""
        version, self._version = self._version, None
        if version is not None:
            version.forget()
        if self._wanted.once or self._own is not None:
            raise error
        self._screen.problem(f"the hub does not answer: {error}")
        self._screen.note("waiting for it; Ctrl-C ends")
        while True:
            with contextlib.suppress(Empty):
                found = self._news.get(timeout=_AGAIN)
                if isinstance(found, (_Stop, _Broken)):
                    self._news.put(found)
                    return
            with contextlib.suppress(HubConnectionError, HubTimeoutError, StreamInterruptedError):
                self._host.get_version()
                break
        self._sent.clear()
        with contextlib.suppress(BuildError):
            built = self._program.build()
        self._start_again(built, "the hub is back", time.monotonic())

    def _on_end(self, ended: _Ended) -> int | None:
        """Report the end of the program; return the exit code of the command, or None to go on."""
        version, info = ended.version, ended.info
        if isinstance(ended.error, (HubConnectionError, HubTimeoutError, StreamInterruptedError)):
            self._lost(version.built, ended.error)
            return None
        if ended.error is not None:
            raise ended.error  # such as stdout that can't be written
        if info is None and self._wanted.once:
            raise _exits.UnknownEnd(version.instance.id)
        # Its log may still come; the next version or the end of the command closes it.
        self._say_end(version, info)
        return _running.exit_code(info) if info is not None and self._wanted.once else None

    def _say_end(self, version: _Version, info: GetInstanceResponse | None) -> None:
        wait = "" if self._wanted.once else "; waiting for a save"
        code = None if info is None or info.terminated is None else info.terminated.exit_code
        if info is None or (code is None and info.status not in ("stopped", "crashed")):
            self._screen.note(f"the program has ended; its hub does not say how{wait}")
            return
        version.record("end", exit_code=code, reason="")
        cause = info.cause
        if cause is not None:
            version.blame(cause)
        if code == 0 or (code is None and info.status == "stopped"):
            self._screen.note(f"the program has ended{wait}")
        else:
            how = "" if code is None else f" with exit code {code if code >= 0 else 128 - code}"
            self._screen.note(f"the program has failed{how}{wait}", _say.RED)

    def _watch(self, built: Built | None) -> None:
        if self._watcher is None:
            return
        below, alone = self._program.folders(built)
        path = self._wanted.input_path
        if path not in (None, "-"):
            alone.add(str(Path(str(path)).resolve().parent))
        self._watcher.watch(below, alone)


def _recorded(source: Any, version: _Version, to: str, kind: str) -> Iterator[Any]:
    """Yield the pieces of a source, and write each into the trace of a version."""
    if to == "input":
        version.record("sent", to=to, type=kind, data=b"")
    with contextlib.ExitStack() as stack:
        if isinstance(source, Path):
            file = stack.enter_context(source.open("rb"))
            source = iter(lambda: file.read(_PIECE), b"")
        for piece in source:
            version.record("sent", to=to, data=piece.encode() if isinstance(piece, str) else piece)
            yield piece
    version.record("closed", to=to)


def _next(news: SimpleQueue[_News]) -> _News:
    while True:
        # Python handles a signal between two steps of this thread. If it arrives after the last step and before the
        # wait, it does not interrupt the wait. A wait without limit would then go on although the user wants to end.
        with contextlib.suppress(Empty):
            return news.get(timeout=_SIGNALS)


@contextlib.contextmanager
def _signals(stop: Callable[[], object]) -> Iterator[None]:
    """While the block runs, let the first Ctrl-C or SIGTERM end the command, and the second one interrupt that."""

    def take(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        stop()

    with taken(ENDING, take):
        yield
