"""Stopping and killing instances, and the words and errors for an unexpected end."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from typing import Any, Protocol

from scramjet_client._common.clock import monotonic
from scramjet_client.api.answers import OWN_CODE, has_ended
from scramjet_client.api.generations import generation_of
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import (
    BadParametersError,
    HubConnectionError,
    HubTimeoutError,
    InstanceEndedError,
    ScramjetError,
    StopTimeoutError,
)
from scramjet_client.http.answers import JsonAnswer, as_object
from scramjet_client.http.exchange import WaitEnded
from scramjet_client.http.settings import route
from scramjet_client.instances.watcher import EndWatcher, about, fetch_info
from scramjet_client.models import (
    GetInstanceResponse,
    SendKillInstanceResponse,
    SendStopInstanceResponse,
    SendStreamResponse,
)
from scramjet_client.uploads.sources import SourceLike
from scramjet_client.uploads.upload import Upload

_STOP_POLL = 0.25
"""Seconds between two looks at an instance while a stop is unanswered."""

_KILL_LIMIT = 10.0
"""Seconds in which an instance that is still starting must become killable."""


class Instance(Protocol):
    """The part of `InstanceClient` that running and attaching need."""

    @property
    def id(self) -> str:
        """The id on the hub."""

    @property
    def client(self) -> HttpClient:
        """The HTTP client that it sends with."""

    @property
    def asked_to_end(self) -> bool:
        """Whether this client has stopped or killed it."""

    def get_info(self) -> GetInstanceResponse:
        """Return the hub's info on it."""

    def kill(self, *, remove_immediately: bool = False) -> SendKillInstanceResponse:
        """Kill it."""

    def stop(self) -> SendStopInstanceResponse:
        """Ask it to stop."""

    def submit_stdin(
        self, stream: SourceLike, *, end: bool | None = None
    ) -> Upload[SendStreamResponse]:
        """Start sending to its standard input."""


def ended_error(
    instance_id: str, what: str
) -> Callable[[GetInstanceResponse | None], InstanceEndedError]:
    """Return a function that makes the error for something that can no longer come."""

    def make(info: GetInstanceResponse | None) -> InstanceEndedError:
        error = InstanceEndedError(f"instance {instance_id!r} ended while {what}{how(info)}")
        error.info = info
        error.cause = None if info is None else info.cause
        return error

    return make


LOOK_FURTHER = "its stderr and its log may say why, and the hub's own log"
"""Advice for a failure whose error is unknown."""


def how(info: GetInstanceResponse | None) -> str:
    """Return how an instance ended, as the end of a sentence; "" if the info does not say."""
    if info is None or info.terminated is None:
        return "" if info is None or info.cause is None else f": {told(info)}"
    code, reason = info.terminated.exit_code, info.terminated.reason
    if not code:
        good = code == 0 and reason and reason != OWN_CODE
        return f" ({reason})" if good else ""
    return f": {told(info)}"


