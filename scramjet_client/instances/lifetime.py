"""Watching instances end: stopping, killing, and ending waits that the hub itself never ends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Protocol

import attrs

from scramjet_client.api.answers import KILLED, has_ended, instance_from, instances_from
from scramjet_client.api.generations import Dialect, dialect_of
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import (
    BadParametersError,
    HubConnectionError,
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    NotFoundError,
    ScramjetError,
    StopTimeoutError,
)
from scramjet_client.http.answers import JsonAnswer
from scramjet_client.http.exchange import Exchange, WaitEnded
from scramjet_client.http.settings import route
from scramjet_client.models import (
    GetInstanceResponse,
    SendKillInstanceResponse,
    SendStopInstanceResponse,
    SendStreamResponse,
)
from scramjet_client.uploads.sources import SourceLike
from scramjet_client.uploads.upload import Upload

_STOP_POLL = 0.25
"""Seconds between two looks at an instance while the answer to its stop is awaited."""

_FIRST_PAUSE = 0.02
"""Seconds between the first two looks of a wait; doubled until one a second."""

_KILL_LIMIT = 10.0
"""Seconds in which an instance that is still starting must become killable."""

_SHARED_FROM = 4
_FRESH = 1.0
"""From this many waiting calls on, one list of all instances a second serves them all."""


class Instance(Protocol):
    """What running and attaching need of an `InstanceClient`."""

    @property
    def id(self) -> str:
        """The id on the hub."""

    @property
    def client(self) -> HttpClient:
        """The HTTP client it sends with."""

    @property
    def asked_to_end(self) -> bool:
        """Whether this client has stopped or killed it."""

    def get_info(self) -> GetInstanceResponse:
        """Return what the hub knows of it."""

    def kill(self, *, remove_immediately: bool = False) -> SendKillInstanceResponse:
        """Kill it."""

    def stop(self) -> SendStopInstanceResponse:
        """Ask it to stop."""

    def submit_stdin(
        self, stream: SourceLike, *, end: bool | None = None
    ) -> Upload[SendStreamResponse]:
        """Start sending to its standard input."""


def look(
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


def look_briefly(
    client: HttpClient, instance_id: str, *, asked_to_end: bool
) -> GetInstanceResponse | None:
    """Return what the hub knows of an instance, None if it does not say, soon at least."""
    try:
        return look(client, instance_id, timeout=client.tuning.look, asked_to_end=asked_to_end)
    except ScramjetError:
        return None


class _HubWatch:
    """Looks at instances for all waiting calls of one `HttpClient`."""

    def __init__(self, client: HttpClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._askers: dict[str, float] = {}
        self._list: dict[str, GetInstanceResponse] = {}
        self._listed_at = float("-inf")
        # Guards all of the above; held during the shared request, whose answer all others wait for.
        self._lock = threading.Lock()

    def look(self, instance_id: str) -> GetInstanceResponse | None:
        """Return the instance's state, None if it is gone. Raises what the request raises."""
        with self._lock:
            now = self._clock()
            self._askers[instance_id] = now
            self._askers = {i: at for i, at in self._askers.items() if now - at < 2 * _FRESH}
            if len(self._askers) >= _SHARED_FROM:
                if now - self._listed_at >= _FRESH:
                    answer = self._client.request(
                        "GET", "instances", timeout=self._client.tuning.look
                    )
                    self._list = {info.id: info for info in instances_from(answer)}
                    self._listed_at = now
                if instance_id in self._list:
                    return self._list[instance_id]
        try:
            return look(self._client, instance_id, timeout=self._client.tuning.look)
        except InstanceNotFoundError:
            return None


def _watch_of(client: HttpClient) -> _HubWatch:
    watch: _HubWatch = client.memo.setdefault("watch", _HubWatch(client))
    return watch


def glance(client: HttpClient, instance_id: str) -> bool:
    """Return whether an instance has ended, or is gone; looks like these are shared where many wait."""
    info = _watch_of(client).look(instance_id)
    return info is None or has_ended(info)


