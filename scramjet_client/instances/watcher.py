"""Detecting the end of an instance, for everything that waits on it: streams, uploads and calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Optional

import attrs

from scramjet_client._common.clock import monotonic
from scramjet_client._common.log_records import HUB, record_of
from scramjet_client.api.answers import has_ended, instance_from, instances_from
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InstanceNotFoundError,
    NotFoundError,
    ScramjetError,
)
from scramjet_client.http.exchange import Exchange, WaitEnded
from scramjet_client.http.retries import pauses
from scramjet_client.http.settings import route
from scramjet_client.http.standstill import Standstill
from scramjet_client.http.turns import Turn
from scramjet_client.instances.last_words import last_words_of
from scramjet_client.models import GetInstanceResponse

ErrorMaker = Callable[[Optional[GetInstanceResponse]], Exception]
"""Makes the error that a wait raises from the last info; None if the instance was never seen."""

_ROUND_TRIPS = 3
"""The required silence is at least this many times the duration of the slowest look."""

_LOOK_LEAST = 8.0
"""The most seconds between two looks of a wait. Each look adds a line to a log, so a silent log is looked at less."""

_LONG_LINE = 65536
"""Bytes: the hub itself never writes a longer line."""

_EARLY_LOOK = 0.1
"""Seconds after which an awaited event makes its first look."""

_ENDED_SETTLE = 0.5
"""The most seconds of silence that end the wait for an event whose first look has found that the instance had ended."""

_FIRST_PAUSE = 0.02
"""Seconds between the first two looks of a wait. The pause doubles up to one second."""

_SHARED_FROM = 4
_SHARED_PART = 4
_FRESH = 1.0
"""From this many waiting instances on, a list of all instances once a second replaces the single looks. It does not if
fewer than one in `_SHARED_PART` of the listed instances is waited for: on 1.x a list shows in the log of each."""


def about(instance_id: str) -> dict[str, Any]:
    """Return what the errors of a request to an instance say, as for `Requester.request`."""
    return {"subject": f"instance {instance_id!r}", "not_found": InstanceNotFoundError}


def fetch_info(
    client: HttpClient, instance_id: str, *, timeout: float | None = None
) -> GetInstanceResponse:
    """Return the hub's current info on an instance."""
    path = route("instance", instance_id)
    answer = client.request("GET", path, timeout=timeout, **about(instance_id))
    return instance_from(answer, asked_to_end=False)


@attrs.define
class _Sight:
    """The result of the last look at one instance. Its turn is that of the thread that looks, while others wait."""

    began: float = float("-inf")
    info: GetInstanceResponse | None = None
    turn: Turn = attrs.field(factory=Turn)


class SharedLooks:
    """The looks of all waits of one `HttpClient`: waits that need a look at the same time share one."""

    def __init__(self, client: HttpClient, clock: Callable[[], float] = monotonic) -> None:
        self._client = client
        self._clock = clock
        self._asked: dict[str, float] = {}
        self._sights: dict[str, _Sight] = {}
        self._list: dict[str, GetInstanceResponse] = {}
        self._listed_at = float("-inf")
        self.gives_echoes: bool | None = None
        """Whether looks show in logs; None while this is not known."""
        # Guards all of the above. It lasts for the request for the list, because all others wait for its answer.
        self._turn = Turn()

    @classmethod
    def of(cls, client: HttpClient) -> SharedLooks:
        """Return the shared looks of a client."""
        return client.fact("looks", lambda: cls(client))

    def fetch(
        self, instance_id: str, since: float | None = None, *, alone: bool = False
    ) -> GetInstanceResponse | None:
        """Return the instance's state, None if it is gone. Raises the request's errors.

        A look before `since`, a moment of the clock, does not count; None means now. With `alone`, nor does a list.
        """
        limit = self._client.tuning.look
        with self._turn.taken(limit) as mine:
            if not mine:
                return self._info(instance_id)
            now = self._clock()
            since = now if since is None else since
            self._asked[instance_id] = now
            self._asked = {i: at for i, at in self._asked.items() if now - at < 2 * _FRESH}
            self._sights = {i: it for i, it in self._sights.items() if i in self._asked}
            if not alone and self._list_is_worth_it(now):
                if now - self._listed_at >= _FRESH:
                    answer = self._client.request("GET", "instances", timeout=limit)
                    self._list = {info.id: info for info in instances_from(answer)}
                    self._listed_at = now
                if instance_id in self._list and self._listed_at >= since - _FRESH:
                    return self._list[instance_id]
            sight = self._sights.setdefault(instance_id, _Sight())
        with sight.turn.taken(limit):
            if sight.began < since:
                began = self._clock()
                sight.info = self._info(instance_id)
                sight.began = began
            return sight.info

    def _info(self, instance_id: str) -> GetInstanceResponse | None:
        try:
            return fetch_info(self._client, instance_id, timeout=self._client.tuning.look)
        except InstanceNotFoundError:
            return None

    def _list_is_worth_it(self, now: float) -> bool:
        if len(self._asked) < _SHARED_FROM:
            return False
        listed_lately = now - self._listed_at < 10 * _FRESH
        return not listed_lately or len(self._list) <= _SHARED_PART * len(self._asked)