def told(info: GetInstanceResponse) -> str:
    """Return why an instance failed, in the program's own words if they are known."""
    if info.cause is not None:
        cure = f". {info.cause.cure[0].upper()}{info.cause.cure[1:]}" if info.cause.cure else ""
        return f"{info.cause.summary}{cure}"
    if info.terminated is None:
        return LOOK_FURTHER
    code, reason = info.terminated.exit_code, info.terminated.reason
    if code is None:
        return LOOK_FURTHER
    if code < 0:
        killed = "it was killed" if reason == OWN_CODE or not reason else reason
        return f"it was ended by {_signal_name(-code)}" if info.status == "crashed" else killed
    if reason == OWN_CODE:
        return f"it ended with exit code {code}; {LOOK_FURTHER}"
    return f"{reason}, exit code {code}; {LOOK_FURTHER}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def stop(
    client: HttpClient,
    instance_id: str,
    timeout_ms: float,
    can_call_keepalive: bool,
    *,
    killed: bool,
) -> SendStopInstanceResponse:
    """Send a stop and wait for its effect; see `InstanceClient.stop`.

    An instance that this client has `killed` is only waited for.
    """
    generation = generation_of(client)
    killed = killed and generation.modern
    if generation.modern:
        # A stop would overwrite the status of an instance that has ended, permanently.
        info = fetch_info(client, instance_id)
        if has_ended(info):
            return SendStopInstanceResponse(
                message=f"the instance had already ended{how(info)}", acknowledged=True, raw=None
            )
        killed = killed or _is_being_killed(info)
    given = f"instance {instance_id!r} did not stop within {timeout_ms:g} ms"
    url = f"{client.api_base}/{route('instance', instance_id)}"
    watcher = EndWatcher(client, instance_id)
    answer = None
    began = monotonic()
    if not killed:
        body = generation.stop_body(timeout_ms, can_call_keepalive)
        answer = _ask_to_stop(client, watcher, instance_id, body, timeout_ms / 1000)
    # Somebody else may kill it before the hub does so.
    killed = killed or monotonic() - began < timeout_ms / 1000
    try:
        ended = watcher.ends_within(client.tuning.stop_settle)
    except HubTimeoutError as error:
        raise StopTimeoutError(
            f"{given}, or the hub does not say that it has: {error}", url=url
        ) from error
    if not ended:
        raise StopTimeoutError(f"{given} and still runs", url=url)
    end = None if watcher.info is None else watcher.info.terminated
    if end is not None and end.exit_code == -9 and not killed:
        raise StopTimeoutError(f"{given} and was killed", url=url)
    when = "before the time was over" if answer is None else "when the time was over"
    return SendStopInstanceResponse(
        message=f"the instance ended {when}{how(watcher.info)}",
        acknowledged=True,
        raw=None if answer is None else answer.value,
    )


def _is_being_killed(info: GetInstanceResponse) -> bool:
    """Return whether a hub has taken a kill. The contract's word for this is the same as for a stop."""
    return isinstance(info.raw, dict) and info.raw.get("status") == "killing"


def _ask_to_stop(
    client: HttpClient, watcher: EndWatcher, instance_id: str, body: Any, timeout: float
) -> JsonAnswer | None:
    """Return the hub's answer, or None if the instance was seen to end before the answer came."""
    path = route("instance", instance_id, "_stop")
    deadline = monotonic() + timeout + client.tuning.stop_margin
    exchange = watcher.at_first_sight(every=_STOP_POLL, deadline=deadline)
    try:
        return client.request("POST", path, body, exchange=exchange, **about(instance_id))
    except WaitEnded:
        return None
    except (HubConnectionError, HubTimeoutError):
        # Perhaps only the answer was lost: the instance's info says whether the stop arrived.
        with contextlib.suppress(ScramjetError):
            if watcher.has_ended():
                return None
        raise


def kill(
    client: HttpClient, instance_id: str, remove_immediately: bool
) -> SendKillInstanceResponse:
    """Send a kill, as soon as the hub takes one; see `InstanceClient.kill`."""
    generation = generation_of(client)
    path = route("instance", instance_id, "_kill")
    body = generation.kill_body(remove_immediately)
    deadline = monotonic() + _KILL_LIMIT
    while True:
        try:
            answer = client.request("POST", path, body, **about(instance_id))
        except BadParametersError as error:
            if not generation.modern:
                raise
            # 1.x accepts a kill only in the state "running".
            info = fetch_info(client, instance_id)
            if has_ended(info):
                message = f"the instance had already ended{how(info)}"
                return SendKillInstanceResponse(message=message, killed=False, raw=info.raw)
            if _is_being_killed(info):
                message = "the instance is already being killed"
                return SendKillInstanceResponse(message=message, killed=False, raw=info.raw)
            # It may have started to run since the refusal.
            killable = info.status in ("starting", "running")
            if not killable or monotonic() >= deadline:
                if info.status == "stopping":
                    error.message += "; it is being stopped, and this hub takes no kill until then: wait() for its end"
                raise
            time.sleep(0.05)
        else:
            said = as_object(answer.value)
            message = str(said.get("status") or said.get("opStatus") or answer.reason)
            return SendKillInstanceResponse(
                message=message, killed=answer.status == 202, raw=answer.value
            )
