"""The only place that knows hub generations apart (docs/protocol.md, "Version and generation").

H1 is the hub since 0.28.2 (in practice 1.x), H0 everything before it. What can be told from an answer's own
shape is read from that shape; only what must be known before sending asks for the version, once per
`HttpClient` and not before it matters.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

from scramjet_client._calls import JsonAnswer
from scramjet_client._untrusted import as_number, as_object, as_text, is_count, is_number
from scramjet_client.errors import (
    HubNotFoundError,
    InvalidResponseError,
    ManagerNotFoundError,
    NotFoundError,
    UnsupportedByHubError,
)
from scramjet_client.http_client import HttpClient
from scramjet_client.models import (
    GetConfigResponse,
    GetEntitiesResponse,
    GetEventResponse,
    GetHealthResponse,
    GetInstanceResponse,
    GetSequenceResponse,
    GetStatusResponse,
    GetVersionResponse,
    InstanceStatus,
    LoadCheckResponse,
    Termination,
)
from scramjet_client.streams import now

_FIRST_H1 = (0, 28, 2)
_VERSION_LENGTH = 40
"""Characters of a hub's version that sentences repeat."""

_BODY_LIMIT = 240.0
"""Seconds after which a body to an H0 hub goes on in another request: it is cut at 300 (checked every 30)."""

_STATUS: dict[str, InstanceStatus] = {
    "initializing": "starting",
    "starting": "starting",
    "running": "running",
    "stopping": "stopping",
    "killing": "stopping",
    "completed": "stopped",
    "gone": "stopped",
    "errored": "crashed",
}

ENDED_BY_ITSELF = (-1, 0)
STOPPED = 138
KILLED = 137
UNKNOWN_END = 213
"""Runner exit codes (docs/protocol.md, "Exit codes")."""

_EVENT, _STOP, _KILL = 5001, 4001, 4002

_INSTANCE_FIELDS = frozenset(
    ("id", "sequence", "status", "ports", "created", "started", "ended", "terminated")
)


