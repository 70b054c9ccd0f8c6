"""Stopping and killing instances, and what to say of an end that somebody did not wait for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from scramjet_client.api.answers import KILLED, has_ended
from scramjet_client.api.generations import dialect_of
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import (
    BadParametersError,
    HubConnectionError,
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    ScramjetError,
    StopTimeoutError,
)
from scramjet_client.http.answers import JsonAnswer
from scramjet_client.http.exchange import WaitEnded
from scramjet_client.http.settings import route
from scramjet_client.instances.watcher import EndWatcher, fetch_info
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

_KILL_LIMIT = 10.0
"""Seconds in which an instance that is still starting must become killable."""


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
        info = fetch_info(client, instance_id)
        if has_ended(info):
            return SendStopInstanceResponse(
                message=f"the instance had already ended{_how(info)}", acknowledged=True, raw=None
            )
    given = f"instance {instance_id!r} did not stop within {timeout_ms:g} ms"
    url = f"{client.api_base}/{route('instance', instance_id)}"
    watcher = EndWatcher(client, instance_id)
    body = dialect.stop_body(timeout_ms, can_call_keepalive)
    answer = _ask_to_stop(client, watcher, instance_id, body, timeout_ms / 1000)
    try:
        ended = watcher.ends_within(client.tuning.stop_settle)
    except HubTimeoutError as error:
        raise StopTimeoutError(
            f"{given}, or the hub does not say that it has: {error}", url=url
        ) from error
    if not ended:
        raise StopTimeoutError(f"{given} and still runs", url=url)
    end = None if watcher.info is None else watcher.info.terminated
    if end is not None and end.exit_code == KILLED:
        raise StopTimeoutError(f"{given} and was killed{_how(watcher.info)}", url=url)
    when = "before the time was over" if answer is None else "when the time was over"
    return SendStopInstanceResponse(
        message=f"the instance ended {when}{_how(watcher.info)}",
        acknowledged=True,
        raw=None if answer is None else answer.value,
    )


def _ask_to_stop(
    client: HttpClient,
    watcher: EndWatcher,
    instance_id: str,
    body: Any,
    timeout: float,
) -> JsonAnswer | None:
    """Return the hub's answer, or None where the end of the instance was seen before it came."""
    deadline = time.monotonic() + timeout + client.tuning.stop_margin
    try:
        return client.request(
            "POST",
            route("instance", instance_id, "_stop"),
            body,
            subject=f"instance {instance_id!r}",
            not_found=InstanceNotFoundError,
            exchange=watcher.at_first_sight(every=_STOP_POLL, deadline=deadline),
        )
    except WaitEnded:
        return None
    except (HubConnectionError, HubTimeoutError):
        # Only the answer may be lost: the instance says whether it was asked.
        with contextlib.suppress(ScramjetError):
            if watcher.has_ended():
                return None
        raise


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
            info = fetch_info(client, instance_id)
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
