"""The answers and options of the contract, as attrs classes.

Every answer keeps the hub's unchanged JSON in `.raw`, and keys that this version does not know in
`.extra`. Docstrings name the fields that hubs do not send.

Each name brings the module of its group when it is first used: attrs writes and compiles the methods of each class, and
a script that needs one answer of a hub needs few of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import scramjet_client

if TYPE_CHECKING:
    from scramjet_client.models.calls import (
        GetEventResponse,
        GetHealthResponse,
        KillMessageData,
        SendEventResponse,
        SendKillInstanceResponse,
        SendStopInstanceResponse,
    )
    from scramjet_client.models.hub import GetConfigResponse, GetStatusResponse, LoadCheckResponse
    from scramjet_client.models.instances import Cause, GetInstanceResponse, Termination
    from scramjet_client.models.managers import (
        AccessKey,
        ConnectedHub,
        CreateAccessKeyResponse,
        DisconnectedHub,
        DisconnectHubsResponse,
        GetInfoResponse,
        ManagerInfo,
        ManagerTopic,
        RevokeAccessKeysResponse,
        StoreItem,
        TopicActor,
    )
    from scramjet_client.models.sending import RequestInit, SendStreamOptions, SendStreamResponse
    from scramjet_client.models.sequences import (
        DeleteSequenceResponse,
        GetEntitiesResponse,
        GetSequenceResponse,
    )
    from scramjet_client.models.topics import (
        CreateTopicResponse,
        DeleteTopicResponse,
        GetTopicResponse,
    )
    from scramjet_client.models.version import GetVersionResponse
    from scramjet_client.models.words import (
        BINARY,
        CONTENT_TYPES,
        INPUT_STREAMS,
        NDJSON,
        OUTPUT_STREAMS,
        STATUSES,
        TEXT,
        HealthStatus,
        InstanceInputStream,
        InstanceOutputStream,
        InstanceStatus,
        Milliseconds,
        ParseResponse,
    )

__all__ = [
    "AccessKey", "BINARY", "CONTENT_TYPES", "Cause", "ConnectedHub", "CreateAccessKeyResponse",
    "CreateTopicResponse", "DeleteSequenceResponse", "DeleteTopicResponse",
    "DisconnectHubsResponse", "DisconnectedHub", "GetConfigResponse", "GetEntitiesResponse",
    "GetEventResponse", "GetHealthResponse", "GetInfoResponse", "GetInstanceResponse",
    "GetSequenceResponse", "GetStatusResponse", "GetTopicResponse", "GetVersionResponse",
    "HealthStatus", "INPUT_STREAMS", "InstanceInputStream", "InstanceOutputStream",
    "InstanceStatus", "KillMessageData", "LoadCheckResponse", "ManagerInfo", "ManagerTopic",
    "Milliseconds", "NDJSON", "OUTPUT_STREAMS", "ParseResponse", "RequestInit",
    "RevokeAccessKeysResponse", "STATUSES", "SendEventResponse", "SendKillInstanceResponse",
    "SendStopInstanceResponse", "SendStreamOptions", "SendStreamResponse", "StoreItem", "TEXT",
    "Termination", "TopicActor",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The names that the package itself does not have are all words.
    home = import_module(f"scramjet_client.{scramjet_client._HOMES.get(name, 'models.words')}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
