"""InstanceClient: one running instance — its lifecycle, its streams and its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from scramjet_client._answers import has_ended, health_from, instance_from
from scramjet_client._attach import attach
from scramjet_client._calls import JsonAnswer
from scramjet_client._exchange import Exchange
from scramjet_client._follow import Ending, Follow
from scramjet_client._instance_events import InstanceEvents
from scramjet_client._lifetime import EndWatch, kill, look_briefly, stop, wait
from scramjet_client._reconnect import Gap, Reconnect, ReconnectingStream
from scramjet_client._run import CompletedInstance, Send, Unfinished, checked, refuse_check, run
from scramjet_client._send_plan import checked_stream_id, plan, sent
from scramjet_client._settings import positive
from scramjet_client._sources import SourceLike
from scramjet_client._targets import TargetLike, targets_of
from scramjet_client.http_client import ClientProvider
from scramjet_client.models import (
    OUTPUT_STREAMS,
    STATUSES,
    GetHealthResponse,
    GetInstanceResponse,
    InstanceOutputStream,
    InstanceStatus,
    KillMessageData,
    Milliseconds,
    SendKillInstanceResponse,
    SendStopInstanceResponse,
)
from scramjet_client.streams import OutputStream

if TYPE_CHECKING:
    from scramjet_client.integrations.notebook import LiveView

_NO_IDLE_LIMIT = 365 * 86400.0
"""Seconds; a limit for all streams of a client (`Timeouts.idle`) is not meant for those that are read together,
where one of them is always silent."""


def _milliseconds(timeout: Milliseconds) -> float:
    if isinstance(timeout, timedelta):
        value: float = timeout / timedelta(milliseconds=1)
    elif isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(
            f"timeout must be milliseconds or a timedelta, not {type(timeout).__name__}"
        )
    else:
        value = timeout
    if not 0 <= value < float("inf"):
        raise ValueError(f"timeout must be 0 or more milliseconds, not {value:g}")
    return int(value) if value == int(value) else value


class InstanceClient(InstanceEvents):
    """One instance on a hub. Safe to use from any number of threads; it holds no connection of its own.

    Nothing is asked of the hub when one is made.

    Args:
        id: The instance's id.
        host: Whose `.client` talks to the hub; a `HostClient`, normally.
    """

    def __init__(self, id: str, host: ClientProvider) -> None:
        super().__init__(id, host)
        self._started: str | None = None
        self._asked_to_end = False

    @property
    def asked_to_end(self) -> bool:
        """Whether this client has stopped or killed it."""
        return self._asked_to_end

    # -- lifecycle --------------------------------------------------------------------------------

    def stop(
        self, timeout: Milliseconds = 7000, can_call_keepalive: bool = False
    ) -> SendStopInstanceResponse:
        """Ask the instance to stop, and wait until it has.

        Blocks until the hub answers, which is after the whole timeout, or the instance is seen to have
        ended, whichever comes first.

        Args:
            timeout: Milliseconds (or a timedelta) that the program gets before the hub kills it.
            can_call_keepalive: Whether the program is told that it may ask for more time.

        Returns:
            What happened; `.raw` is the hub's answer, if it was awaited.

        Raises:
            InstanceNotFoundError: The hub has no such instance.
            StopTimeoutError: The instance did not end by itself in that time: it still runs, or the hub
                killed it (which an 0.x hub does not tell).
            HubConnectionError: The hub could not be reached.

        Wire: POST /instance/{id}/_stop (docs/protocol.md, "Stop").
        """
        milliseconds = _milliseconds(timeout)
        if not isinstance(can_call_keepalive, bool):
            raise TypeError(
                f"can_call_keepalive must be a bool, not {type(can_call_keepalive).__name__}"
            )
        self._asked_to_end = True
        return stop(self._client, self._id, milliseconds, can_call_keepalive)

    def kill(
        self,
        opts: KillMessageData | Mapping[str, Any] | None = None,
        *,
        remove_immediately: bool = False,
    ) -> SendKillInstanceResponse:
        """Kill the instance, as soon as the hub takes the order; returns when it has.

        An instance that is still starting is killed once it runs.

        Args:
            opts: `KillMessageData`, or a mapping with `remove_immediately`.
            remove_immediately: The same as a keyword: have the hub forget the instance soon after.

        Raises:
            InstanceNotFoundError: The hub has no such instance.
            BadParametersError: The hub takes no kill in this state; 1.x takes none after a stop.

        Wire: POST /instance/{id}/_kill (docs/protocol.md, "Kill").
        """
        if opts is None:
            opts = KillMessageData(remove_immediately=remove_immediately)
        elif isinstance(opts, Mapping):
            opts = KillMessageData(**opts)
        elif not isinstance(opts, KillMessageData):
            raise TypeError(f"opts must be KillMessageData, not {type(opts).__name__}")
        self._asked_to_end = True
        return kill(self._client, self._id, opts.remove_immediately or remove_immediately)

    def get_health(self) -> GetHealthResponse:
        """Return the program's last health message; waits for the first one after a start.

        An instance that has ended is not healthy, though hubs go on repeating its last message: the status is then
        "unhealthy" after a crash and "unknown" after another end, and the message says how it ended. `.raw` is the
        hub's answer as it came.

        Wire: GET /instance/{id}/health, GET /instance/{id} (docs/protocol.md, "Health").
        """
        answer = self._get("health")
        # It goes on answering what was true last, whatever has become of the instance since.
        info = look_briefly(self._client, self._id, asked_to_end=self._asked_to_end)
        return health_from(answer, self._started, info)

    def get_info(self) -> GetInstanceResponse:
        """Return what the hub knows of the instance.

        Wire: GET /instance/{id} (docs/protocol.md, "Info").
        """
        info = instance_from(self._get(), asked_to_end=self._asked_to_end)
        self._started = info.started
        return info

    def wait(self, timeout: float | None = None) -> GetInstanceResponse:
        """Wait until the instance has ended.

        Args:
            timeout: Seconds; None is for ever.

        Returns:
            Its last info, with exit code and reason in `.terminated`; an 0.x hub says neither, and the
            info is then the last one before the end, with the status "stopped".

        Raises:
            HubTimeoutError: It still lives.
            InstanceNotFoundError: The hub does not know it (any more), and so nobody knows how it ended.
        """
        return self._wait(has_ended, "its end", timeout)

    def wait_for(self, status: InstanceStatus, timeout: float | None = None) -> GetInstanceResponse:
        """Wait until the instance has a status, and return its info.

        Args:
            status: One of the contract's words: "starting", "running", "stopping", "stopped", "crashed".
            timeout: Seconds; None is for ever, or until the instance ends.

        Raises:
            HubTimeoutError: It did not come in time.
            InstanceEndedError: The instance ended, so it can't come any more.
        """
        if status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {status!r}")
        return self._wait(lambda info: info.status == status, f"status {status!r}", timeout)

    def _wait(
        self, until: Callable[[GetInstanceResponse], bool], what: str, timeout: float | None
    ) -> GetInstanceResponse:
        limit = None if timeout is None else positive("timeout", timeout)
        return wait(self._client, self.get_info, self._id, until, what, timeout=limit)

    # -- streams together ---------------------------------------------------------------------------

    def follow(
        self,
        *,
        stdout: TargetLike = None,
        stderr: TargetLike = None,
        output: TargetLike = None,
        log: TargetLike = None,
    ) -> Follow:
        """Have streams written to files, callables or the terminal as they come; returns at once.

        A callable is given each line as bytes with its newline, which the last one may lack (of the log:
        one JSON document each). A binary file or a path is given the bytes as they come. A text file
        is given text, decoded from UTF-8. `True` is this program's stdout; for stderr and the log its
        stderr. Files are flushed after each piece, and stay open; that of a path is made anew. A thread
        for each stream calls the callable or the file.

        A program is held back while nobody reads what it writes: a slow callable slows it down, and a
        stream that is not named here blocks it once some megabytes are waiting in it.

        Args:
            stdout: Where the program's stdout goes.
            stderr: Where its stderr goes.
            output: Where its output goes.
            log: Where its log goes.

        Returns:
            A `Follow`, which ends when the streams do, with the instance at the latest, and all that was
            written before has been delivered. Its `wait()` and `close()` raise what went wrong.

        Raises:
            InstanceNotFoundError: The hub has no such instance (0.x: also when it has just ended).
            OSError: The file of a path can't be opened.

        Wire: GET /instance/{id}/{stream} (docs/protocol.md, "Output streams").
        """
        targets = targets_of(stdout=stdout, stderr=stderr, output=output, log=log)
        ending = Ending(self._client, self._id)
        return Follow(f"instance {self._id!r}", self._open_unlimited, ending, targets)

    def show(self, **options: Any) -> LiveView:
        """Show the instance live in this cell of a notebook; returns at once. Needs the extra "notebook".

        What it reads is taken from other readers. Options and endings: `scramjet_client.integrations.notebook.show`.
        """
        # Not on top: IPython is for notebooks alone.
        from scramjet_client.integrations.notebook import show  # noqa: PLC0415

        return show(self, **options)

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
        the program's stdin. Hubs carry UTF-8 alone there.

        Args:
            stdin: True for this program's stdin, another file to send, or None.
            stdout: Where the program's stdout goes; see `follow`.
            stderr: Where its stderr goes.
            output: Where its output goes.
            log: Where its log goes.

        Returns:
            The instance's last info as from `wait`, or None if the user detached.

        Raises:
            UploadError: Reading `stdin` failed.
            StreamInterruptedError: A connection broke.
            InstanceNotFoundError: The hub has no such instance.

        Wire: POST /instance/{id}/stdin, GET /instance/{id}/{stream} (docs/protocol.md, "Uploads").
        """
        targets = {"stdout": stdout, "stderr": stderr, "output": output, "log": log}
        return attach(self, self._open_unlimited, stdin, targets, self._wait_for_end)

    def run(
        self,
        input: SourceLike | None = None,
        stdin: SourceLike | None = None,
        *,
        type: str | None = None,
        json: bool | None = None,
        timeout: float | None = None,
        check: bool = False,
        unfinished: Unfinished = "kill",
    ) -> CompletedInstance:
        """Feed the program, collect all that it gives, and wait for its end, as `subprocess.run` does.

        Sends, reads output, stdout, stderr and log, and watches the instance at the same time, so
        that nothing waits for anything else. All that comes is kept in memory.

        A Node.js program lives on for 10 s after its output has ended, unless it says otherwise. An 0.x hub
        does not say how a program ended, and forgets it with what nobody has read yet.

        Args:
            input: What to send to its input, which then ends; any source, `b""` ends it at once. None
                leaves it alone: a program that waits for input goes on waiting.
            stdin: The same for its stdin.
            type: Content type of the input, as in `send_stream`.
            json: Whether `input` gives values to be sent as JSON lines.
            timeout: Seconds; None is for ever.
            check: Whether a bad end is an error, as `CompletedInstance.check_returncode` says.
            unfinished: What becomes of the instance when its end is not seen: at a timeout, an error or
                Ctrl-C. "kill" kills it, "stop" asks it to stop first (7 s), "leave" lets it go on.

        Returns:
            Exit code, output, stdout, stderr, log and the last info.

        Raises:
            RunTimeoutError: It had not ended in time; has what was collected.
            InstanceFailedError: It ended badly, and `check` was asked for.
            UnsupportedByHubError: `check` was asked for on an 0.x hub; before anything is sent.
            UploadError: A source raised (the `__cause__`).
            StreamInterruptedError: A connection broke.
            InstanceNotFoundError: The hub has no such instance (0.x: also when it has just ended).

        Wire: as of `get_stream` and `send_stream` (docs/protocol.md, "Lifetimes").
        """
        limit = None if timeout is None else positive("timeout", timeout)
        checked(unfinished)
        if check:
            refuse_check(self._client)
        sends: list[Send] = []
        try:
            if input is not None:
                sends.append(self._staged("input", input, type=type, json=json))
            if stdin is not None:
                sends.append(self._staged("stdin", stdin))
            completed = run(self, self._open_unlimited, sends, limit, unfinished)
        finally:
            for upload, _ in sends:
                upload.cancel()
        if check:
            completed.check_returncode()
        return completed

    def get_reconnecting_stream(
        self,
        stream_id: InstanceOutputStream,
        *,
        reconnect: Reconnect | None = None,
        on_gap: Callable[[Gap], object] | None = None,
        idle_timeout: float | None = None,
    ) -> ReconnectingStream:
        """Open an output that is opened again, while the instance lives, when its connection breaks.

        Hubs have no offsets and repeat nothing, so what was on its way when a connection broke is lost; the
        program itself is held back, and loses nothing, while nobody reads. Each break is told.

        Args:
            stream_id: "stdout", "stderr", "output" or "log".
            reconnect: How often and how long it is tried.
            on_gap: Called with a `Gap` for each break, once the stream is open again; without it a break
                is a `StreamGapWarning`.
            idle_timeout: Seconds without a byte after which the connection is taken for broken.

        Returns:
            An iterable of lines, which ends as the stream of `get_stream` does.

        Raises:
            InstanceNotFoundError: The hub has no such instance.

        Wire: GET /instance/{id}/{stream} (docs/protocol.md, "Output streams").
        """
        checked_stream_id(stream_id, OUTPUT_STREAMS)

        def new_exchange() -> Exchange:
            # The log is one that 1.x hubs never end.
            ends = stream_id != "log"
            return Exchange(on_idle=None if ends else EndWatch(self._client, self._id))

        return ReconnectingStream(
            f"{stream_id} of {self._id!r}",
            lambda exchange: self._output(stream_id, idle_timeout, exchange),
            new_exchange,
            Reconnect() if reconnect is None else reconnect,
            on_gap,
        )

    def _staged(self, stream_id: str, source: Any, **options: Any) -> Send:
        """Return an upload that ends an input, and what runs it."""
        chosen = plan(stream_id, None, None, {**options, "end": True})
        upload = self._prepared(chosen, source, chosen.body(source), sent)
        return upload, self._runner(chosen, upload)

    def _wait_for_end(self, known: GetInstanceResponse) -> GetInstanceResponse:
        return wait(
            self._client, self.get_info, self._id, has_ended, "its end", timeout=None, known=known
        )

    def _open_unlimited(self, stream_id: str, exchange: Exchange) -> OutputStream:
        return self._output(stream_id, _NO_IDLE_LIMIT, exchange)

    def _get(self, *rest: str) -> JsonAnswer:
        return self._client.request("GET", self._route(*rest), **self._about)
