"""How the end of an instance is seen: by everybody who waits for something of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Optional

import attrs

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
from scramjet_client.http.settings import route
from scramjet_client.instances.last_words import last_words_of
from scramjet_client.models import GetInstanceResponse

ErrorMaker = Callable[[Optional[GetInstanceResponse]], Exception]
"""Makes what a wait raises, of the last info; None where the instance was never seen."""

_SETTLE = 1.0
"""Seconds of silence after the end in which an answer, or an event, may still come."""

_ROUND_TRIPS = 3
"""No silence is long enough that is shorter than so many of the slowest look."""

_LOOK_EVERY = 1.0
_LOOK_LEAST = 8.0
"""Seconds between two looks of a wait. A log, where each look shows as a line, is looked at less as it stays silent."""

_FIRST_ECHO = 2.0
_ECHO_LIMIT = 30.0
"""Seconds that a log waits for the echo of the last look: where none has come by it so far, and where one has. A hub
may be told not to log what it does for itself, and a log of 1.x that a reader has left gives nothing to the others."""

_LONG_LINE = 65536
"""Bytes after which a line is none of the hub's own."""

_FIRST_PAUSE = 0.02
"""Seconds between the first two looks of a wait; doubled until one a second."""

_SHARED_FROM = 4
_SHARED_PART = 4
_FRESH = 1.0
"""From this many waiting instances on, one list of all a second serves them all, unless they are less than one in
`_SHARED_PART` of those on it: on 1.x a list shows in the log of each."""


def fetch_info(
    client: HttpClient,
    instance_id: str,
    *,
    timeout: float | None = None,
    asked_to_end: bool = False,
) -> GetInstanceResponse:
    """Return what the hub knows of an instance now."""
    return instance_from(
        client.request(
            "GET",
            route("instance", instance_id),
            timeout=timeout,
            subject=f"instance {instance_id!r}",
            not_found=InstanceNotFoundError,
        ),
        asked_to_end=asked_to_end,
    )


def fetch_info_or_none(
    client: HttpClient, instance_id: str, *, asked_to_end: bool
) -> GetInstanceResponse | None:
    """Return what the hub knows of an instance, None if it does not say, soon at least."""
    try:
        return fetch_info(
            client, instance_id, timeout=client.tuning.look, asked_to_end=asked_to_end
        )
    except ScramjetError:
        return None


@attrs.define
class _Sight:
    """What the last look at one instance has shown; its lock is held by who looks, while others wait for it."""

    began: float = float("-inf")
    info: GetInstanceResponse | None = None
    lock: threading.Lock = attrs.field(factory=threading.Lock)


