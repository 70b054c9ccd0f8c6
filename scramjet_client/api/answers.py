"""Converts the JSON of hubs to `models`: the shape of each answer decides, whatever hub sent it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from scramjet_client import models
from scramjet_client._base import Rows
from scramjet_client.errors import InvalidResponseError
from scramjet_client.http.answers import (
    JsonAnswer,
    as_number,
    as_object,
    as_text,
    is_count,
    is_number,
)
from scramjet_client.models.words import HealthStatus, InstanceStatus

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

_GOOD_ENDS = (-1, 0)
_UNKNOWN_END = 213
_RUNNERS_CODES = {138: 0, 137: -9, 21: 1, 22: 1, 23: 1}
"""Runner exit codes in `subprocess` form: stopped, killed, three ways to fail (docs/protocol.md, "Exit codes")."""

OWN_CODE = "Runner failed"
"""Reason that accompanies a code that the program chose itself."""


def object_in(answer: JsonAnswer | Any, what: str) -> dict[str, Any]:
    """Return the JSON object of an answer or list item; `what` names it in the error if it is not an object."""
    value = answer.value if isinstance(answer, JsonAnswer) else answer
    if not isinstance(value, dict):
        raise InvalidResponseError(
            f"the hub's answer for {what} is not an object but {type(value).__name__}",
            body=answer.text if isinstance(answer, JsonAnswer) else None,
        )
    return value


def list_in(answer: JsonAnswer | Any, what: str) -> list[Any]:
    """Return the JSON list of an answer or list item; `what` names it in the error if it is not a list."""
    value = answer.value if isinstance(answer, JsonAnswer) else answer
    if not isinstance(value, list):
        raise InvalidResponseError(
            f"the hub's answer for {what} is not a list but {type(value).__name__}",
            body=answer.text if isinstance(answer, JsonAnswer) else None,
        )
    return value


def _rest(value: dict[str, Any], *known: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in known}


def _some(value: dict[str, Any], key: str) -> list[Any]:
    """Return the list under a key; a missing key or another value gives an empty list."""
    found = value.get(key)
    return found if isinstance(found, list) else []


def status_from(answer: JsonAnswer) -> models.GetStatusResponse:
    """Return a hub's connection to its manager."""
    value = object_in(answer, "status")
    return models.GetStatusResponse(cpm=as_object(value.get("cpm")), raw=value)


def config_from(answer: JsonAnswer) -> models.GetConfigResponse:
    """Return a hub's configuration."""
    value = object_in(answer, "config")
    host = as_object(value.get("host"))
    return models.GetConfigResponse(
        id=as_text(host.get("id")),
        runtime_adapter=as_text(value.get("runtimeAdapter")),
        host=host,
        timings=as_object(value.get("timings")),
        instance_requirements=as_object(value.get("instanceRequirements")),
        extra=_rest(value, "host", "runtimeAdapter", "timings", "instanceRequirements"),
        raw=value,
    )


def version_from(answer: JsonAnswer) -> models.GetVersionResponse:
    """Return a hub's version."""
    value = object_in(answer, "version")
    version = as_text(value.get("version"))
    if version is None:
        raise InvalidResponseError("the answer for version names no version", body=answer.text)
    return models.GetVersionResponse(
        version=version,
        service=as_text(value.get("service")),
        api_version=as_text(value.get("apiVersion")),
        build=as_text(value.get("build")),
        raw=value,
    )


def load_from(answer: JsonAnswer) -> models.LoadCheckResponse:
    """Return a hub's load."""
    value = object_in(answer, "load-check")
    return models.LoadCheckResponse(
        avg_load=as_number(value.get("avgLoad")),
        current_load=as_number(value.get("currentLoad")),
        mem_free=as_number(value.get("memFree")),
        mem_used=as_number(value.get("memUsed")),
        fs_size=tuple(map(as_object, _some(value, "fsSize"))),
        raw=value,
    )


_KILLED = -9


