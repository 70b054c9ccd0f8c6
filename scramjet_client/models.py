"""The answers and options of the contract, as attrs classes.

Every answer keeps the hub's unchanged JSON in `.raw`, and keys that this version does not know in
`.extra`. Docstrings name the fields that hubs do not send.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal, TypedDict, Union

import attrs

from scramjet_client._base import Shown, printable, public
from scramjet_client._names import Guided, guessed

InstanceInputStream = Literal["stdin", "input"]
"""The streams of an instance that you can write."""

InstanceOutputStream = Literal["stdout", "stderr", "output", "log"]
"""The streams of an instance that you can read."""

InstanceStatus = Literal["starting", "running", "stopping", "stopped", "crashed", "unknown"]
"""The contract's five words, and "unknown": ended, but nothing says whether well (docs/protocol.md)."""

STATUSES = ("starting", "running", "stopping", "stopped", "crashed")
HealthStatus = Literal["healthy", "unhealthy", "unknown"]
ParseResponse = Literal["json", "text", "stream"]

_LONGEST_SUMMARY = 300
"""The longest part of a program's error that a message repeats, in characters."""

INPUT_STREAMS = ("stdin", "input")
OUTPUT_STREAMS = ("stdout", "stderr", "output", "log")

CONTENT_TYPES = (
    "application/octet-stream",
    "text/plain",
    "application/x-ndjson",
    "text/x-ndjson",
)
"""The only types of `input` that a hub can use, exactly as written (docs/protocol.md, "Content types")."""

Milliseconds = Union[int, timedelta]


@public
class RequestInit(TypedDict, total=False):
    """Per-request settings: extra headers, query parameters, and the whole call's limit in seconds."""

    headers: Mapping[str, str]
    params: Mapping[str, str]
    timeout: float


def _raw() -> Any:
    return attrs.field(default=None, repr=False, eq=False)


def _extra() -> Any:
    return attrs.field(factory=dict, repr=False, eq=False)