class SharedLooks:
    """The looks at instances by all waits of one `HttpClient`: one serves all that would look at the same time."""

    def __init__(self, client: HttpClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._asked: dict[str, float] = {}
        self._sights: dict[str, _Sight] = {}
        self._list: dict[str, GetInstanceResponse] = {}
        self._listed_at = float("-inf")
        self.gives_echoes: bool | None = None
        """Whether looks show in logs; None while nobody knows."""
        # Guards all of the above; held during the request for the list, whose answer all others wait for.
        self._lock = threading.Lock()

    @classmethod
    def of(cls, client: HttpClient) -> SharedLooks:
        """Return those of a client."""
        looks: SharedLooks = client.memo.setdefault("looks", cls(client))
        return looks

    def fetch(self, instance_id: str, since: float | None = None) -> GetInstanceResponse | None:
        """Return the instance's state, None if it is gone. Raises what the request raises.

        Args:
            instance_id: The instance.
            since: Moment of the clock; an older look is none. None is now.
        """
        with self._lock:
            now = self._clock()
            since = now if since is None else since
            self._asked[instance_id] = now
            self._asked = {i: at for i, at in self._asked.items() if now - at < 2 * _FRESH}
            self._sights = {i: it for i, it in self._sights.items() if i in self._asked}
            if self._list_is_worth_it(now):
                if now - self._listed_at >= _FRESH:
                    answer = self._client.request(
                        "GET", "instances", timeout=self._client.tuning.look
                    )
                    self._list = {info.id: info for info in instances_from(answer)}
                    self._listed_at = now
                if instance_id in self._list and self._listed_at >= since - _FRESH:
                    return self._list[instance_id]
            sight = self._sights.setdefault(instance_id, _Sight())
        with sight.lock:
            if sight.began < since:
                began = self._clock()
                try:
                    sight.info = fetch_info(
                        self._client, instance_id, timeout=self._client.tuning.look
                    )
                except InstanceNotFoundError:
                    sight.info = None
                sight.began = began
            return sight.info

    def _list_is_worth_it(self, now: float) -> bool:
        if len(self._asked) < _SHARED_FROM:
            return False
        listed_lately = now - self._listed_at < 10 * _FRESH
        return not listed_lately or len(self._list) <= _SHARED_PART * len(self._asked)


class HubLines:
    """Tells the lines that a hub writes into a log by itself from those that come of the program.

    Each look at an instance shows in its own log on 1.x. So a log is never silent where many look, and that such a
    line comes proves that nothing is stuck on the way: it is the echo of a look (docs/protocol.md, "Output streams").

    Attributes:
        echoes: How many echoes have come.
        begun: Whether a line has begun and not ended.
    """

    def __init__(self) -> None:
        self.echoes: int = 0
        self.begun: bool = False
        self._rest = b""
        self._long = False

    def __call__(self, data: bytes) -> bool:
        """Take what has come; return whether it is nothing but lines of the hub, or a line that may become one."""
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
        if b'"CSIController"' not in line:
            return not line.strip()
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return False
        if not isinstance(record, dict) or record.get("from") != "CSIController":
            return False
        self.echoes += str(record.get("msg")).startswith("Get info")
        return True


class EndWatcher:
    """Sees the end of one instance, for one call of a user: for each of its streams, uploads and other waits.

    Safe to use from any thread. It looks at the instance when it is asked to, and when a wait has become silent, and
    it shares its looks with all others of the same `HttpClient`.

    Args:
        client: The hub.
        instance_id: The instance.
    """

    def __init__(self, client: HttpClient, instance_id: str) -> None:
        self._client = client
        self._id = instance_id
        # An instance of this id that ended before is none of ours.
        self._began = self._looked_at = time.monotonic()
        self._slowest = 0.0
        # Held by the one wait that looks; guards _looked_at.
        self._looking = threading.Lock()
        self.info: GetInstanceResponse | None = None
        """Its last info; of one that is gone, the last before, with the status "stopped"."""
        self.gone: bool = False
        """Whether the hub does not know it, or not any more."""
        self.ended_at: float | None = None
        """When its end was seen, in seconds of `time.monotonic`."""
        self.seen_alive: bool = False
        """Whether the last look has seen it live."""

    # -- looking --------------------------------------------------------------------------------

    def fetch_info(self, *, at_most: float = 0.0) -> GetInstanceResponse | None:
        """Look at the instance, or return what another one has seen `at_most` so many seconds ago.

        Returns:
            The info as in the attribute `info`.
        """
        began = time.monotonic()
        try:
            info = SharedLooks.of(self._client).fetch(self._id, max(self._began, began - at_most))
        except ScramjetError:
            self.seen_alive = False
            raise
        self._looked_at = time.monotonic()
        self._slowest = max(self._slowest, self._looked_at - began)
        self.gone = info is None
        # What is gone is known by what it was; None is left for an instance that was never there.
        self.info = info or (self.info and attrs.evolve(self.info, status="stopped"))
        self.seen_alive = info is not None and not has_ended(info)
        if self.seen_alive:
            self.ended_at = None
        elif self.ended_at is None:
            self.ended_at = self._looked_at
        return self.info

    def has_ended(self) -> bool:
        """Look, unless the end has been seen; return whether it has."""
        if self.ended_at is None:
            self.fetch_info()
        return self.ended_at is not None

    def try_to_look(self, at_most: float) -> None:
        """Look, unless the end has been seen, or another wait is looking, or the last look is as young as that."""
        if self.ended_at is not None or not self._looking.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._looked_at >= at_most:
                # Also where it fails.
                self._looked_at = time.monotonic()
                self.fetch_info(at_most=min(at_most, _LOOK_EVERY))
        except (HubConnectionError, HubTimeoutError):
            # If the hub is down, the connection that is being waited on says so itself.
            pass
        finally:
            self._looking.release()

    # -- waits that end with the instance -------------------------------------------------------

    def exchange(
        self,
        stream_id: str | None = None,
        *,
        poll: float = 1.0,
        deadline: float | None = None,
        error: ErrorMaker | None = None,
    ) -> Exchange:
        """Return an exchange whose answer ends some time after the instance.

        Args:
            stream_id: The output stream that is read, or None for another answer.
            poll: Seconds between two thoughts of a silent one about the end.
            deadline: As of `Exchange`.
            error: Makes what to raise; without it the answer ends as a stream does.
        """
        lines = HubLines() if stream_id == "log" else None
        settle = _SETTLE if stream_id is None else self._client.tuning.settle(stream_id)
        exchange = Exchange(
            deadline=deadline, on_idle=_Silence(self, settle, error, lines), poll=poll
        )
        exchange.is_noise = lines
        return exchange

    def on_idle(self, error: ErrorMaker | None = None) -> Callable[[float], bool]:
        """Return the hook of an exchange that is made elsewhere; see `exchange`."""
        return _Silence(self, _SETTLE, error, None)

    def at_first_sight(self, *, every: float, deadline: float) -> Exchange:
        """Return an exchange whose answer is not awaited any more once the end is seen: `WaitEnded`.

        Args:
            every: Seconds between two looks.
            deadline: As of `Exchange`.
        """

        def on_idle(_silence: float) -> None:
            self.try_to_look(every)
            if self.ended_at is not None:
                raise WaitEnded("its instance has ended")

        return Exchange(deadline=deadline, on_idle=on_idle, poll=every)

    def ends_within(self, limit: float) -> bool:
        """Wait for the end, and return whether it has come within `limit` seconds.

        Raises:
            HubConnectionError, HubTimeoutError: The last look failed, so that nobody knows.
        """
        deadline = time.monotonic() + limit
        while True:
            over = time.monotonic() >= deadline
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
    ) -> GetInstanceResponse:
        """Look at the instance until `until` is true of it; see `InstanceClient.wait` and `wait_for`.

        Args:
            until: What is waited for.
            what: The same in words.
            timeout: Seconds.
            ask: Looks once, on behalf of somebody who knows more of it.
            ended: Makes the error of an end before it.
            known: Its info of an earlier time, where it may be gone by now.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        info = known
        # A hub that forgets what it knew before was started anew, and knows of no end.
        known_before: bool | None = None
        pause = _FIRST_PAUSE
        while True:
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
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                raise HubTimeoutError(
                    f"instance {self._id!r} was still {info.status} after {timeout} s,"
                    f" when {what} was awaited"
                )
            if known_before is None:
                known_before = self._hub_knows_sequence(info)
            time.sleep(pause if remaining is None else min(pause, remaining))
            pause = min(2 * pause, _FRESH)

    def _forgotten(self, info: GetInstanceResponse, knew_sequence: bool) -> GetInstanceResponse:
        """Return the info of an instance that its hub has forgotten, which 0.x does at its end and 1.x some time after.

        Raises:
            InstanceNotFoundError: The hub has forgotten its sequence too, and so knows of no end.
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


