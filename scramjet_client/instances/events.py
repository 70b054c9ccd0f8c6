"""Events of an instance: asking for the last one, and listening for those that come."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Mapping
from typing import ClassVar

from scramjet_client._base import Live, callers_level
from scramjet_client._common.checks import checked
from scramjet_client._common.clock import monotonic
from scramjet_client.api.answers import has_ended
from scramjet_client.api.generations import generation_of
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import HubTimeoutError, ScramjetError, StreamIdleError
from scramjet_client.http.durations import Duration, duration, seconds
from scramjet_client.http.exchange import Exchange
from scramjet_client.http.failures import quiet
from scramjet_client.http.settings import route
from scramjet_client.http.standstill import Standstill
from scramjet_client.instances.last_words import last_words_of
from scramjet_client.instances.lifetime import ended_error
from scramjet_client.instances.readers import Readers
from scramjet_client.instances.watcher import EndWatcher, SharedLooks, about
from scramjet_client.models import GetEventResponse
from scramjet_client.streams.output import EventStream, OutputStream

# Hubs compare the name with the undecoded path.
_READABLE_NAME = re.compile(r"[A-Za-z0-9\-._~]+")

_LONG = 1.0
"""Seconds: a shorter wait only looks whether the event has come, and says nothing of what may hold the program back."""


def checked_name(event_name: str) -> str:
    """Return the name of an event if it can be sent; raise TypeError or ValueError otherwise."""
    checked("event_name", event_name, str)
    if not event_name:
        raise ValueError("event_name must not be empty")
    return event_name


def readable_name(event_name: str) -> str:
    """Return the name of an event if hubs can be asked for it; raise TypeError or ValueError otherwise."""
    checked_name(event_name)
    if not _READABLE_NAME.fullmatch(event_name) or event_name in (".", ".."):
        raise ValueError(
            f"event_name {event_name!r} can't be read from a hub: only letters, digits and -._~ can"
        )
    return event_name


class Events:
    """The events that one instance emits; see the methods of `InstanceClient`."""

    def __init__(
        self, client: HttpClient, instance_id: str, standstill: Callable[[str], Standstill]
    ) -> None:
        """Listen to one instance; `standstill` makes, given what is awaited, what tells that nothing moves."""
        self._client = client
        self._id = instance_id
        self._standstill = standstill

    def last(self, event_name: str, timeout: Duration | None) -> GetEventResponse:
        """Return the last event of a name that the hub has seen, or wait for the first."""
        path = route("instance", self._id, "event", readable_name(event_name))
        exchange = self.exchange(event_name, timeout)
        generation = generation_of(self._client)
        try:
            answer = self._client.request("GET", path, **about(self._id), exchange=exchange)
        except HubTimeoutError as error:
            self.check_overdue(event_name, exchange, error, timeout)
            raise
        if answer.value is None:
            warnings.warn(
                f"the hub has lost the message of event {event_name!r} of instance {self._id!r}: a number, True or "
                "{}; get_next_event(), expect_event() and get_event_stream() give such messages",
                UserWarning,
                stacklevel=callers_level(),
            )
        return generation.event(event_name, answer.value)

    def check_alive(self, event_name: str) -> None:
        """Raise `InstanceEndedError` if the hub says that the instance has ended.

        This looks before the event is sent, because an event may end the program.
        """
        looks = SharedLooks.of(self._client)
        info = None
        # If the hub is away, or does not know the instance, the request that sends the event says so.
        with contextlib.suppress(ScramjetError):
            info = looks.fetch(self._id)
        if info is not None and has_ended(info):
            raise ended_error(self._id, f"event {event_name!r} was being sent")(
                last_words_of(self._client).known(info)
            )

    def stream(
        self,
        event_name: str,
        exchange: Exchange,
        *,
        idle_timeout: Duration | None = None,
        timeout: Duration | None = None,
    ) -> EventStream:
        """Return the events of a name from now on."""
        path = route("instance", self._id, "events", readable_name(event_name))
        generation = generation_of(self._client)
        raw: OutputStream = self._client.get_stream(
            path,
            name=f"events {event_name!r} of {self._id!r}",
            timeout=timeout,
            idle_timeout=idle_timeout,
            **about(self._id),
            exchange=exchange,
        )
        return EventStream(event_name, raw, lambda value: generation.event(event_name, value))

    def exchange(self, event_name: str, timeout: Duration | None) -> Exchange:
        """Return the exchange of a wait for one event, which ends with the instance."""
        limit = duration("timeout", timeout)
        exchange = self._watcher().event_exchange(
            deadline=None if limit is None else monotonic() + limit,
            error=ended_error(self._id, f"event {event_name!r} was awaited"),
        )
        if limit is not None:
            exchange.limit = f"{seconds(limit)} (timeout)"
            return exchange
        watch, standstill = exchange.on_idle, self._standstill(f"event {event_name!r}")

        def look(silence: float) -> object:
            standstill.look()
            return None if watch is None else watch(silence)

        exchange.on_idle = look
        return exchange

    def check_overdue(
        self,
        event_name: str,
        exchange: Exchange,
        error: HubTimeoutError,
        timeout: Duration | None,
    ) -> None:
        """Raise the right error if the hub has been asked for an event, and the time is over."""
        if exchange.overdue and exchange.head_sent.is_set():
            raise self.overdue(event_name, exchange.overdue, timeout) from quiet(error)

    def overdue(self, event_name: str, limit: str, timeout: Duration | None) -> Exception:
        """Return the error for an event that has not come in time; its instance may have ended."""
        watcher = self._watcher()
        with contextlib.suppress(ScramjetError):  # the hub is away, or busy
            if watcher.has_ended():
                info = watcher.info
                return ended_error(self._id, f"event {event_name!r} was awaited")(
                    None if info is None else last_words_of(self._client).of(info)
                )
        short = (duration("timeout", timeout) or _LONG) < _LONG
        advice = "" if short else Readers.of(self._client).advice(self._id)
        return HubTimeoutError(
            f"event {event_name!r} of instance {self._id!r} did not come within {limit}{advice}"
        )

    def _watcher(self) -> EndWatcher:
        return EndWatcher(self._client, self._id)


_IN_BLOCK = "value after a block: with instance.expect_event(name) as expected: ..."


class ExpectedEvent(Live):
    """An event that the client is listening for; see `InstanceClient.expect_event`.

    Its `value` is set once the `with` block has ended.
    """

    _guesses: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("data", "event", "get", "message", "result", "wait"), _IN_BLOCK
    )

    value: GetEventResponse

    def __init__(self, events: Events, event_name: str, timeout: Duration | None) -> None:
        self._events = events
        self._name = readable_name(event_name)
        self._timeout = duration("timeout", timeout)

    def _advice_on(self, name: str) -> str:
        return _IN_BLOCK if name == "value" else super()._advice_on(name)

    def __enter__(self) -> ExpectedEvent:
        self._exchange = self._events.exchange(self._name, self._timeout)
        try:
            self._stream = self._events.stream(self._name, self._exchange)
        except HubTimeoutError as error:
            self._events.check_overdue(self._name, self._exchange, error, self._timeout)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        with self._stream:
            if kind is not None:
                return
            try:
                self.value = next(self._stream)
            except StreamIdleError as error:
                limit = self._exchange.overdue or seconds(self._exchange.idle_limit or 0)
                raise self._events.overdue(self._name, limit, self._timeout) from quiet(error)