@public
@attrs.frozen(kw_only=True)
class SendStopInstanceResponse(Shown):
    """The result of a `stop`.

    Attributes:
        message: What the hub did or what was seen, as a sentence.
        acknowledged: Whether the hub accepted the order, or the instance had ended already.
        raw: The hub's answer; None if the instance ended before the hub answered.
    """

    message: str
    acknowledged: bool
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class SendKillInstanceResponse(Shown):
    """The result of a `kill`.

    Attributes:
        message: The hub's words, or the statement that the instance had ended by itself.
        killed: Whether the hub accepted the order; the process is gone moments later.
        raw: The hub's answer.
    """

    message: str
    killed: bool
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class SendEventResponse(Shown):
    """An event was handed to the hub. No hub can tell whether the program listens for it."""

    event_name: str
    message: Any
    sent: bool
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class GetEventResponse(Shown):
    """An event that an instance emitted.

    Attributes:
        event_name: Its name.
        data: Its message, any JSON value.
        timestamp: When this client received it, UTC, ISO 8601; hubs do not say when it was emitted.
        raw: The hub's JSON.
    """

    event_name: str
    data: Any
    timestamp: str
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class GetHealthResponse(Shown):
    """The last monitoring message of an instance.

    Attributes:
        status: "healthy" or "unhealthy" if the program's health check said so, else "unknown". For an instance that has
            ended it is "unhealthy" after a crash and "unknown" otherwise.
        message: Text from the check, if any; or the statement that the instance has ended.
        uptime: Seconds since the instance started, if the hub says it or this client knows the start.
        extra: All other figures in the answer, such as `processId` or a container's memory.
        raw: The hub's JSON. After the end of an instance some hubs go on repeating the last one.
    """

    status: HealthStatus
    message: str | None = None
    uptime: float | None = None
    extra: Mapping[str, Any] = _extra()
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class Termination(Guided, Shown):
    """How an instance ended.

    Attributes:
        exit_code: As in `subprocess`: 0 for a good end, including a stop; the program's own code for a failure;
            -9 if it was killed. None if the hub does not say: 1.x gives 213 for an end that it knows nothing about.
        reason: The hub's words.
        raw: The hub's JSON: `{"exitcode", "reason"}`.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "exit_code": "code exitcode return_code returncode",
            "reason": "message",
        }
    )

    exit_code: int | None
    reason: str
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class Cause(Shown):
    """The error that ended a program, as the program itself wrote it to its stderr or its log.

    Attributes:
        type: Name of its type, such as "ValueError"; "" for a sentence of the hub's runner.
        message: Its text.
        traceback: The traceback, or the stack, without the lines of the runner; "" if there is none.
        file: File of the innermost line of yours, as the hub knows it; None if it is unknown.
        line: Its number.
        function: Its function.
        cure: What to do, for known failures.
    """

    type: str
    message: str
    traceback: str = attrs.field(default="", repr=False)
    file: str | None = None
    line: int | None = None
    function: str | None = None
    cure: str | None = attrs.field(default=None, repr=False)

    @property
    def summary(self) -> str:
        """The error on one line: `ValueError: no number in line 3 (in count, line 12)`."""
        named = f"{self.type}: {self.message}" if self.type and self.message else self.type
        text = " ".join((named or self.message).split())
        if len(text) > _LONGEST_SUMMARY:
            text = text[:_LONGEST_SUMMARY] + "…"
        if self.line is not None:
            where = self.function
            if not where or where.endswith(">"):
                where = re.split(r"[/\\]", self.file or "")[-1]
            text += f" (in {where}, line {self.line})" if where else f" (line {self.line})"
        return printable(text)

    def __str__(self) -> str:
        return self.summary


@public
@attrs.frozen(kw_only=True)
class GetInstanceResponse(Guided, Shown):
    """A hub's info on an instance.

    Attributes:
        id: The instance's id.
        sequence: Id of the sequence that it runs.
        status: The contract's word for its state, or "unknown": ended, but nothing says whether well. The hub's
            own word is in `raw["status"]` if it has one.
        ports: Open ports by name; no hub fills it.
        created: ISO 8601 time; if the hub leaves it out, that of `started`.
        started: ISO 8601 time, or None before the start.
        ended: ISO 8601 time, or None before the end and on 0.x hubs.
        terminated: How it ended; None while it runs and on 0.x hubs.
        cause: The program's own error after a crash, from `wait` and `run`, which look for it; else None.
        extra: All other fields by the hub's own names (`appConfig`, `args`, `provides`...).
        raw: The hub's JSON.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "terminated.exit_code": "code exit_code exitcode return_code returncode",
            "cause": "error",
            "id": "instance_id",
            "terminated.reason": "reason",
            "sequence": "sequence_id",
            "status": "state",
            "cause.traceback": "traceback",
        }
    )

    id: str
    sequence: str
    status: InstanceStatus
    ports: Mapping[str, int] = attrs.field(factory=dict)
    created: str = ""
    started: str | None = None
    ended: str | None = None
    terminated: Termination | None = None
    cause: Cause | None = attrs.field(default=None, repr=False)
    extra: Mapping[str, Any] = _extra()
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class SendStreamResponse(Shown):
    """A completed upload: the hub has taken all of it.

    Attributes:
        bytes_written: Bytes that were sent from the source.
        status: "success"; a failure raises instead.
        message: The hub's words, if any.
        raw: The text of the hub's answer, normally empty.
    """

    bytes_written: int
    status: Literal["success", "error"] = "success"
    message: str | None = None
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class KillMessageData(Shown):
    """Options of `kill`: forget the instance at once instead of after the hub's lifetime extension."""

    remove_immediately: bool = attrs.field(
        default=False, validator=attrs.validators.instance_of(bool)
    )


@public
@attrs.frozen(kw_only=True)
class SendStreamOptions(Shown):
    """Options of every send.

    Attributes:
        type: Content type of the input, one of four exact strings; an instance's first one
            is final. None means "application/octet-stream".
        end: Whether this body ends the program's input. None means no.
        parse_response: What to return instead of `SendStreamResponse`: the answer's body as parsed
            "json", as "text", or as a live "stream".
        json: Whether the source gives values to be sent as JSON lines, one document each.
        parse: Another name of `parse_response`, as in the contract.
    """

    type: str | None = None
    end: bool | None = None
    parse_response: ParseResponse | None = None
    json: bool = False
    parse: ParseResponse | None = None


