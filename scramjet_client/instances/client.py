"""InstanceClient: one running instance — its lifecycle, its streams and its events."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from scramjet_client._base import callers_level, public, quoted, warn_aside
from scramjet_client._common.checks import checked
from scramjet_client._common.names import refused
from scramjet_client.api.answers import has_ended, health_from, instance_from
from scramjet_client.api.generations import Intake, event_body, generation_of, route_limits
from scramjet_client.api.handles import Handle
from scramjet_client.api.http_client import ClientProvider
from scramjet_client.errors import InstanceNotFoundError, NotFoundError, ScramjetError
from scramjet_client.http.answers import JsonAnswer, as_object
from scramjet_client.http.durations import Duration, duration, milliseconds
from scramjet_client.http.exchange import Exchange
from scramjet_client.http.json_body import json_bytes
from scramjet_client.http.settings import route
from scramjet_client.http.standstill import Standstill
from scramjet_client.instances.attach import attach
from scramjet_client.instances.events import Events, ExpectedEvent, checked_name
from scramjet_client.instances.first_input import FirstInput, GuardedBody, HeldBody
from scramjet_client.instances.follow import Follow
from scramjet_client.instances.guesses import GUESSES
from scramjet_client.instances.input_type import InputType
from scramjet_client.instances.last_words import last_words_of
from scramjet_client.instances.lifetime import ended_error, kill, stop
from scramjet_client.instances.readers import Readers
from scramjet_client.instances.run import (
    UNFINISHED,
    CompletedInstance,
    Unfinished,
    check_end,
    explained,
    refuse_check,
    run,
)
from scramjet_client.instances.watcher import EndWatcher
from scramjet_client.models import (
    INPUT_STREAMS,
    OUTPUT_STREAMS,
    STATUSES,
    GetEventResponse,
    GetHealthResponse,
    GetInstanceResponse,
    InstanceInputStream,
    InstanceOutputStream,
    InstanceStatus,
    KillMessageData,
    Milliseconds,
    ParseResponse,
    RequestInit,
    SendEventResponse,
    SendKillInstanceResponse,
    SendStopInstanceResponse,
    SendStreamResponse,
)
from scramjet_client.streams.output import EventStream, OutputStream, advise, check_at_end, prepend
from scramjet_client.streams.reconnect import Gap, Reconnect, ReconnectingStream
from scramjet_client.streams.targets import TargetLike, target, targets_of
from scramjet_client.uploads.file import UploadWriter
from scramjet_client.uploads.options import OptionsLike, check_stdin, checked_stream_id, plan
from scramjet_client.uploads.sending import Destination, InputGate
from scramjet_client.uploads.sources import ProgressHook, SourceLike
from scramjet_client.uploads.upload import Upload

if TYPE_CHECKING:
    from scramjet_client.integrations.notebook import LiveView

_NO_IDLE_LIMIT = float("inf")
"""Seconds. A client's limit for all streams (`Timeouts.idle`) is not meant for streams that are read together, because
one of them is always silent."""

_GONE = "the instance had already ended, by this client, and the hub has forgotten it"
"""What an order says that comes too late for what this client has ended."""

_LIKELY_SECONDS = 100
"""Milliseconds: a shorter stop time was probably meant as seconds, because no program can do much in less."""


@public
class InstanceClient(Handle):
    """One instance on a hub. Safe to use from any number of threads; it holds no connection of its own.

    Creating one sends no request.

    Args:
        id: The instance's id.
        host: The object whose `.client` talks to the hub, normally a `HostClient`.
    """

    _guesses = GUESSES

    if not TYPE_CHECKING:  # for type checkers they are not there
        __iter__ = refused(
            """can't be iterated; get_stream("output") gives its output line by line"""
        )
        __enter__ = __exit__ = refused(
            "needs no with block; kill() or stop() ends it, and run() waits for its end"
        )

    _kind = "instance"
    _not_found = InstanceNotFoundError

    def __init__(self, id: str, host: ClientProvider) -> None:
        super().__init__(id, host)
        self._started: str | None = None
        self._asked_to_end = False
        # Whether the hub has accepted that.
        self._is_ending = False
        # 1.x may say "running" of an instance that it is killing.
        self._killed = False
        # Whether `get_info`, on which all waits rely, has seen the end.
        self._seen_ended = False
        self._gates = {name: InputGate(f"{name} of {id!r}") for name in INPUT_STREAMS}
        self._first_input = FirstInput(
            look=self._intake,
            hear=lambda: self._get("health", timeout=self._client.tuning.look),
            shows_reading=lambda: generation_of(self._client).shows_reading,
            send_nothing=self._send_nothing,
            tuning=self._client.tuning,
        )
        self._input_type = InputType(self._intake)
        self._events = Events(self._client, id, self._standstill)

    @property
    def asked_to_end(self) -> bool:
        """Whether this client has stopped or killed it."""
        return self._asked_to_end

    # -- lifecycle ------------------------------------------------------------------------------

    def stop(
        self, timeout: Milliseconds = 7000, can_call_keepalive: bool = False
    ) -> SendStopInstanceResponse:
        """Ask the instance to stop, and wait until it has.

        Blocks until the hub answers or the instance is seen to have ended, whichever comes first. The hub answers
        only after the whole timeout.

        Args:
            timeout: Milliseconds (or a timedelta) that the program gets before the hub kills it.
            can_call_keepalive: Whether the program is told that it may ask for more time.

        Returns:
            What happened; `.raw` is the hub's answer, if it came before the end.

        Warns:
            UserWarning: `timeout` is so small that you may have meant seconds; a timedelta never warns.

        Raises:
            InstanceNotFoundError: The hub has no such instance, and this client has not ended it before.
            StopTimeoutError: The instance did not end by itself in that time: it still runs, or the hub
                killed it (a 0.x hub does not say which).
            HubConnectionError: The hub could not be reached.

        Wire: POST /instance/{id}/_stop (docs/protocol.md, "Stop").
        """
        time_left = milliseconds("timeout", timeout)
        checked("can_call_keepalive", can_call_keepalive, bool)
        if 0 < time_left < _LIKELY_SECONDS and not isinstance(timeout, timedelta):
            warnings.warn(
                f"stop({timeout!r}) gives the program {time_left:g} milliseconds: for {time_left:g} seconds say"
                f" stop({1000 * time_left:g}) or stop(timedelta(seconds={time_left:g}))",
                UserWarning,
                stacklevel=callers_level(),
            )
        self._asked_to_end = True
        try:
            answer = stop(
                self._client, self._id, time_left, can_call_keepalive, killed=self._killed
            )
        except InstanceNotFoundError:
            if not self._is_ending:
                raise
            return SendStopInstanceResponse(message=_GONE, acknowledged=True, raw=None)
        self._is_ending = True
        return answer

    def kill(
        self,
        opts: KillMessageData | Mapping[str, Any] | None = None,
        *,
        remove_immediately: bool = False,
    ) -> SendKillInstanceResponse:
        """Kill the instance as soon as the hub accepts the order; return when it has.

        An instance that is still starting is killed once it runs.

        Args:
            opts: `KillMessageData`, or a mapping with `remove_immediately`.
            remove_immediately: The same as a keyword: the hub then forgets the instance soon after.

        Raises:
            InstanceNotFoundError: The hub has no such instance, and this client has not ended it before.
            BadParametersError: The hub accepts no kill in this state; 1.x accepts none after a stop.

        Wire: POST /instance/{id}/_kill (docs/protocol.md, "Kill").
        """
        if opts is None:
            opts = KillMessageData(remove_immediately=remove_immediately)
        elif isinstance(opts, Mapping):
            opts = KillMessageData(**opts)
        elif not isinstance(opts, KillMessageData):
            raise TypeError(
                f"opts must be KillMessageData, not {type(opts).__name__}; kill() takes no signal, and "
                "send_event() tells the program anything else"
            )
        self._asked_to_end = True
        try:
            answer = kill(self._client, self._id, opts.remove_immediately or remove_immediately)
        except InstanceNotFoundError:
            if not self._is_ending:
                raise
            return SendKillInstanceResponse(message=_GONE, killed=False, raw=None)
        self._killed = self._is_ending = True
        return answer

    def get_health(self) -> GetHealthResponse:
        """Return the program's last health message; after a start, wait for the first one.

        An instance that has ended is not healthy, but hubs go on repeating its last message. So the status is then
        "unhealthy" after a crash and "unknown" after any other end, and the message says so. `.raw` is the hub's
        unchanged answer.

        Raises:
            InstanceEndedError: It ended before it sent a message (0.x, whose hubs then never answer).

        Wire: GET /instance/{id}/health, GET /instance/{id} (docs/protocol.md, "Health").
        """
        awaited = ended_error(self._id, "its health was awaited")
        answer = self._get("health", on_idle=self._watcher().on_idle(awaited))
        # The hub goes on repeating the last health message after the instance has ended.
        info = None
        with contextlib.suppress(ScramjetError):
            answered = self._get(timeout=self._client.tuning.look)
            info = instance_from(answered, asked_to_end=self._asked_to_end)
            info = last_words_of(self._client).known(info)
        return health_from(answer, self._started, info)

    def get_info(self) -> GetInstanceResponse:
        """Return the hub's info on the instance.

        Some hubs say the same about every end of a program, good or bad. The status is then "unknown", until `wait` or
        `run` have found out more.

        Wire: GET /instance/{id} (docs/protocol.md, "Info").
        """
        info = instance_from(self._get(), asked_to_end=self._asked_to_end)
        self._started = info.started
        self._seen_ended = has_ended(info)
        return last_words_of(self._client).known(info)

    def wait(self, timeout: Duration | None = None) -> GetInstanceResponse:
        """Wait until the instance has ended.

        After a failure, or if the hub does not tell a good end from a bad one, `wait` reads the rest of the program's
        stderr and log to find its error. Nothing of it is lost: the next `get_stream` begins with it.

        Args:
            timeout: Seconds; None waits without limit.

        Returns:
            Its last info, with exit code and reason in `.terminated`, and the program's own error in `.cause`, as far
            as they are known. A 0.x hub says nothing: the info is then the last one before the end, with the status
            "stopped". If it forgets an instance right after your `stop` or `kill`, id and status are all of it.

        Raises:
            HubTimeoutError: It is still alive.
            InstanceNotFoundError: The hub does not (or no longer) know it, so how it ended is unknown.
        """
        with explained(self._what_may_hold):
            return self._wait(has_ended, "its end", timeout, advice=self._what_may_hold)

    def wait_for(
        self, status: InstanceStatus, timeout: Duration | None = None
    ) -> GetInstanceResponse:
        """Wait until the instance has a status, and return its info.

        Args:
            status: One of the contract's words: "starting", "running", "stopping", "stopped", "crashed".
            timeout: Seconds; None waits until the status comes or the instance ends.

        Raises:
            HubTimeoutError: The status did not come in time.
            InstanceEndedError: The instance ended, so the status can no longer come.
        """
        if status not in STATUSES:
            raise ValueError(
                f"status must be one of {', '.join(STATUSES)}, not {quoted(status)}; get_next_event() and "
                "expect_event() wait for an event, and wait() for the end"
            )
        advice = self._what_may_hold if status in ("stopped", "crashed") else str
        return self._wait(
            lambda info: info.status == status, f"status {status!r}", timeout, advice=advice
        )

    # -- reading --------------------------------------------------------------------------------

    def get_stream(
        self,
        stream_id: InstanceOutputStream,
        *,
        timeout: Duration | None = None,
        idle_timeout: Duration | None = None,
        check: bool = False,
    ) -> OutputStream:
        """Open an output: first everything that the program wrote and nobody has read, then live until its end.

        Args:
            stream_id: "stdout", "stderr", "output" or "log".
            timeout: Seconds after which the stream ends for you, whatever the program does; None means no limit.
            idle_timeout: Seconds without a byte after which reading raises `StreamIdleError`.
            check: Whether reading raises `InstanceFailedError` at the end, after all bytes, if the program has failed.
                Without it, the output of a crashed program ends as any pipe does. With it, the stream waits for the end
                of the instance; for a Node.js program that comes 10 s after the end of its output. A `read()` to the
                end raises too; the bytes that it has read are in the error's `output`.

        Returns:
            A binary file; close it, or use it in a `with` block.

        Raises:
            ValueError: There is no such stream.
            InstanceNotFoundError: The hub has no such instance (0.x: also when it has just ended).
            UnsupportedByHubError: You asked for `check` on a 0.x hub, which does not say how programs end.

        Wire: GET /instance/{id}/{stream} (docs/protocol.md, "Output streams").
        """
        checked_stream_id(stream_id, OUTPUT_STREAMS)
        if checked("check", check, bool):
            refuse_check(self._client)
        stream = self._output(stream_id, idle_timeout, None, timeout)
        if stream_id != "log":
            advise(stream, lambda: self._what_may_hold().lstrip("; "))
        if check:
            check_at_end(stream, lambda: check_end(self.wait()))
        return stream

    def get_log_stream(
        self, *, timeout: Duration | None = None, idle_timeout: Duration | None = None
    ) -> OutputStream:
        """Open the log: one JSON object a line; `.records()` gives them parsed.

        It ends when the instance has ended, even on hubs that leave it open. On a 1.0 hub, one reader that leaves ends
        it for all readers: open it once, and keep it.

        Args:
            timeout: Seconds after which the stream ends for you; `timeout=10` is the log of ten seconds.
            idle_timeout: Seconds without a byte after which reading raises `StreamIdleError`.
        """
        return self.get_stream("log", timeout=timeout, idle_timeout=idle_timeout)

    def get_reconnecting_stream(
        self,
        stream_id: InstanceOutputStream,
        *,
        reconnect: Reconnect | None = None,
        on_gap: Callable[[Gap], object] | None = None,
        idle_timeout: Duration | None = None,
    ) -> ReconnectingStream:
        """Open an output that opens again after its connection breaks, as long as the instance lives.

        Hubs have no offsets and repeat nothing, so data on the way is lost when a connection breaks. While nobody
        reads, the hub holds the program itself back, and its data is not lost. Every break is reported.

        Args:
            stream_id: "stdout", "stderr", "output" or "log".
            reconnect: How often and for how long to try.
            on_gap: Called with a `Gap` for each break, once the stream is open again; without it a break
                issues a `StreamGapWarning`.
            idle_timeout: Seconds without a byte after which the connection counts as broken.

        Returns:
            An iterable of lines, which ends as the stream of `get_stream` does.

        Raises:
            InstanceNotFoundError: The hub has no such instance.

        Wire: GET /instance/{id}/{stream} (docs/protocol.md, "Output streams").
        """
        checked_stream_id(stream_id, OUTPUT_STREAMS)
        ends = stream_id != "log"  # 1.x hubs never end the log
        return ReconnectingStream(
            f"{stream_id} of {self._id!r}",
            lambda exchange: self._output(stream_id, idle_timeout, exchange),
            lambda: Exchange() if ends else self._watcher().exchange(stream_id),
            Reconnect() if reconnect is None else reconnect,
            on_gap,
        )

    # -- sending --------------------------------------------------------------------------------

    def send_stream(
        self,
        stream_id: InstanceInputStream,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        parse_response: ParseResponse | None = None,
        parse: ParseResponse | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> SendStreamResponse | Any:
        """Send data to an input, and wait until the hub has taken all of it.

        A background thread pulls the body from the source and writes it, while this thread waits for the hub's
        answer. So a refusal is raised at once, whatever the source is doing. A program that does not read holds
        the upload back. Two calls in a row arrive in that order. The first input of an instance pauses before its
        first byte that is not ASCII, until a Node.js program can receive it unchanged.

        Args:
            stream_id: "stdin" or "input".
            stream: Text (sent as UTF-8), bytes-like, an open file, a `Path`, or an iterable of str or bytes.
            request_init: Extra `headers`, `params` and a `timeout` in seconds for the whole send.
            options: `SendStreamOptions` or a mapping of the same names; each is also a keyword.
            type: Content type of the data. None means "text/plain" for text, "application/octet-stream" for bytes,
                and JSON lines for values. The type of an instance's first input applies to all later ones.
            end: Whether this data ends the program's input; False by default.
            json: Whether `stream` gives values, to be sent as JSON lines.
            parse_response: What to return: None for a `SendStreamResponse`, or the answer's body: "json"
                parsed (None if empty), "text" as str, "stream" as a live `OutputStream` with `.upload`.
            parse: The same, by its older name.
            progress: Called after each write with the bytes sent so far and the bytes in all (None if unknown),
                in the writing thread. If it raises, the upload fails.
            timeout: Seconds for the whole send; None means no limit.

        Returns:
            `SendStreamResponse`, or the form that `parse_response` selects.

        Raises:
            TypeError, ValueError: A wrong argument, before anything is sent; also a send after `end=True`.
            InstanceNotFoundError: The hub has no such instance.
            UploadError: The source raised (the `__cause__`); the program sees no end of its input.
            UnsupportedByHubError: This hub would change some bytes on the way; the message gives their offset.
            InstanceEndedError: The instance ended before the hub had taken all of the data.
            HubTimeoutError: It took longer than `timeout`.
            HubConnectionError: The connection broke.

        Wire: POST /instance/{id}/{stream} (docs/protocol.md, "Uploads").
        """
        chosen = plan(
            checked_stream_id(stream_id, INPUT_STREAMS),
            request_init,
            options,
            type=type,
            end=end,
            json=json,
            parse_response=parse_response,
            parse=parse,
            progress=progress,
            timeout=timeout,
        )
        if chosen.parse == "stream":
            place = self._to(stream_id)
            return self._conversation(
                place, place.stage(chosen, stream, chosen.body(stream, own=True))
            )
        return self._to(stream_id).send(chosen, stream)

    def send_input(
        self,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        parse_response: ParseResponse | None = None,
        parse: ParseResponse | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> SendStreamResponse | Any:
        """Send data to the program's input, and wait until the hub has taken all of it.

        Args:
            stream: Text, bytes-like, an open file, a `Path`, or an iterable of str or bytes.
            request_init: Extra `headers`, `params` and a `timeout` in seconds for the whole send.
            options: `SendStreamOptions` or a mapping of the same names; each is also a keyword.
            type: Content type of the data; None means that of what you send: text, bytes, or JSON lines for values.
            end: Whether this data ends the program's input; False by default.
            json: Whether `stream` gives values, to be sent as JSON lines.
            parse_response: What to return, as in `send_stream`.
            parse: The same, by its older name.
            progress: Called with the bytes sent so far and the bytes in all (None if unknown).
            timeout: Seconds for the whole send; None means no limit.

        Returns, Raises, Wire: As `send_stream` with "input", which says more of each argument.
        """
        return self.send_stream(
            "input",
            stream,
            request_init,
            options,
            type=type,
            end=end,
            json=json,
            parse_response=parse_response,
            parse=parse,
            progress=progress,
            timeout=timeout,
        )

    def send_stdin(
        self,
        stream: SourceLike,
        *,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> SendStreamResponse:
        """Send data to the program's standard input. Hubs carry only UTF-8 there.

        Args:
            stream: Text, bytes-like, an open file, a `Path`, or an iterable of str or bytes.
            end: Whether this data ends the program's stdin; False by default.
            json: Whether `stream` gives values, to be sent as JSON lines.
            progress: Called with the bytes sent so far and the bytes in all (None if unknown).
            timeout: Seconds for the whole send; None means no limit.

        Returns, Raises, Wire: As `send_stream` with "stdin", which says more of each argument.
        """
        chosen = plan("stdin", end=end, json=json, progress=progress, timeout=timeout)
        answer: SendStreamResponse = self._to("stdin").send(chosen, stream)
        return answer

    def submit_stream(
        self,
        stream_id: InstanceInputStream,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> Upload[SendStreamResponse]:
        """Start sending and return at once with the handle; see `send_stream` for the arguments.

        Returns:
            An `Upload`, a `concurrent.futures.Future` of the `SendStreamResponse`. It has no deadline
            unless `timeout` sets one. Its `result()` raises later errors.
        """
        chosen = plan(
            checked_stream_id(stream_id, INPUT_STREAMS),
            request_init,
            options,
            type=type,
            end=end,
            json=json,
            progress=progress,
            timeout=timeout,
        )
        return self._to(stream_id).submit(chosen, stream)

    def submit_input(
        self,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> Upload[SendStreamResponse]:
        """Start sending to the program's input, in the background, and return at once.

        Args:
            stream: As in `send_input`, like all further arguments. Memory that you can change is copied.

        Returns:
            An `Upload`: `result(timeout)` waits for its end and raises its errors, `cancel()` cuts it off.

        Wire: As `send_stream` with "input".
        """
        return self.submit_stream(
            "input",
            stream,
            request_init,
            options,
            type=type,
            end=end,
            json=json,
            progress=progress,
            timeout=timeout,
        )

    def submit_stdin(
        self,
        stream: SourceLike,
        *,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
    ) -> Upload[SendStreamResponse]:
        """Start sending to the program's standard input; see `submit_stream`."""
        chosen = plan("stdin", end=end, json=json, progress=progress, timeout=timeout)
        return self._to("stdin").submit(chosen, stream)

    def open_input(self, *, type: str | None = None) -> UploadWriter:
        """Open the program's input as a file for writing.

        Closing it ends the program's input; `detach()` does not.

        Args:
            type: Content type of the input, as in `send_stream`. Without one, the first write decides, as the first
                item of a source does: what you write as text reaches the program as text, bytes as bytes.
        """
        return self._to("input").open(plan("input", type=type))

    def open_stdin(self) -> UploadWriter:
        """Open the program's standard input as a file for writing; hubs carry only UTF-8 there."""
        return self._to("stdin").open(plan("stdin"))

    def inout(
        self,
        stream: SourceLike,
        request_init: RequestInit | None = None,
        options: OptionsLike | None = None,
        *,
        type: str | None = None,
        end: bool | None = None,
        json: bool | None = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
        idle_timeout: Duration | None = None,
    ) -> OutputStream:
        """Send to the program's input and read its output at the same time.

        Returns as soon as the request has been sent; the source may wait for data that you read. Only for text:
        for binary duplex use `get_stream("output")` and `submit_input`.

        Args:
            stream, request_init, options, progress: As in `send_stream`; each option is also a keyword.
            type: Content type of the input.
            end: Whether this body ends the program's input. None means yes; False keeps it open for more.
            json: Whether the source gives values to be sent as JSON lines.
            timeout: Seconds for the whole upload; None means no limit.
            idle_timeout: Seconds without a byte of output after which reading raises `StreamIdleError`.

        Returns:
            The output, with the upload of the input as `.upload`. Closing it cancels an unfinished
            upload. It ends when the output or the instance does. If the hub refuses, the first read or the upload
            raises the refusal, whichever you use first.

        Wire: GET output and POST input; with `end=False` and no `idle_timeout` POST /instance/{id}/inout on 1.x, which
        has neither option, but not behind nginx (docs/protocol.md, "Inout").
        """
        limit = duration("idle_timeout", idle_timeout)
        chosen = plan(
            "input",
            request_init,
            options,
            type=type,
            end=end,
            json=json,
            progress=progress,
            timeout=timeout,
            default_end=True,
        )
        body = chosen.body(stream, own=True)
        client = self._client
        one = generation_of(client).modern and not chosen.end and limit is None
        if one and client.body_size is None:
            place = self._to("inout")
            output = self._conversation(place, place.stage(chosen, stream, body))
            Readers.of(self._client).add(self._id, "output", output)
            return output
        return self._paired(self._to("input").stage(chosen, stream, body), limit)

    # -- events ---------------------------------------------------------------------------------

    def send_event(self, event_name: str, message: Any = "") -> SendEventResponse:
        """Send an event to the program.

        Args:
            event_name: Any non-empty text.
            message: Text; a 1.x hub takes any JSON value. For a Node.js program, a long message should be ASCII.

        Raises:
            InstanceEndedError: The instance has ended, and this client knows it; hubs accept the event all the same.
            UnsupportedByHubError: The message is not text and the hub is 0.x.

        Wire: POST /instance/{id}/_event (docs/protocol.md, "Events").
        """
        checked_name(event_name)
        # A message that JSON can't carry is refused before any request.
        json_bytes({"message": message})
        if self._asked_to_end or self._seen_ended:
            # Hubs accept events for an ended instance. A look before each event would double their cost.
            self._events.check_alive(event_name)
        body = event_body(self._client, event_name, message)
        self._first_input.event(event_name, message)
        answer = self._client.request("POST", self._route("_event"), body, **self._error_context)
        accepted = as_object(answer.value).get("accepted")
        return SendEventResponse(
            event_name=event_name, message=message, sent=accepted in (True, "OK"), raw=answer.value
        )

    def get_event(self, event_name: str, *, timeout: Duration | None = None) -> GetEventResponse:
        """Return the last event of a name that the hub has seen, or wait for the first.

        Here a 1.x hub loses messages that are numbers, `True` or `{}` (`data` is then None, with a warning), forgets
        falsy messages, and takes a key `opStatus` for an HTTP status. `get_next_event` has no such gaps.

        Args:
            event_name: Letters, digits and `-._~`; you can't ask hubs for other names.
            timeout: Seconds to wait; None waits until the event comes or the instance ends.

        Warns:
            UserWarning: The hub has lost the message.

        Raises:
            HubTimeoutError: The event did not come in time.
            InstanceEndedError: The instance ended before the event came.

        Wire: GET /instance/{id}/event/{name} (docs/protocol.md, "Events").
        """
        return self._events.last(event_name, timeout)

    def get_next_event(
        self, event_name: str, *, timeout: Duration | None = None
    ) -> GetEventResponse:
        """Wait for the next event of a name.

        Args:
            event_name: Letters, digits and `-._~`.
            timeout: Seconds to wait; None waits until the event comes or the instance ends.

        Raises:
            HubTimeoutError: The event did not come in time.
            InstanceEndedError: The instance ended before the event came.

        Wire: one line of GET /instance/{id}/events/{name} (docs/protocol.md, "Events").
        """
        with self.expect_event(event_name, timeout) as expected:
            pass
        return expected.value

    def expect_event(self, event_name: str, timeout: Duration | None = None) -> ExpectedEvent:
        """Return a context manager that listens before its block runs, and waits at the block's end.

        So you never miss the answer to data that you send inside the block:

            with instance.expect_event("pong", timeout=5) as expected:
                instance.send_event("ping")
            print(expected.value.data)

        Args:
            event_name: Letters, digits and `-._~`.
            timeout: Seconds to wait, counted from the start of the block; None waits until the event comes or the
                instance ends.

        Raises:
            HubTimeoutError: The event did not come in time.
            InstanceEndedError: The instance ended before the event came.
        """
        return ExpectedEvent(self._events, event_name, timeout)

    def get_event_stream(
        self,
        event_name: str,
        *,
        timeout: Duration | None = None,
        idle_timeout: Duration | None = None,
    ) -> EventStream:
        """Return the events of a name from now on; the stream ends when the instance has ended.

        Args:
            event_name: Letters, digits and `-._~`.
            timeout: Seconds after which the stream ends for you; None means no limit.
            idle_timeout: Seconds without an event after which reading raises `StreamIdleError`.

        Wire: GET /instance/{id}/events/{name} (docs/protocol.md, "Events").
        """
        return self._events.stream(
            event_name, self._watcher().exchange(), idle_timeout=idle_timeout, timeout=timeout
        )

    # -- streams together -----------------------------------------------------------------------

    def follow(
        self,
        *,
        stdout: TargetLike = None,
        stderr: TargetLike = None,
        output: TargetLike = None,
        log: TargetLike = None,
    ) -> Follow:
        """Write streams to files, callables or the terminal as data arrives; return at once.

        A callable receives each line as bytes with its newline, which the last line may lack; each line of the log is
        one JSON document. Text targets receive text: `print`, a logger's method, the `write` of a text file, and a
        callable whose first parameter is annotated `str`. In the terminal, and through `print` or a logger, a record
        of the log appears as time, level and text. A binary file or a path receives the bytes as they arrive. A text
        file receives text, decoded from UTF-8. `True` means this program's stdout; for stderr and the log it means this
        program's stderr. Files are flushed after each piece and stay open. A path's file is created anew: it keeps what
        it holds until the first data, or the end, replaces it. Each stream has a thread, which calls the callable or
        writes to the file.

        Data that nobody reads holds the program back: a slow callable slows it down. A stream that you do not name
        here blocks the program once some megabytes are waiting in it.

        Args:
            stdout, stderr, output, log: Where these streams of the program go.

        Returns:
            A `Follow`. It ends when its streams do, with the instance at the latest, and after everything written
            before has been delivered. Its `wait()` and `close()` raise the errors.

        Raises:
            InstanceNotFoundError: The hub has no such instance (0.x: also when it has just ended).
            OSError: The file of a path can't be opened.
            ValueError: Two streams would overwrite each other in one file, or a stream a file that is sent.

        Wire: GET /instance/{id}/{stream} (docs/protocol.md, "Output streams").
        """
        targets = targets_of(repr(self._id), stdout=stdout, stderr=stderr, output=output, log=log)
        return Follow(
            f"instance {self._id!r}",
            self._open_unlimited,
            self._watcher(),
            targets,
            standstill=lambda: self._standstill("its end", ends=True),
        )

    def run(
        self,
        input: SourceLike | None = None,
        stdin: SourceLike | None = None,
        *,
        type: str | None = None,
        json: bool | None = None,
        output: TargetLike = None,
        progress: ProgressHook | None = None,
        timeout: Duration | None = None,
        check: bool = False,
        unfinished: Unfinished = "kill",
    ) -> CompletedInstance:
        """Feed the program, collect all its output, and wait for its end, as `subprocess.run` does.

        Sends the input, reads output, stdout, stderr and log, and watches the instance, all at the same time, so
        nothing waits for anything else. All data is kept in memory, except an `output` that you send elsewhere.

        A Node.js program lives on for 10 s after its output has ended, unless it says otherwise. A 0.x hub does not
        say how a program ended. It forgets the program at its end, together with all unread data.

        Args:
            input: Data for its input, which then ends; any source; `b""` ends it at once. With None nothing is
                sent, and a program that waits for input goes on waiting.
            stdin: The same for its stdin.
            type: Content type of the input, as in `send_stream`.
            json: Whether `input` gives values to be sent as JSON lines.
            output: Where its output goes instead, as it arrives: a path, a file or a callable, as in `follow`.
                `CompletedInstance.output` is then empty.
            progress: Called for what `input` sends, as in `send_stream`.
            timeout: Seconds; None waits without limit.
            check: Whether a bad end raises, as in `CompletedInstance.check_returncode`.
            unfinished: What happens to the instance if its end is not seen, because of a timeout, an error or
                Ctrl-C. "kill" kills it, "stop" asks it to stop first (7 s), "leave" lets it go on.

        Returns:
            Exit code, output, stdout, stderr, log and the last info.

        Raises:
            RunTimeoutError: The instance had not ended in time; the error has the data collected so far.
            InstanceFailedError: The instance ended badly, and you asked for `check`.
            UnsupportedByHubError: You asked for `check` on a 0.x hub; raised before anything is sent.
            ValueError: A wrong argument, such as an `output` that is the file to send; raised before anything is sent.
            UploadError: A source raised (the `__cause__`).
            StreamInterruptedError: A connection broke.
            InstanceNotFoundError: The hub has no such instance (0.x: also when it has just ended).

        Wire: as for `get_stream` and `send_stream` (docs/protocol.md, "Lifetimes").
        """
        limit = duration("timeout", timeout)
        if unfinished not in UNFINISHED:
            raise ValueError(
                f"unfinished must be one of {', '.join(UNFINISHED)}, not {quoted(unfinished)}"
            )
        if stdin is not None:
            check_stdin(stdin, "are given to start()")
        if checked("check", check, bool):
            refuse_check(self._client)
        uploads: list[Upload[Any]] = []
        elsewhere = target(output, "output", f"output of {self._id!r}")
        try:
            if input is not None:
                chosen = plan("input", type=type, json=json, end=True, progress=progress)
                uploads.append(self._to("input").stage(chosen, input))
            if stdin is not None:
                uploads.append(self._to("stdin").stage(plan("stdin", end=True), stdin))
            completed = run(
                self, self._open_unlimited, uploads, limit, unfinished, output=elsewhere
            )
        finally:
            for upload in uploads:
                upload.cancel()
            if elsewhere is not None:
                elsewhere.close()
        if check:
            completed.check_returncode()
        return completed

    def attach(
        self,
        *,
        stdin: Any = True,
        stdout: TargetLike = True,
        stderr: TargetLike = True,
        output: TargetLike = None,
        log: TargetLike = None,
    ) -> GetInstanceResponse | None:
        """Connect the instance to this terminal, and block until it ends or the user detaches.

        Ctrl-C detaches: the instance goes on, and its stdin stays open. The end of `stdin` (Ctrl-D) ends
        the program's stdin. Hubs carry only UTF-8 there.

        Args:
            stdin: True for this program's stdin, another file to send, or None.
            stdout, stderr, output, log: Where these streams of the program go; see `follow`.

        Returns:
            The instance's last info as from `wait`, or None if the user detached.

        Raises:
            UploadError: Reading `stdin` failed.
            StreamInterruptedError: A connection broke.
            InstanceNotFoundError: The hub has no such instance.

        Wire: POST /instance/{id}/stdin, GET /instance/{id}/{stream} (docs/protocol.md, "Uploads").
        """
        targets = {"stdout": stdout, "stderr": stderr, "output": output, "log": log}
        wait = partial(self._wait, has_ended, "its end", None)
        return attach(self, self._open_unlimited, stdin, targets, wait)

    def show(
        self,
        *,
        streams: Iterable[InstanceOutputStream] = ("output", "stdout", "stderr", "log"),
        lines: int = 12,
        interval: float = 0.5,
        widget: bool | None = None,
    ) -> LiveView:
        """Show the instance live in this cell of a notebook; return at once. Needs the extra "notebook".

        Later readers do not get the data that it has read. `scramjet_client.integrations.notebook.show` says how the
        view ends.

        Args:
            streams: The streams to read; choose streams that nobody else reads.
            lines: How many of the last lines of each stream to show.
            interval: Seconds between two drawings.
            widget: Whether to draw with a widget. None means yes if anywidget is installed.

        Raises:
            RuntimeError: This is not a notebook.
        """
        # Not at the top: only notebooks need IPython.
        from scramjet_client.integrations.notebook import show  # noqa: PLC0415

        return show(self, streams=streams, lines=lines, interval=interval, widget=widget)

    # -- how it is done -------------------------------------------------------------------------

    def _get(self, *rest: str, **options: Any) -> JsonAnswer:
        return self._client.request("GET", self._route(*rest), **self._error_context, **options)

    def _wait(
        self,
        until: Callable[[GetInstanceResponse], bool],
        what: str,
        timeout: Duration | None,
        known: GetInstanceResponse | None = None,
        advice: Callable[[], str] = str,
    ) -> GetInstanceResponse:
        limit = duration("timeout", timeout)
        if known is None and self._is_ending:
            # A hub that forgets it at once has carried out the order.
            known = GetInstanceResponse(id=self._id, sequence="", status="stopping")
        return self._watcher().wait_until(
            until,
            what,
            limit,
            ask=self.get_info,
            ended=ended_error(self._id, f"{what} was awaited"),
            known=known,
            advice=advice,
            # A user who gave a limit gets the same advice with the error.
            standstill=None if limit or advice is str else self._standstill(what, ends=True),
        )

    def _standstill(self, what: str, *, ends: bool = False) -> Standstill:
        """Return what tells that nothing has come from the program, and nothing gone to it, during a wait.

        Args:
            what: What is awaited.
            ends: Whether that is the program's end, which it may not reach before its input ends.
        """
        silence, inputs = self._client.tuning.run_silence, self._gates.values()
        readers = Readers.of(self._client)

        def moved() -> object:
            return readers.come(self._id), sum(each.taken for each in inputs)

        def tell() -> None:
            held = readers.advice(self._id)
            untouched = not (readers.come(self._id) or any(each.sent for each in inputs))
            why = held + (self._input_is_open() if ends and (held or untouched) else "")
            what_is = f"instance {self._id!r} has given nothing here for {silence:g} s, and {what} is awaited"
            if why:
                warn_aside(what_is + why, UserWarning)

        return Standstill(silence, moved, tell)

    def _what_may_hold(self) -> str:
        """Return, as the end of a sentence, what a program that does not end may wait for, or ""."""
        return Readers.of(self._client).advice(self._id) + self._input_is_open()

    def _input_is_open(self) -> str:
        """Return advice for a wait for the end of a program whose input this client has not ended, or ""."""
        gate = self._gates["input"]
        if gate.ended:
            return ""
        why = f"; its input has no end, because the {gate.failure}" if gate.failure else ""
        return f"{why}; if it waits for the end of its input, send_input(b'', end=True) gives that"

    def _watcher(self) -> EndWatcher:
        return EndWatcher(self._client, self._id)

    def _output(
        self,
        stream_id: str,
        idle_timeout: Duration | None,
        exchange: Exchange | None,
        timeout: Duration | None = None,
    ) -> OutputStream:
        if exchange is None and stream_id == "log":
            exchange = self._watcher().exchange(stream_id)
        stream: OutputStream = self._client.get_stream(
            self._route(stream_id),
            name=f"{stream_id} of {self._id!r}",
            timeout=timeout,
            idle_timeout=idle_timeout,
            **self._error_context,
            exchange=exchange,
        )
        Readers.of(self._client).add(self._id, stream_id, stream)
        # The bytes that were read earlier to find out why the instance ended.
        prepend(stream, last_words_of(self._client).take(self._id, stream_id))
        return stream

    def _open_unlimited(self, stream_id: str, exchange: Exchange) -> OutputStream:
        return self._output(stream_id, _NO_IDLE_LIMIT, exchange)

    def _intake(self) -> Intake:
        """Ask the hub how the program takes its input."""
        info = as_object(self._get().value)
        sequence = info.get("sequence")
        if isinstance(sequence, str):
            # 0.x gives only the id of an instance's sequence.
            with contextlib.suppress(NotFoundError):
                sequence = self._client.get(route("sequence", sequence))
        config = as_object(as_object(sequence).get("config"))
        return generation_of(self._client).intake(info, config)

    def _send_nothing(self, type: str) -> None:
        """Send an empty body to the input, which stays open."""
        self._client.send_stream(
            self._route("input"), b"", type=type, end=False, answer_limit=5.0, **self._error_context
        )

    def _to(self, stream_id: str) -> Destination:
        """Return the destination for bodies of one input; `inout` feeds the input too."""
        client = self._client
        # The answer to `inout` comes with the first output, any other answer before the hub reads the body.
        early = stream_id != "inout"
        name = "input" if stream_id == "inout" else stream_id
        ended = ended_error(self._id, f"{stream_id} was being sent")
        return Destination(
            held_back=lambda: Readers.of(client).advice(self._id),
            requester=client,
            path=self._route(stream_id),
            name=f"{stream_id} of {self._id!r}",
            limits=lambda: route_limits(client, stream_id),
            head_limit=client.timeouts.read if early else None,
            watch=lambda: self._watcher().on_idle(ended),
            gate=self._gates[name],
            guard=(
                partial(GuardedBody, self._first_input, early_yes=early)
                if name == "input"
                else lambda body, _type: HeldBody(self._first_input, body)
            ),
            types=self._input_type if name == "input" else None,
            **self._error_context,
        )

    def _conversation(self, place: Destination, upload: Upload[SendStreamResponse]) -> OutputStream:
        """Send a body and return its answer as a stream, without waiting for the head of the answer."""
        exchange, opener = upload.open(self._watcher().on_idle())
        output = OutputStream(place.name, exchange, opener)
        output.upload = upload
        return output

    def _paired(
        self, upload: Upload[SendStreamResponse], idle_timeout: float | None
    ) -> OutputStream:
        """Do `inout` with two requests: the output first, so that none of it is missed, then the input."""
        # After a crash, a Node.js program may live on with its output open.
        exchange = self._watcher().exchange("output")
        output = self._output("output", idle_timeout, exchange)

        def pass_on(done: Upload[SendStreamResponse]) -> None:
            error = done.exception()
            if isinstance(error, ScramjetError) and not done.cancelled():
                exchange.fail(error)

        upload.add_done_callback(pass_on)  # type: ignore[arg-type]  # it is called with this Upload
        output.upload = upload
        try:
            upload.start()
        except BaseException:
            output.close()
            raise
        return output