class _Silence:
    """The `on_idle` hook of one wait: ends it when the instance has ended and nothing is on its way any more.

    That is so when nothing has come for some time since the end was seen, and a further look has confirmed it. In a
    log the echo of that look has to come as well, where the hub gives echoes: it comes behind all that was on its way,
    however slow that is.
    """

    def __init__(
        self, watcher: EndWatcher, settle: float, error: ErrorMaker | None, lines: HubLines | None
    ) -> None:
        self._watcher = watcher
        self._settle = settle
        self._error = error
        self._lines = lines
        self._confirmed_at: float | None = None
        self._echoes_before = 0

    def __call__(self, silence: float) -> bool:
        """Look where it is time to; `silence` is how many seconds nothing has come.

        Returns:
            Whether the last look has seen the instance live.
        """
        watcher = self._watcher
        watcher.try_to_look(self._pause(silence))
        ended_at = watcher.ended_at
        quiet = 0.0 if ended_at is None else min(silence, time.monotonic() - ended_at)
        if ended_at is None or quiet < max(self._settle, _ROUND_TRIPS * watcher._slowest):
            self._confirmed_at = None
            return watcher.seen_alive
        if self._is_over(silence):
            if self._error is None:
                raise WaitEnded("its instance has ended")
            info = watcher.info
            raise self._error(None if info is None else last_words_of(watcher._client).of(info))
        return False

    def _pause(self, silence: float) -> float:
        if self._lines is None:
            return _LOOK_EVERY
        return min(max(_LOOK_EVERY, silence / 2), _LOOK_LEAST)

    def _is_over(self, silence: float) -> bool:
        watcher, lines = self._watcher, self._lines
        if self._confirmed_at is None:
            echoes, moment = 0 if lines is None else lines.echoes, time.monotonic()
            try:
                watcher.fetch_info()
            except (HubConnectionError, HubTimeoutError):
                return False
            if watcher.ended_at is None:
                return False
            self._confirmed_at, self._echoes_before = moment, echoes
        if lines is None or watcher.gone:
            return True
        if lines.echoes > self._echoes_before:
            return not lines.begun or silence >= watcher._client.tuning.stream_settle
        return self._echo_is_overdue(lines, time.monotonic() - self._confirmed_at)

    def _echo_is_overdue(self, lines: HubLines, waited: float) -> bool:
        looks = SharedLooks.of(self._watcher._client)
        if lines.echoes:
            looks.gives_echoes = True
            return waited >= _ECHO_LIMIT
        if looks.gives_echoes is None and waited >= _FIRST_ECHO:
            looks.gives_echoes = False
        return looks.gives_echoes is False or waited >= _FIRST_ECHO