@public
@attrs.frozen(kw_only=True)
class GetVersionResponse(Shown):
    """The hub's version; `service`, `api_version` and `build` are None on 0.x."""

    version: str
    service: str | None = None
    api_version: str | None = None
    build: str | None = None
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class GetStatusResponse(Shown):
    """The hub's connection to its manager: `{}` if it has none."""

    cpm: Mapping[str, Any]
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class GetConfigResponse(Shown):
    """The hub's configuration. Its `repr` shows none of it: a hub may list its platform's API key.

    Attributes:
        id: Id of the hub, or None.
        runtime_adapter: "process", "docker" or "kubernetes".
        host: Its address, by the hub's own names.
        timings: Its times, by the hub's own names; milliseconds.
        instance_requirements: The resources that must be free for a start, by the hub's own names.
        extra: All other fields by the hub's own names.
        raw: The hub's JSON.
    """

    id: str | None
    runtime_adapter: str | None
    host: Mapping[str, Any] = _extra()
    timings: Mapping[str, Any] = _extra()
    instance_requirements: Mapping[str, Any] = _extra()
    extra: Mapping[str, Any] = _extra()
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class LoadCheckResponse(Shown):
    """The load of the hub's machine.

    Attributes:
        avg_load: Load average, of 15 minutes on 1.x; on 0.x of one minute, for each processor.
        current_load: On 1.x the load average of one minute, of all processors together; on 0.x a percentage of them.
        mem_free: Bytes.
        mem_used: Bytes.
        fs_size: One mapping for each file system, by the hub's own names.
    """

    avg_load: float
    current_load: float
    mem_free: float
    mem_used: float
    fs_size: tuple[Mapping[str, Any], ...] = ()
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class GetSequenceResponse(Shown):
    """A sequence on the hub.

    Attributes:
        id: The sequence's id.
        name: The package's name, "" if it has none.
        config: The hub's information about the package.
        instances: Ids of its instances.
        location: Id of the hub that holds it, None on 0.x.
    """

    id: str
    name: str
    config: Mapping[str, Any]
    instances: tuple[str, ...] = ()
    location: str | None = None
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class DeleteSequenceResponse(Shown):
    """A deleted sequence."""

    id: str
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class GetEntitiesResponse(Shown):
    """All sequences and instances of a hub, in one answer."""

    sequences: tuple[GetSequenceResponse, ...]
    instances: tuple[GetInstanceResponse, ...]
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class GetTopicResponse(Shown):
    """A topic of the hub.

    Attributes:
        name: Its name.
        content_type: Type of its data; the hub refuses a reader or writer of another type.
        local_provider: Id of the instance of this hub whose output it takes, or None.
        extra: All other fields by the hub's own names.
        raw: The hub's JSON.
    """

    name: str
    content_type: str
    local_provider: str | None = None
    extra: Mapping[str, Any] = _extra()
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class CreateTopicResponse(Shown):
    """A newly created topic.

    Attributes:
        name: Its name.
        content_type: Type of its data.
        state: The hub's word for it, such as "flowing", or None.
        raw: The hub's JSON.
    """

    name: str
    content_type: str
    state: str | None = None
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class DeleteTopicResponse(Shown):
    """A deleted topic, in the hub's words."""

    name: str
    message: str
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class ConnectedHub(Shown):
    """A hub that a manager knows.

    Attributes:
        id: The hub's id.
        healthy: Whether the manager considers it healthy.
        self_hosted: Whether it runs outside of the platform.
        is_connection_active: Whether it is connected to the manager now.
        created: ISO 8601 time, or None.
        last_connected: ISO 8601 time, or None.
        last_disconnected: ISO 8601 time, or None.
        description: Its owner's description, or None.
        tags: Its owner's tags.
        disconnect_reason: Why it is not connected, or None.
        raw: The manager's JSON.
    """

    id: str
    healthy: bool
    self_hosted: bool
    is_connection_active: bool
    created: str | None = None
    last_connected: str | None = None
    last_disconnected: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    disconnect_reason: str | None = None
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class TopicActor(Shown):
    """A writer or reader of a topic; `role` and `type` are the manager's words."""

    host_id: str | None
    role: str
    type: str
    stream: bool
    retired: bool
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class ManagerTopic(Shown):
    """A topic that spans the hubs of a manager."""

    name: str
    content_type: str
    actors: tuple[TopicActor, ...] = ()
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class StoreItem(Shown):
    """A sequence package in a manager's store.

    Attributes:
        id: Its id.
        name: The package's name, "" if it has none.
        version: The package's version, or None.
        raw: The manager's JSON about the package.
    """

    id: str
    name: str
    version: str | None = None
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class DisconnectedHub(Shown):
    """A hub that its manager has disconnected, and the reason in the manager's words."""

    hub_id: str
    reason: str


@public
@attrs.frozen(kw_only=True)
class DisconnectHubsResponse(Shown):
    """The hubs that a manager has disconnected."""

    manager_id: str
    disconnected: tuple[DisconnectedHub, ...] = ()
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class ManagerInfo(Shown):
    """A manager, or space; only its id is known here."""

    id: str
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class GetInfoResponse(Shown):
    """A multi-manager's information about itself."""

    id: str
    api_base: str
    api_port: int | None
    managers_count: int
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class AccessKey(Shown):
    """An access key of a space: its time of creation, as the platform gives it, and its purpose."""

    created: Any
    description: str
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class CreateAccessKeyResponse(Shown):
    """A new access key; `raw`, which is not shown, is the platform's answer with the key in it."""

    description: str
    raw: Any = _raw()


@public
@attrs.frozen(kw_only=True)
class RevokeAccessKeysResponse(Shown):
    """Revoked access keys; `keys_revoked` is None if the platform gives no number."""

    message: str
    keys_revoked: int | None = None
    raw: Any = _raw()