def _termination(value: Any) -> models.Termination | None:
    if not isinstance(value, dict) or not is_count(value.get("exitcode")):
        return None
    reason = str(value.get("reason", ""))
    return models.Termination(
        exit_code=exit_code(value["exitcode"], reason), reason=reason, raw=value
    )


def exit_code(code: int, reason: str) -> int | None:
    """Convert a runner's exit code to the form of `subprocess`; None for an end that the hub does not know.

    Args:
        code: The runner's exit code (docs/protocol.md, "Exit codes").
        reason: The hub's text. "Runner failed" means that the code is the process's own.
    """
    if code == _UNKNOWN_END:
        return None
    if code in _GOOD_ENDS:
        return 0
    return code if reason == OWN_CODE else _RUNNERS_CODES.get(code, code)


def _status(
    value: dict[str, Any], terminated: models.Termination | None, asked_to_end: bool
) -> InstanceStatus:
    if terminated is not None:
        # A stop changes the status of an instance for good, even if it had ended before.
        code = terminated.exit_code
        if code is None:
            return "stopped" if asked_to_end else "unknown"
        return "crashed" if code > 0 else "stopped"
    default: InstanceStatus = "stopping" if asked_to_end else "running"
    # An unknown word does not mean an end; `raw` has it.
    return _STATUS.get(as_text(value.get("status")) or "", default)


def instance_from(
    answer: JsonAnswer | Any, *, asked_to_end: bool = False
) -> models.GetInstanceResponse:
    """Return a hub's information about an instance.

    Args:
        answer: The answer, or one item of a list.
        asked_to_end: Whether this client has stopped or killed it. 0.x does not tell, and the process adapter of 1.x
            gives every end of a Python program the same exit code.
    """
    value = object_in(answer, "an instance")
    sequence = value.get("sequence")
    terminated = _termination(value.get("terminated"))
    started = as_text(value.get("started"))
    return models.GetInstanceResponse(
        id=str(value.get("id", "")),
        sequence=str(sequence.get("id", "")) if isinstance(sequence, dict) else str(sequence or ""),
        status=_status(value, terminated, asked_to_end),
        ports={k: v for k, v in as_object(value.get("ports")).items() if is_count(v)},
        created=as_text(value.get("created")) or started or "",
        started=started,
        ended=as_text(value.get("ended")),
        terminated=terminated,
        extra=_rest(
            value, "id", "sequence", "status", "ports", "created", "started", "ended", "terminated"
        ),
        raw=value,
    )


def has_ended(info: models.GetInstanceResponse) -> bool:
    """Return whether a listed instance has ended; an adopted one ends without `terminated`."""
    return info.terminated is not None or info.status in ("stopped", "crashed", "unknown")


def shown_status(info: models.GetInstanceResponse) -> str:
    """Return the status for people, who want to tell a killed instance from one that has stopped."""
    how = info.terminated
    if info.status == "stopped" and how is not None and how.exit_code == _KILLED:
        return "killed"
    return info.status


def health_from(
    answer: JsonAnswer, started: str | None, info: models.GetInstanceResponse | None = None
) -> models.GetHealthResponse:
    """Return an instance's health.

    Args:
        answer: The program's last report, which hubs repeat after its end.
        started: The instance's start, if the caller knows it.
        info: The instance's info, if the caller knows it. Its end takes precedence over the program's last report.
    """
    value = object_in(answer, "health")
    healthy = value.get("healthy")
    uptime = value.get("uptime")
    if not is_number(uptime):
        uptime = seconds_since(started)
    status: HealthStatus = "unknown"
    if isinstance(healthy, bool):
        status = "healthy" if healthy else "unhealthy"
    message = as_text(value.get("message"))
    if info is not None and has_ended(info):
        status, message = "unknown", "the instance has ended"
        if info.status == "crashed":
            status, message = "unhealthy", "the instance has crashed"
            if info.terminated is not None:
                message += f": {info.terminated.reason}"
    return models.GetHealthResponse(
        status=status,
        message=message,
        uptime=uptime,
        extra=_rest(value, "healthy", "message", "uptime"),
        raw=value,
    )