class EndWatch:
    """An `Exchange.on_idle` hook that ends a wait some time after its instance has ended.

    The end must be seen twice with nothing arriving between: what was on its way is not cut off.

    Args:
        client: The hub.
        instance_id: The instance.
        error: What to raise, made of the last info (None where the hub has forgotten the instance);
            without it the wait ends as a stream does.
    """

    def __init__(
        self,
        client: HttpClient,
        instance_id: str,
        error: Callable[[GetInstanceResponse | None], Exception] | None = None,
    ) -> None:
        self._client = client
        self._id = instance_id
        self._error = error
        self._seen_at_silence: float | None = None
        self._last: GetInstanceResponse | None = None

    def __call__(self, silence: float) -> bool:
        """Look at the instance; `silence` is how many seconds nothing has come.

        Returns:
            Whether it was seen to live.
        """
        seen, self._seen_at_silence = self._seen_at_silence, None
        try:
            info = _watch_of(self._client).look(self._id)
        except (HubConnectionError, HubTimeoutError):
            # If the hub is down, the connection that is being waited on says so itself.
            return False
        # What is gone is known by what it was; None is left for an instance that was never there.
        info = self._last = info or (self._last and attrs.evolve(self._last, status="stopped"))
        if info is not None and not has_ended(info):
            return True
        if seen is None or silence <= seen:
            self._seen_at_silence = silence
            return False
        raise WaitEnded("its instance has ended") if self._error is None else self._error(info)


def ended_error(
    instance_id: str, what: str
) -> Callable[[GetInstanceResponse | None], InstanceEndedError]:
    """Return what makes the error for something that can't come any more."""

    def make(info: GetInstanceResponse | None) -> InstanceEndedError:
        error = InstanceEndedError(f"instance {instance_id!r} ended while {what}{_how(info)}")
        error.info = info
        return error

    return make


def _how(info: GetInstanceResponse | None) -> str:
    if info is None or info.terminated is None:
        return ""
    return f" ({info.terminated.reason}, exit code {info.terminated.exit_code})"


def stop(
    client: HttpClient, instance_id: str, timeout_ms: float, can_call_keepalive: bool
) -> SendStopInstanceResponse:
    """Send a stop and wait for its effect; see `InstanceClient.stop`."""
    dialect = dialect_of(client)
    if dialect.modern:
        # A stop would overwrite the status of an instance that has ended, for good.
        info = look(client, instance_id)
        if has_ended(info):
            return SendStopInstanceResponse(
                message=f"the instance had already ended{_how(info)}", acknowledged=True, raw=None
            )
    given = f"instance {instance_id!r} did not stop within {timeout_ms:g} ms"
    url = f"{client.api_base}/{route('instance', instance_id)}"
    answer, end = _ask_to_stop(client, dialect, instance_id, timeout_ms, can_call_keepalive)
    if end is None:
        try:
            end = _wait_for_end(client, instance_id, client.tuning.stop_settle)
        except HubTimeoutError as error:
            raise StopTimeoutError(
                f"{given}, or the hub does not say that it has: {error}", url=url
            ) from error
    if end is None:
        raise StopTimeoutError(f"{given} and still runs", url=url)
    if end.exit_code == KILLED:
        raise StopTimeoutError(f"{given} and was killed{_how(end.info)}", url=url)
    when = "before the time was over" if answer is None else "when the time was over"
    return SendStopInstanceResponse(
        message=f"the instance ended {when}{_how(end.info)}",
        acknowledged=True,
        raw=None if answer is None else answer.value,
    )


@attrs.frozen
class _End:
    """The end of an instance, as it was seen; `info` is None where the hub has forgotten it by then."""

    info: GetInstanceResponse | None

    @property
    def exit_code(self) -> int | None:
        return self.info.terminated.exit_code if self.info and self.info.terminated else None


def _end_now(client: HttpClient, instance_id: str) -> _End | None:
    """Look once; return None while the instance lives."""
    try:
        info = look(client, instance_id, timeout=client.tuning.look)
    except InstanceNotFoundError:
        return _End(None)
    return _End(info) if has_ended(info) else None


def _ask_to_stop(
    client: HttpClient,
    dialect: Dialect,
    instance_id: str,
    timeout_ms: float,
    can_call_keepalive: bool,
) -> tuple[JsonAnswer | None, _End | None]:
    """Return the hub's answer, or the end of the instance that was seen before it came."""
    seen: list[_End] = []

    def look_beside(_silence: float) -> None:
        try:
            end = _end_now(client, instance_id)
        except (HubConnectionError, HubTimeoutError):
            # If the hub is down, the connection that is being waited on says so itself.
            return
        if end is not None:
            seen.append(end)
            raise WaitEnded

    exchange = Exchange(
        deadline=time.monotonic() + timeout_ms / 1000 + client.tuning.stop_margin,
        on_idle=look_beside,
        poll=_STOP_POLL,
    )
    try:
        answer = client.request(
            "POST",
            route("instance", instance_id, "_stop"),
            dialect.stop_body(timeout_ms, can_call_keepalive),
            subject=f"instance {instance_id!r}",
            not_found=InstanceNotFoundError,
            exchange=exchange,
        )
    except WaitEnded:
        return None, seen[0]
    except (HubConnectionError, HubTimeoutError):
        # Only the answer may be lost: the instance says whether it was asked.
        with contextlib.suppress(ScramjetError):
            end = _end_now(client, instance_id)
            if end is not None:
                return None, end
        raise
    return answer, None


