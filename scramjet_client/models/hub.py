"""What a hub says about itself, beside its version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from scramjet_client._base import public
from scramjet_client.models._fields import Answer, extra_field


@public
@attrs.frozen(kw_only=True)
class GetStatusResponse(Answer):
    """The hub's connection to its manager: `{}` if it has none."""

    cpm: Mapping[str, Any]


@public
@attrs.frozen(kw_only=True)
class GetConfigResponse(Answer):
    """The hub's configuration. Its `repr` shows none of it: a hub may list its platform's API key.

    Attributes:
        id: Id of the hub, or None.
        runtime_adapter: "process", "docker" or "kubernetes".
        host: Its address, by the hub's own names.
        timings: Its times, by the hub's own names; milliseconds.
        instance_requirements: The resources that must be free for a start, by the hub's own names.
        extra: All other fields by the hub's own names.
    """

    id: str | None
    runtime_adapter: str | None
    host: Mapping[str, Any] = extra_field()
    timings: Mapping[str, Any] = extra_field()
    instance_requirements: Mapping[str, Any] = extra_field()
    extra: Mapping[str, Any] = extra_field()


@public
@attrs.frozen(kw_only=True)
class LoadCheckResponse(Answer):
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