def seconds_since(moment: str | None) -> float | None:
    """Return the seconds from an ISO 8601 time until now, or None if the text is not such a time."""
    if not moment:
        return None
    try:
        then = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max(0.0, time.time() - then.timestamp())


def sequence_from(answer: JsonAnswer | Any) -> models.GetSequenceResponse:
    """Return a hub's information about a sequence."""
    value = object_in(answer, "a sequence")
    config = as_object(value.get("config"))
    return models.GetSequenceResponse(
        id=str(value.get("id", "")),
        name=as_text(value.get("name")) or as_text(config.get("name")) or "",
        config=config,
        instances=tuple(map(str, _some(value, "instances"))),
        location=as_text(value.get("location")),
        raw=value,
    )


def sequences_from(answer: JsonAnswer | Any) -> list[models.GetSequenceResponse]:
    """Return a list of sequences."""
    return Rows(sequence_from(item) for item in list_in(answer, "sequences"))


def instances_from(answer: JsonAnswer | Any) -> list[models.GetInstanceResponse]:
    """Return a list of instances; 0.x lists only their ids and sequences."""
    return Rows(instance_from(item) for item in list_in(answer, "instances"))


def ids_from(answer: JsonAnswer) -> list[str]:
    """Return a list of ids."""
    return Rows(str(item) for item in list_in(answer, "instances of a sequence"))


def entities_from(answer: JsonAnswer) -> models.GetEntitiesResponse:
    """Return the sequences and instances of a hub."""
    value = object_in(answer, "entities")
    return models.GetEntitiesResponse(
        sequences=tuple(sequences_from(value.get("sequences") or [])),
        instances=tuple(instances_from(value.get("instances") or [])),
        raw=value,
    )


def id_from(answer: JsonAnswer | Any, what: str) -> str:
    """Return the id that an answer holds."""
    found = as_text(object_in(answer, what).get("id"))
    if not found:
        raise InvalidResponseError(
            f"the hub's answer for {what} holds no id",
            body=answer.text if isinstance(answer, JsonAnswer) else None,
        )
    return found


def hubs_from(answer: JsonAnswer) -> list[models.ConnectedHub]:
    """Return the hubs of a manager."""
    return Rows(_hub(object_in(each, "a hub")) for each in list_in(answer, "hubs"))


def _hub(value: dict[str, Any]) -> models.ConnectedHub:
    info = as_object(value.get("info"))
    return models.ConnectedHub(
        id=str(value.get("id", "")),
        healthy=bool(value.get("healthy", False)),
        self_hosted=bool(value.get("selfHosted", False)),
        is_connection_active=bool(value.get("isConnectionActive", False)),
        created=as_text(info.get("created")),
        last_connected=as_text(info.get("lastConnected")),
        last_disconnected=as_text(info.get("lastDisconnected")),
        description=as_text(value.get("description")),
        tags=tuple(map(str, _some(value, "tags"))),
        disconnect_reason=as_text(value.get("disconnectReason")),
        raw=value,
    )


def hub_topics_from(answer: JsonAnswer) -> list[models.GetTopicResponse]:
    """Return the topics of a hub."""
    if not isinstance(answer.value, list):
        raise InvalidResponseError("the hub's answer for topics is not a list", body=answer.text)
    return Rows(_hub_topic(each) for each in answer.value if isinstance(each, dict))


def _hub_topic(value: dict[str, Any]) -> models.GetTopicResponse:
    return models.GetTopicResponse(
        name=str(value.get("topicName") or value.get("topic") or ""),
        content_type=str(value.get("contentType", "")),
        local_provider=as_text(value.get("localProvider")) or None,
        extra=_rest(value, "topicName", "topic", "contentType", "localProvider"),
        raw=value,
    )


def created_topic_from(
    answer: JsonAnswer, name: str, content_type: str
) -> models.CreateTopicResponse:
    """Return a topic that a hub has made."""
    state = as_text(as_object(answer.value).get("state"))
    return models.CreateTopicResponse(
        name=name, content_type=content_type, state=state, raw=answer.value
    )