def _wait_for_end(client: HttpClient, instance_id: str, limit: float) -> _End | None:
    """Return the end of an instance, or None if it has not come within `limit` seconds.

    Raises:
        HubConnectionError, HubTimeoutError: The last look failed, so that nobody knows.
    """
    deadline = time.monotonic() + limit
    while True:
        over = time.monotonic() >= deadline
        try:
            end = _end_now(client, instance_id)
        except (HubConnectionError, HubTimeoutError):
            if over:
                raise
        else:
            if end is not None or over:
                return end
        time.sleep(0.1)


def kill(
    client: HttpClient, instance_id: str, remove_immediately: bool
) -> SendKillInstanceResponse:
    """Send a kill, as soon as the hub takes one; see `InstanceClient.kill`."""
    dialect = dialect_of(client)
    body = dialect.kill_body(remove_immediately)
    deadline = time.monotonic() + _KILL_LIMIT
    while True:
        try:
            answer = client.request(
                "POST",
                route("instance", instance_id, "_kill"),
                body,
                subject=f"instance {instance_id!r}",
                not_found=InstanceNotFoundError,
            )
        except BadParametersError:
            if not dialect.modern:
                raise
            # 1.x takes a kill in the state "running" alone.
            info = look(client, instance_id)
            if has_ended(info):
                return SendKillInstanceResponse(
                    message=f"the instance had already ended{_how(info)}",
                    killed=False,
                    raw=info.raw,
                )
            # It may have come to run since the refusal.
            killable = info.status in ("starting", "running")
            if not killable or time.monotonic() >= deadline:
                raise
            time.sleep(0.05)
        else:
            said = answer.value if isinstance(answer.value, dict) else {}
            message = str(said.get("status") or said.get("opStatus") or answer.reason)
            return SendKillInstanceResponse(
                message=message, killed=answer.status == 202, raw=answer.value
            )


def _knows_sequence(client: HttpClient, info: GetInstanceResponse) -> bool:
    """Return whether the hub says that it knows the sequence of an instance."""
    if not info.sequence:
        return False
    try:
        client.request("GET", route("sequence", info.sequence), timeout=client.tuning.look)
    except (NotFoundError, HubTimeoutError):
        return False
    return True


def _forgotten(
    client: HttpClient, info: GetInstanceResponse, knew_sequence: bool
) -> GetInstanceResponse:
    """Return the info of an instance that its hub has forgotten, which 0.x does at its end and 1.x some time after.

    Raises:
        InstanceNotFoundError: The hub has forgotten its sequence too, and so knows of no end.
    """
    if has_ended(info):
        return info
    if knew_sequence and info.status != "stopping" and not _knows_sequence(client, info):
        raise InstanceNotFoundError(
            f"instance {info.id!r} is gone, and how it ended is not known: its hub does not know its sequence any"
            " more either; the hub was started anew, or the sequence was deleted",
            status=404,
            url=f"{client.api_base}/{route('instance', info.id)}",
        )
    return attrs.evolve(info, status="stopped")


def wait(
    client: HttpClient,
    ask: Callable[[], GetInstanceResponse],
    instance_id: str,
    until: Callable[[GetInstanceResponse], bool],
    what: str,
    *,
    timeout: float | None,
    known: GetInstanceResponse | None = None,
) -> GetInstanceResponse:
    """Look at an instance until `until` is true of it; see `InstanceClient.wait` and `wait_for`.

    Args:
        client: The hub.
        ask: Looks once.
        instance_id: The instance.
        until: What is waited for.
        what: The same in words.
        timeout: Seconds.
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
        except InstanceNotFoundError:
            if info is None:
                raise
            info = _forgotten(client, info, bool(known_before))
        if until(info):
            return info
        if has_ended(info):
            raise ended_error(instance_id, f"{what} was awaited")(info)
        remaining = None if deadline is None else deadline - time.monotonic()
        if remaining is not None and remaining <= 0:
            raise HubTimeoutError(
                f"instance {instance_id!r} was still {info.status} after {timeout} s,"
                f" when {what} was awaited"
            )
        if known_before is None:
            known_before = _knows_sequence(client, info)
        time.sleep(pause if remaining is None else min(pause, remaining))
        pause = min(2 * pause, _FRESH)