@attrs.frozen(kw_only=True)
class Dialect:
    """What one hub speaks.

    Attributes:
        version: The hub's version, as it says it.
        modern: Whether it is H1.
    """

    version: str
    modern: bool

    @property
    def body_limit(self) -> float | None:
        """Seconds that one request body may last, or None."""
        return None if self.modern else _BODY_LIMIT

    @property
    def has_inout(self) -> bool:
        """Whether instances have the route `inout`."""
        return self.modern

    def require(self, what: str) -> None:
        """Raise `UnsupportedByHubError` on H0, which lacks what is asked for."""
        if not self.modern:
            raise self.unsupported(what)

    def utf8_only(self, stream_id: str) -> str | None:
        """Return what to call a route on which the hub changes bytes that are not UTF-8, or None."""
        if self.modern and stream_id not in ("stdin", "inout"):
            return None
        return f"{stream_id} of a {self.version} hub"

    def stop_body(self, timeout: float, can_call_keepalive: bool) -> Any:
        """Return the body of `_stop`; H1 would take H0's list silently, as 7 s."""
        body = {"timeout": timeout, "canCallKeepalive": can_call_keepalive}
        return body if self.modern else [_STOP, body]

    def kill_body(self, remove_immediately: bool) -> Any:
        """Return the body of `_kill`."""
        return {"removeImmediately": remove_immediately} if self.modern else [_KILL, {}]

    def start_body(
        self,
        app_config: Mapping[str, Any] | None,
        args: list[Any] | tuple[Any, ...] | None,
        further: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the body of `start`; Python sequences of H0 die without `appConfig` and `args`."""
        body: dict[str, Any] = {"appConfig": dict(app_config or {}), "args": list(args or [])}
        for name, value in further.items():
            if value is None:
                continue
            self.require(f"{name} at the start of a sequence")
            body[name] = dict(value) if isinstance(value, Mapping) else value
        return body

    def event_body(self, event_name: str, message: Any) -> Any:
        """Return the body of `_event`; H0 carries strings alone."""
        if not isinstance(message, str) and not self.modern:
            raise self.unsupported(f"an event message of type {type(message).__name__}")
        return [_EVENT, {"eventName": event_name, "message": message}]

    def event(self, event_name: str, value: Any) -> GetEventResponse:
        """Return an event from what a hub sent: bare on H1, in an envelope on H0."""
        data, name = value, event_name
        if not self.modern and isinstance(value, dict):
            data, name = value.get("message"), value.get("eventName", event_name)
        return GetEventResponse(event_name=name, data=data, timestamp=now(), raw=value)

    def unsupported(self, what: str) -> UnsupportedByHubError:
        """Return the error for something that this hub cannot do."""
        return UnsupportedByHubError(
            f"{what} is not supported by this hub (version {self.version})"
        )


# Guards nothing but the effort: two threads that ask first at once would both fetch the version.
_asking = threading.Lock()


def dialect_of(client: HttpClient) -> Dialect:
    """Return what the client's hub speaks; asks it once."""
    known = client.memo.get("dialect")
    if known is None:
        with _asking:
            known = client.memo.get("dialect") or _ask(client)
            client.memo["dialect"] = known
    dialect: Dialect = known
    return dialect


def _ask(client: HttpClient) -> Dialect:
    try:
        version = version_from(client.request("GET", "version", subject="API version"))
    except (HubNotFoundError, ManagerNotFoundError):
        raise
    except NotFoundError as error:
        raise InvalidResponseError(
            f"there is no Transform Hub at {client.api_base}: {error}",
            status=error.status,
            url=error.url,
            body=error.body,
        ) from error
    return dialect_from(version)


def dialect_from(version: GetVersionResponse) -> Dialect:
    """Return what a hub of this version speaks."""
    modern = version.service is not None or version.api_version is not None
    numbers = tuple(int(part) for part in re.findall(r"[0-9]{1,9}", version.version)[:3])
    shown = version.version[:_VERSION_LENGTH]
    return Dialect(version=shown, modern=modern and (not numbers or numbers >= _FIRST_H1))


# -- answers ----------------------------------------------------------------------------------------


def _mapping(answer: JsonAnswer | Any, what: str) -> dict[str, Any]:
    value = answer.value if isinstance(answer, JsonAnswer) else answer
    if not isinstance(value, dict):
        raise InvalidResponseError(
            f"the hub's answer for {what} is not an object but {type(value).__name__}",
            body=answer.text if isinstance(answer, JsonAnswer) else None,
        )
    return value


def _list(answer: JsonAnswer | Any, what: str) -> list[Any]:
    value = answer.value if isinstance(answer, JsonAnswer) else answer
    if not isinstance(value, list):
        raise InvalidResponseError(
            f"the hub's answer for {what} is not a list but {type(value).__name__}",
            body=answer.text if isinstance(answer, JsonAnswer) else None,
        )
    return value


def _rest(value: dict[str, Any], *known: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in known}


def status_from(answer: JsonAnswer) -> GetStatusResponse:
    """Return a hub's connection to its manager."""
    value = _mapping(answer, "status")
    return GetStatusResponse(cpm=as_object(value.get("cpm")), raw=value)


def config_from(answer: JsonAnswer) -> GetConfigResponse:
    """Return a hub's configuration."""
    value = _mapping(answer, "config")
    host = as_object(value.get("host"))
    return GetConfigResponse(
        id=as_text(host.get("id")),
        runtime_adapter=as_text(value.get("runtimeAdapter")),
        host=host,
        timings=as_object(value.get("timings")),
        instance_requirements=as_object(value.get("instanceRequirements")),
        extra=_rest(value, "host", "runtimeAdapter", "timings", "instanceRequirements"),
        raw=value,
    )


def version_from(answer: JsonAnswer) -> GetVersionResponse:
    """Return a hub's version."""
    value = _mapping(answer, "version")
    version = as_text(value.get("version"))
    if version is None:
        raise InvalidResponseError("the answer for version names no version", body=answer.text)
    return GetVersionResponse(
        version=version,
        service=as_text(value.get("service")),
        api_version=as_text(value.get("apiVersion")),
        build=as_text(value.get("build")),
        raw=value,
    )


def load_from(answer: JsonAnswer) -> LoadCheckResponse:
    """Return a hub's load."""
    value = _mapping(answer, "load-check")
    disks = value.get("fsSize")
    return LoadCheckResponse(
        avg_load=as_number(value.get("avgLoad")),
        current_load=as_number(value.get("currentLoad")),
        mem_free=as_number(value.get("memFree")),
        mem_used=as_number(value.get("memUsed")),
        fs_size=tuple(map(as_object, disks)) if isinstance(disks, list) else (),
        raw=value,
    )


def _termination(value: Any) -> Termination | None:
    if not isinstance(value, dict) or not is_count(value.get("exitcode")):
        return None
    return Termination(exit_code=value["exitcode"], reason=str(value.get("reason", "")))


def _status(
    value: dict[str, Any], terminated: Termination | None, asked_to_end: bool
) -> InstanceStatus:
    if terminated is not None:
        # A stop changes the status of an instance that had ended before, for good.
        code = terminated.exit_code
        by_us = code == UNKNOWN_END and asked_to_end
        return "stopped" if code in (*ENDED_BY_ITSELF, STOPPED, KILLED) or by_us else "crashed"
    default: InstanceStatus = "stopping" if asked_to_end else "running"
    # A word that this version does not know is no end; `raw` has it.
    return _STATUS.get(as_text(value.get("status")) or "", default)


def instance_from(answer: JsonAnswer | Any, *, asked_to_end: bool = False) -> GetInstanceResponse:
    """Return what a hub knows of an instance.

    Args:
        answer: The answer, or one item of a list.
        asked_to_end: Whether this client has stopped or killed it: 0.x does not say, and the process adapter
            of 1.x gives every end of a Python program the same exit code.
    """
    value = _mapping(answer, "an instance")
    sequence = value.get("sequence")
    terminated = _termination(value.get("terminated"))
    started = as_text(value.get("started"))
    return GetInstanceResponse(
        id=str(value.get("id", "")),
        sequence=str(sequence.get("id", "")) if isinstance(sequence, dict) else str(sequence or ""),
        status=_status(value, terminated, asked_to_end),
        ports={k: v for k, v in as_object(value.get("ports")).items() if is_count(v)},
        created=as_text(value.get("created")) or started or "",
        started=started,
        ended=as_text(value.get("ended")),
        terminated=terminated,
        extra={key: item for key, item in value.items() if key not in _INSTANCE_FIELDS},
        raw=value,
    )


def has_ended(info: GetInstanceResponse) -> bool:
    """Say whether a listed instance has ended; an adopted one ends without `terminated`."""
    return info.terminated is not None or info.status in ("stopped", "crashed")


def health_from(answer: JsonAnswer, started: str | None) -> GetHealthResponse:
    """Return an instance's health; `started` is its start, where the caller knows it."""
    value = _mapping(answer, "health")
    healthy = value.get("healthy")
    uptime = value.get("uptime")
    if not is_number(uptime):
        uptime = seconds_since(started)
    return GetHealthResponse(
        status=("healthy" if healthy else "unhealthy") if isinstance(healthy, bool) else "unknown",
        message=as_text(value.get("message")),
        uptime=uptime,
        extra=_rest(value, "healthy", "message", "uptime"),
        raw=value,
    )


def seconds_since(moment: str | None) -> float | None:
    """Return the seconds from an ISO 8601 time until now, or None for what is not one."""
    if not moment:
        return None
    try:
        then = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max(0.0, time.time() - then.timestamp())


def sequence_from(answer: JsonAnswer | Any) -> GetSequenceResponse:
    """Return what a hub knows of a sequence."""
    value = _mapping(answer, "a sequence")
    config, instances = as_object(value.get("config")), value.get("instances")
    return GetSequenceResponse(
        id=str(value.get("id", "")),
        name=as_text(value.get("name")) or as_text(config.get("name")) or "",
        config=config,
        instances=tuple(map(str, instances)) if isinstance(instances, list) else (),
        location=as_text(value.get("location")),
        raw=value,
    )


def sequences_from(answer: JsonAnswer | Any) -> list[GetSequenceResponse]:
    """Return a list of sequences."""
    return [sequence_from(item) for item in _list(answer, "sequences")]


def instances_from(answer: JsonAnswer | Any) -> list[GetInstanceResponse]:
    """Return a list of instances; 0.x lists only their ids and sequences."""
    return [instance_from(item) for item in _list(answer, "instances")]


def ids_from(answer: JsonAnswer) -> list[str]:
    """Return a list of ids."""
    return [str(item) for item in _list(answer, "instances of a sequence")]


def entities_from(answer: JsonAnswer) -> GetEntitiesResponse:
    """Return the sequences and instances of a hub."""
    value = _mapping(answer, "entities")
    return GetEntitiesResponse(
        sequences=tuple(sequences_from(value.get("sequences") or [])),
        instances=tuple(instances_from(value.get("instances") or [])),
        raw=value,
    )


def id_from(answer: JsonAnswer | Any, what: str) -> str:
    """Return the id that an answer holds."""
    found = as_text(_mapping(answer, what).get("id"))
    if not found:
        raise InvalidResponseError(
            f"the hub's answer for {what} holds no id",
            body=answer.text if isinstance(answer, JsonAnswer) else None,
        )
    return found