def deleted_topic_from(answer: JsonAnswer, name: str) -> models.DeleteTopicResponse:
    """Return the hub's words about a topic that it has deleted."""
    message = str(as_object(answer.value).get("message", ""))
    return models.DeleteTopicResponse(name=name, message=message, raw=answer.value)


def topics_from(answer: JsonAnswer) -> list[models.ManagerTopic]:
    """Return the topics of a manager."""
    return Rows(_topic(object_in(each, "a topic")) for each in list_in(answer, "topics"))


def _topic(value: dict[str, Any]) -> models.ManagerTopic:
    return models.ManagerTopic(
        name=str(value.get("name", "")),
        content_type=str(value.get("contentType", "")),
        actors=tuple(_actor(object_in(each, "an actor")) for each in _some(value, "actors")),
        raw=value,
    )


def _actor(value: dict[str, Any]) -> models.TopicActor:
    return models.TopicActor(
        host_id=as_text(value.get("hostId")),
        role=str(value.get("role", "")),
        type=str(value.get("type", "")),
        stream=bool(value.get("stream", False)),
        retired=bool(value.get("retired", False)),
        raw=value,
    )


def store_items_from(answer: JsonAnswer) -> list[models.StoreItem]:
    """Return the packages in a manager's store."""
    return Rows(store_item_from(each) for each in list_in(answer, "store items"))


def store_item_from(answer: JsonAnswer | Any) -> models.StoreItem:
    """Return one package of a manager's store."""
    value = object_in(answer, "a store item")
    return models.StoreItem(
        id=str(value.get("id", "")),
        name=as_text(value.get("name")) or "",
        version=as_text(value.get("version")),
        raw=value,
    )


def disconnected_from(answer: JsonAnswer) -> models.DisconnectHubsResponse:
    """Return the hubs that a manager has disconnected."""
    value = object_in(answer, "disconnect")
    hubs = [object_in(each, "a hub") for each in _some(value, "disconnected")]
    return models.DisconnectHubsResponse(
        manager_id=str(value.get("managerId", "")),
        disconnected=tuple(
            models.DisconnectedHub(
                hub_id=str(each.get("sthId", "")), reason=str(each.get("reason", ""))
            )
            for each in hubs
        ),
        raw=value,
    )


def managers_from(answer: JsonAnswer) -> list[models.ManagerInfo]:
    """Return managers, or spaces."""
    values = [object_in(each, "a manager") for each in list_in(answer, "managers")]
    return Rows(models.ManagerInfo(id=str(each.get("id", "")), raw=each) for each in values)


def info_from(answer: JsonAnswer) -> models.GetInfoResponse:
    """Return a multi-manager's information about itself."""
    value = object_in(answer, "info")
    port: Any = value.get("apiPort")
    count: Any = value.get("managersCount")
    return models.GetInfoResponse(
        id=str(value.get("id", "")),
        api_base=str(value.get("apiBase", "")),
        api_port=port if is_count(port) else None,
        managers_count=count if is_count(count) else 0,
        raw=value,
    )


def access_keys_from(answer: JsonAnswer) -> list[models.AccessKey]:
    """Return the access keys of a space."""
    values = list_in(object_in(answer, "access keys").get("accessKeys"), "access keys")
    return Rows(
        models.AccessKey(
            created=as_text(each.get("created")),
            description=str(each.get("description", "")),
            raw=each,
        )
        for each in (object_in(value, "an access key") for value in values)
    )


def revoked_from(answer: JsonAnswer) -> models.RevokeAccessKeysResponse:
    """Return the result of revoking access keys."""
    value = object_in(answer, "revoking") if answer.value is not None else {}
    count = value.get("keysRevoked")
    return models.RevokeAccessKeysResponse(
        message=as_text(value.get("message")) or answer.reason,
        keys_revoked=count if is_count(count) else None,
        raw=answer.value,
    )
