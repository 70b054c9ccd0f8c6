"""What the calls of an instance take and give, beside its info: health, orders and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from scramjet_client._base import Shown, public
from scramjet_client.models._fields import Answer, extra_field
from scramjet_client.models.words import HealthStatus


@public
@attrs.frozen(kw_only=True)
class SendStopInstanceResponse(Answer):
    """The result of a `stop`.

    Attributes:
        message: What the hub did or what was seen, as a sentence.
        acknowledged: Whether the hub accepted the order, or the instance had ended already.
        raw: The hub's answer; None if the instance ended before the hub answered.
    """

    message: str
    acknowledged: bool


@public
@attrs.frozen(kw_only=True)
class SendKillInstanceResponse(Answer):
    """The result of a `kill`.

    Attributes:
        message: The hub's words, or the statement that the instance had ended by itself.
        killed: Whether the hub accepted the order; the process is gone moments later.
    """

    message: str
    killed: bool


@public
@attrs.frozen(kw_only=True)
class KillMessageData(Shown):
    """Options of `kill`: forget the instance at once instead of after the hub's lifetime extension."""

    remove_immediately: bool = attrs.field(
        default=False, validator=attrs.validators.instance_of(bool)
    )


@public
@attrs.frozen(kw_only=True)
class SendEventResponse(Answer):
    """An event was handed to the hub. No hub can tell whether the program listens for it."""

    event_name: str
    message: Any
    sent: bool


@public
@attrs.frozen(kw_only=True)
class GetEventResponse(Answer):
    """An event that an instance emitted.

    Attributes:
        event_name: Its name.
        data: Its message, any JSON value.
        timestamp: When this client received it, UTC, ISO 8601; hubs do not say when it was emitted.
    """

    event_name: str
    data: Any
    timestamp: str


@public
@attrs.frozen(kw_only=True)
class GetHealthResponse(Answer):
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
    extra: Mapping[str, Any] = extra_field()
