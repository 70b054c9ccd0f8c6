"""InstanceClient: one running instance — its lifecycle, its streams and its events."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from scramjet_client._calls import JsonAnswer
from scramjet_client._dialect import dialect_of, has_ended, health_from, instance_from
from scramjet_client._exchange import Exchange
from scramjet_client._instance_duplex import InstanceDuplex
from scramjet_client._lifetime import EndWatch, ended_error, kill, stop, wait
from scramjet_client._settings import positive
from scramjet_client.errors import (
    HubTimeoutError,
    InstanceEndedError,
    StreamIdleError,
)
from scramjet_client.http_client import ClientProvider
from scramjet_client.models import (
    STATUSES,
    GetEventResponse,
    GetHealthResponse,
    GetInstanceResponse,
    InstanceStatus,
    KillMessageData,
    Milliseconds,
    SendEventResponse,
    SendKillInstanceResponse,
    SendStopInstanceResponse,
)
from scramjet_client.streams import EventStream, OutputStream

# Hubs compare the undecoded path with the name, so what needs encoding can't be asked for.
_READABLE_NAME = re.compile(r"[A-Za-z0-9\-._~]+")


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


def _readable(event_name: str) -> str:
    _sendable(event_name)
    if not _READABLE_NAME.fullmatch(event_name) or event_name in (".", ".."):
        raise ValueError(
            f"event_name {event_name!r} can't be read from a hub: only letters, digits and -._~ can"
        )
    return event_name


def _sendable(event_name: str) -> str:
    if not isinstance(event_name, str):
        raise TypeError(f"event_name must be a str, not {type(event_name).__name__}")
    if not event_name:
        raise ValueError("event_name must not be empty")
    return event_name


class ExpectedEvent:
    """An event that is being listened for; see `InstanceClient.expect_event`.

    Attributes:
        value: The event; there once the `with` block has ended.
    """

    value: GetEventResponse

    def __init__(self, instance: InstanceClient, event_name: str, timeout: float | None) -> None:
        self._instance = instance
        self._name = event_name
        self._timeout = timeout

    def __enter__(self) -> ExpectedEvent:
        exchange = self._instance._event_exchange(self._name, self._timeout)
        self._events = self._instance._events(self._name, exchange)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        with self._events:
            if kind is not None:
                return
            try:
                self.value = next(self._events)
            except StreamIdleError as error:
                raise HubTimeoutError(
                    f"event {self._name!r} of instance {self._instance.id!r} did not come"
                    f" within {self._timeout} s"
                ) from error


class InstanceClient(InstanceDuplex):
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

        Wire: GET /instance/{id}/health (docs/protocol.md, "Health").
        """
        return health_from(self._get("health"), self._started)

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
            InstanceNotFoundError: The hub does not know it (any more).
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
        return wait(self._client, self._id, until, what, limit)

    # -- events -----------------------------------------------------------------------------------

    def send_event(self, event_name: str, message: Any = "") -> SendEventResponse:
        """Send an event to the program.

        Args:
            event_name: Any non-empty text.
            message: Text; a 1.x hub takes any JSON value.

        Raises:
            UnsupportedByHubError: The message is not text and the hub is 0.x.

        Wire: POST /instance/{id}/_event (docs/protocol.md, "Events").
        """
        _sendable(event_name)
        modern_only = not isinstance(message, str)
        # Text goes to every hub in the same way, so only other messages ask which one this is.
        body = dialect_of(self._client).event_body(event_name, message) if modern_only else None
        answer = self._client.request(
            "POST",
            self._route("_event"),
            body or [5001, {"eventName": event_name, "message": message}],
            **self._about,
        )
        accepted = answer.value.get("accepted") if isinstance(answer.value, dict) else None
        return SendEventResponse(
            event_name=event_name, message=message, sent=accepted in (True, "OK"), raw=answer.value
        )

    def get_event(self, event_name: str, *, timeout: float | None = None) -> GetEventResponse:
        """Return the last event of a name that the hub has seen, or wait for the first.

        A 1.x hub loses messages that are numbers, `True` or `{}` here (`data` is None then), forgets
        falsy ones, and takes a key `opStatus` for an HTTP status; `get_next_event` has no such gaps.

        Args:
            event_name: Letters, digits and `-._~`; hubs can't be asked for other names.
            timeout: Seconds to wait; None is for ever, or until the instance ends.

        Raises:
            HubTimeoutError: It did not come in time.
            InstanceEndedError: The instance ended before it came.

        Wire: GET /instance/{id}/event/{name} (docs/protocol.md, "Events").
        """
        path = self._route("event", _readable(event_name))
        exchange = self._event_exchange(event_name, timeout)
        dialect = dialect_of(self._client)
        answer = self._client.request(
            "GET",
            path,
            **self._about,
            exchange=exchange,
        )
        return dialect.event(event_name, answer.value)

    def get_next_event(self, event_name: str, *, timeout: float | None = None) -> GetEventResponse:
        """Wait for the next event of a name.

        Args:
            event_name: Letters, digits and `-._~`.
            timeout: Seconds to wait; None is for ever, or until the instance ends.

        Raises:
            HubTimeoutError: It did not come in time.
            InstanceEndedError: The instance ended before it came.

        Wire: one line of GET /instance/{id}/events/{name} (docs/protocol.md, "Events").
        """
        with self.expect_event(event_name, timeout) as expected:
            pass
        return expected.value

    def expect_event(self, event_name: str, timeout: float | None = None) -> ExpectedEvent:
        """Return a context manager that listens before its block runs, and waits at the block's end.

        So the answer to what is sent inside the block is never missed:

            with instance.expect_event("pong", timeout=5) as expected:
                instance.send_event("ping")
            print(expected.value.data)

        Args:
            event_name: Letters, digits and `-._~`.
            timeout: Seconds to wait from the start of the block on; None is for ever, or until the
                instance ends.

        Raises (at the end of the block):
            HubTimeoutError: It did not come in time.
            InstanceEndedError: The instance ended before it came.
        """
        _readable(event_name)
        if timeout is not None:
            positive("timeout", timeout)
        return ExpectedEvent(self, event_name, timeout)

    def get_event_stream(
        self, event_name: str, *, idle_timeout: float | None = None
    ) -> EventStream:
        """Return the events of a name from now on; ends when the instance has ended.

        Args:
            event_name: Letters, digits and `-._~`.
            idle_timeout: Seconds without an event after which reading raises `StreamIdleError`.

        Wire: GET /instance/{id}/events/{name} (docs/protocol.md, "Events").
        """
        return self._events(
            event_name, Exchange(on_idle=EndWatch(self._client, self._id)), idle_timeout
        )

    def _events(
        self, event_name: str, exchange: Exchange, idle_timeout: float | None = None
    ) -> EventStream:
        path = self._route("events", _readable(event_name))
        dialect = dialect_of(self._client)
        raw: OutputStream = self._client.get_stream(
            path,
            name=f"events {event_name!r} of {self._id!r}",
            idle_timeout=idle_timeout,
            **self._about,
            exchange=exchange,
        )
        return EventStream(event_name, raw, lambda value: dialect.event(event_name, value))

    def _event_exchange(self, event_name: str, timeout: float | None) -> Exchange:
        error: Callable[[GetInstanceResponse | None], InstanceEndedError] = ended_error(
            self._id, f"event {event_name!r} was awaited"
        )
        return Exchange(
            deadline=None if timeout is None else time.monotonic() + positive("timeout", timeout),
            on_idle=EndWatch(self._client, self._id, error),
        )

    def _get(self, *rest: str) -> JsonAnswer:
        return self._client.request("GET", self._route(*rest), **self._about)
