"""The events of an instance: sending them, and waiting for them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from scramjet_client._dialect import dialect_of
from scramjet_client._durations import duration
from scramjet_client._exchange import Exchange
from scramjet_client._html import Live
from scramjet_client._instance_duplex import InstanceDuplex
from scramjet_client._lifetime import EndWatch, ended_error
from scramjet_client.errors import HubTimeoutError, InstanceEndedError, StreamIdleError
from scramjet_client.models import GetEventResponse, GetInstanceResponse, SendEventResponse
from scramjet_client.streams import EventStream, OutputStream

# Hubs compare the undecoded path with the name, so what needs encoding can't be asked for.
_READABLE_NAME = re.compile(r"[A-Za-z0-9\-._~]+")


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


class ExpectedEvent(Live):
    """An event that is being listened for; see `InstanceClient.expect_event`.

    Attributes:
        value: The event; there once the `with` block has ended.
    """

    value: GetEventResponse

    def __init__(self, instance: InstanceEvents, event_name: str, timeout: float | None) -> None:
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


class InstanceEvents(InstanceDuplex):
    """The part of `InstanceClient` that talks by events."""

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

        Raises:
            HubTimeoutError: It did not come in time.
            InstanceEndedError: The instance ended before it came.
        """
        _readable(event_name)
        duration("timeout", timeout)
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
        limit = duration("timeout", timeout)
        return Exchange(
            deadline=None if limit is None else time.monotonic() + limit,
            on_idle=EndWatch(self._client, self._id, error),
        )