class HubLines:
    """Distinguishes the lines that a hub writes into a log from those that the program writes.

    On 1.x each look at an instance adds a line to its log. So a log with many watchers is never silent. Such a line
    is the echo of a look: it proves that nothing is stuck on the way (docs/protocol.md, "Output streams").

    Attributes:
        echoes: How many echoes have come.
        begun: Whether a line has begun but not ended.
    """

    def __init__(self) -> None:
        self.echoes: int = 0
        self.begun: bool = False
        self._rest = b""
        self._long = False

    def __call__(self, data: bytes) -> bool:
        """Take a chunk; return whether it holds only lines of the hub, or the beginning of a possible one."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        program = self._long
        if lines:
            self._long = False
        for line in lines:
            program = not self._is_of_hub(line) or program
        if self._long or len(self._rest) > _LONG_LINE:
            self._rest, self._long = b"", True
        self.begun = self._long or bool(self._rest)
        return not (program or self._long)

    def _is_of_hub(self, line: bytes) -> bool:
        if HUB.encode() not in line:
            return not line.strip()
        record = record_of(line)
        if record is None or record.source != HUB:
            return False
        self.echoes += record.is_look
        return True


class EndWatcher:
    """Detects the end of one instance on behalf of one user call, for all its streams, uploads and other waits.

    Safe to use from any thread. It looks at the instance when a caller asks it to, and when a wait has become silent.
    It shares its looks with all other watchers of the same `HttpClient`.
    """

    def __init__(self, client: HttpClient, instance_id: str) -> None:
        self._client = client
        self._id = instance_id
        # An earlier instance with this id, which has already ended, does not count.
        self._began = self._looked_at = monotonic()
        self._slowest = 0.0
        # Held by the one wait that looks; guards _looked_at.
        self._looking = threading.Lock()
        self.info: GetInstanceResponse | None = None
        """Its last info. For an instance that is gone: the info before that, with the status "stopped"."""
        self.gone: bool = False
        """Whether the hub does not know it, or no longer knows it."""
        self.ended_at: float | None = None
        """When its end was seen, in seconds of the clock."""
        self.seen_alive: bool = False
        """Whether the last look found it alive."""

    # -- looking --------------------------------------------------------------------------------

    def fetch_info(
        self, *, at_most: float = 0.0, alone: bool = False
    ) -> GetInstanceResponse | None:
        """Look at the instance, or use another look that is at most `at_most` seconds old; return `info`.

        With `alone`, a list does not count.
        """
        began = monotonic()
        try:
            looks = SharedLooks.of(self._client)
            info = looks.fetch(self._id, max(self._began, began - at_most), alone=alone)
        except ScramjetError:
            self.seen_alive = False
            raise
        self._looked_at = monotonic()
        self._slowest = max(self._slowest, self._looked_at - began)
        self.gone = info is None
        # A gone instance keeps its last known info; None means that it never existed.
        self.info = info or (self.info and attrs.evolve(self.info, status="stopped"))
        self.seen_alive = info is not None and not has_ended(info)
        if self.seen_alive:
            self.ended_at = None
        elif self.ended_at is None:
            self.ended_at = self._looked_at
        return self.info

    def has_ended(self) -> bool:
        """Look, unless the end has been seen already; return whether the instance has ended."""
        if self.ended_at is None:
            self.fetch_info()
        return self.ended_at is not None

    def try_to_look(self, at_most: float) -> None:
        """Look, unless the end is known, another wait is looking, or the last look is at most `at_most` seconds old."""
        if self.ended_at is not None or not self._looking.acquire(blocking=False):
            return
        try:
            if monotonic() - self._looked_at >= at_most:
                # After a failed look too.
                self._looked_at = monotonic()
                self.fetch_info(at_most=min(at_most, self._client.tuning.look_every))
        except (HubConnectionError, HubTimeoutError):
            # If the hub is down, the caller's own connection reports it.
            pass
        finally:
            self._looking.release()

    # -- waits that end with the instance -------------------------------------------------------

    def exchange(
        self,
        stream_id: str | None = None,
        *,
        poll: float | None = None,
    ) -> Exchange:
        """Return an exchange whose answer ends some time after the instance does.

        Args:
            stream_id: The output stream that is read, or None for another answer.
            poll: How often, in seconds, a silent exchange checks whether the instance has ended; by default as often
                as it looks (`Tuning.look_every`).
        """
        lines = HubLines() if stream_id == "log" else None
        settle = self._client.tuning.settle(stream_id)
        exchange = Exchange(
            on_idle=_Silence(self, settle, lines=lines),
            poll=self._client.tuning.look_every if poll is None else poll,
        )
        exchange.is_noise = lines
        return exchange

    def event_exchange(self, *, deadline: float | None, error: ErrorMaker) -> Exchange:
        """Return an exchange for an event, which ends with an error, and soon if the instance had ended before."""
        silence = _Silence(self, self._client.tuning.settle(None), error)
        exchange = Exchange(deadline=deadline, poll=_EARLY_LOOK)
        first = True

        def on_idle(quiet: float) -> None:
            nonlocal first
            if first:
                first = False
                self.try_to_look(0)
                if self.ended_at is None:
                    exchange.poll = self._client.tuning.look_every
                else:
                    silence.settle = min(silence.settle, _ENDED_SETTLE)
            silence(quiet)

        exchange.on_idle = on_idle
        return exchange

    def on_idle(self, error: ErrorMaker | None = None) -> Callable[[float], bool]:
        """Return the idle hook for an exchange that is created elsewhere; see `exchange`."""
        return _Silence(self, self._client.tuning.settle(None), error)

    def at_first_sight(self, *, every: float, deadline: float) -> Exchange:
        """Return an exchange that stops waiting for its answer as soon as a look finds the end: `WaitEnded`."""

        def on_idle(_silence: float) -> None:
            self.try_to_look(every)
            if self.ended_at is not None:
                raise WaitEnded("its instance has ended")

        return Exchange(deadline=deadline, on_idle=on_idle, poll=every)

    def ends_within(self, limit: float) -> bool:
        """Wait up to `limit` seconds for the end, and return whether it came.

        Raises:
            HubConnectionError, HubTimeoutError: The last look failed, so the state is unknown.
        """
        deadline = monotonic() + limit
        while True:
            over = monotonic() >= deadline
            try:
                if self.has_ended() or over:
                    return self.ended_at is not None
            except (HubConnectionError, HubTimeoutError):
                if over:
                    raise
            time.sleep(0.1)

    def wait_until(
        self,
        until: Callable[[GetInstanceResponse], bool],
        what: str,
        timeout: float | None,
        *,
        ask: Callable[[], GetInstanceResponse],
        ended: ErrorMaker,
        known: GetInstanceResponse | None = None,
        advice: Callable[[], str] = str,
        standstill: Standstill | None = None,
    ) -> GetInstanceResponse:
        """Look at the instance until `until` accepts its info; see `InstanceClient.wait` and `wait_for`.

        Args:
            until: The condition to wait for; `what` says the same in words.
            timeout: Seconds.
            ask: Looks once, for a caller who knows more about the instance.
            ended: Makes the error to raise if the instance ends first.
            known: Earlier info, in case the instance is gone by now.
            advice: Returns what to do if the time is over, as the end of a sentence.
            standstill: Tells that nothing moves during the wait.
        """
        deadline = None if timeout is None else monotonic() + timeout
        info = known
        # A hub that forgets an instance it knew before was restarted, and cannot report an end.
        known_before: bool | None = None
        for pause in pauses(_FIRST_PAUSE, _FRESH):
            try:
                info = ask()
                if has_ended(info):
                    info = last_words_of(self._client).of(info)
            except InstanceNotFoundError:
                if info is None:
                    raise
                info = self._forgotten(info, bool(known_before))
            if until(info):
                return info
            if has_ended(info):
                raise ended(info)
            remaining = None if deadline is None else deadline - monotonic()
            if remaining is not None and remaining <= 0:
                raise HubTimeoutError(
                    f"instance {self._id!r} was still {info.status} after {timeout:g} s,"
                    f" when {what} was awaited{advice()}"
                )
            if standstill is not None:
                standstill.look()
            if known_before is None:
                known_before = self._hub_knows_sequence(info)
            time.sleep(pause if remaining is None else min(pause, remaining))
        raise AssertionError  # the pauses never end

    def _forgotten(self, info: GetInstanceResponse, knew_sequence: bool) -> GetInstanceResponse:
        """Return the info of an instance that its hub has forgotten: 0.x forgets at the end, 1.x some time after.

        Raises:
            InstanceNotFoundError: The hub has forgotten its sequence too, so it cannot report an end.
        """
        if has_ended(info):
            return info
        if knew_sequence and info.status != "stopping" and not self._hub_knows_sequence(info):
            raise InstanceNotFoundError(
                f"instance {info.id!r} is gone, and how it ended is not known: its hub does not know its sequence any"
                " more either; the hub was started anew, or the sequence was deleted",
                status=404,
                url=f"{self._client.api_base}/{route('instance', info.id)}",
            )
        return attrs.evolve(info, status="stopped")

    def _hub_knows_sequence(self, info: GetInstanceResponse) -> bool:
        if not info.sequence:
            return False
        try:
            self._client.request(
                "GET", route("sequence", info.sequence), timeout=self._client.tuning.look
            )
        except (NotFoundError, HubTimeoutError):
            return False
        return True


@attrs.define(eq=False)
class _Silence:
    """The `on_idle` hook of one wait: ends it when the instance has ended and no more data is on the way.

    Two conditions must hold: nothing has arrived for some time since the end was seen, and a further look has
    confirmed the end. For a log on a hub that gives echoes, the echo of that look must also arrive. It comes after
    all data that was on the way, however slow that data is.
    """

    _watcher: EndWatcher
    settle: float
    _error: ErrorMaker | None = None
    _lines: HubLines | None = None
    _confirmed_at: float | None = attrs.field(default=None, init=False)
    _echoes_before: int = attrs.field(default=0, init=False)

    def __call__(self, silence: float) -> bool:
        """Look if it is time to, after a silence in seconds; return whether the last look found the instance alive."""
        watcher = self._watcher
        watcher.try_to_look(self._pause(silence))
        ended_at = watcher.ended_at
        quiet = 0.0 if ended_at is None else min(silence, monotonic() - ended_at)
        if ended_at is None or quiet < max(self.settle, _ROUND_TRIPS * watcher._slowest):
            self._confirmed_at = None
            return watcher.seen_alive
        if self._is_over(silence):
            if self._error is None:
                raise WaitEnded("its instance has ended")
            info = watcher.info
            raise self._error(None if info is None else last_words_of(watcher._client).of(info))
        return False

    def _pause(self, silence: float) -> float:
        every = self._watcher._client.tuning.look_every
        return every if self._lines is None else max(every, min(silence / 2, _LOOK_LEAST))

    def _is_over(self, silence: float) -> bool:
        watcher, lines = self._watcher, self._lines
        if self._confirmed_at is None:
            echoes, moment = 0 if lines is None else lines.echoes, monotonic()
            try:
                # Not every hub answers a list with an echo.
                watcher.fetch_info(alone=lines is not None)
            except (HubConnectionError, HubTimeoutError):
                return False
            if watcher.ended_at is None:
                return False
            self._confirmed_at, self._echoes_before = moment, echoes
        if lines is None or watcher.gone:
            return True
        if lines.echoes > self._echoes_before:
            return not lines.begun or silence >= watcher._client.tuning.stream_settle
        return self._echo_is_overdue(lines, monotonic() - self._confirmed_at)

    def _echo_is_overdue(self, lines: HubLines, waited: float) -> bool:
        client = self._watcher._client
        looks = SharedLooks.of(client)
        if lines.echoes:
            looks.gives_echoes = True
            return waited >= client.tuning.log_echo_limit
        if looks.gives_echoes is None and waited >= client.tuning.log_echo:
            looks.gives_echoes = False
        return looks.gives_echoes is False or waited >= client.tuning.log_echo
