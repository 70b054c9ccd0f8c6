"""The Python client of the Scramjet Transform Hub.

Start with `HostClient`; see README.md for a first program.

Importing this package imports nothing else: each name brings its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scramjet_client._version import __version__

if TYPE_CHECKING:
    from scramjet_client._doctor import DoctorReport
    from scramjet_client._fleet_follow import FleetFollow
    from scramjet_client._follow import Follow
    from scramjet_client._package_files import PackageEntry
    from scramjet_client._reconnect import Gap, Reconnect, ReconnectingStream, StreamGapWarning
    from scramjet_client._run import CompletedInstance
    from scramjet_client._settings import Timeouts
    from scramjet_client._tuning import KeepAlive, Tuning
    from scramjet_client.errors import (
        AuthenticationError,
        BadParametersError,
        ConfigurationError,
        FleetError,
        GoneError,
        HubConnectionError,
        HubNotFoundError,
        HubResponseError,
        HubTimeoutError,
        InstanceEndedError,
        InstanceFailedError,
        InstanceNotFoundError,
        InsufficientResourcesError,
        InvalidResponseError,
        LineTooLongError,
        ManagerNotFoundError,
        NotAuthorizedError,
        NotFoundError,
        RunTimeoutError,
        ScramjetError,
        SequenceNotFoundError,
        ServerError,
        StopTimeoutError,
        StreamBusyError,
        StreamClosedError,
        StreamError,
        StreamIdleError,
        StreamInterruptedError,
        TopicNotFoundError,
        UnprocessableEntityError,
        UnsupportedByHubError,
        UploadCancelledError,
        UploadError,
    )
    from scramjet_client.fleet import Fleet
    from scramjet_client.fleet_answers import BroadcastResponse, FleetAnswer, FleetInstance
    from scramjet_client.host_client import HostClient
    from scramjet_client.http_client import ClientProvider, HttpClient
    from scramjet_client.instance_client import InstanceClient
    from scramjet_client.manager_client import ManagerClient
    from scramjet_client.manager_models import (
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
    from scramjet_client.middleware_client import MiddlewareClient
    from scramjet_client.models import (
        CreateTopicResponse,
        DeleteSequenceResponse,
        DeleteTopicResponse,
        GetConfigResponse,
        GetEntitiesResponse,
        GetEventResponse,
        GetHealthResponse,
        GetInstanceResponse,
        GetSequenceResponse,
        GetStatusResponse,
        GetTopicResponse,
        GetVersionResponse,
        InstanceInputStream,
        InstanceOutputStream,
        KillMessageData,
        LoadCheckResponse,
        RequestInit,
        SendEventResponse,
        SendKillInstanceResponse,
        SendStopInstanceResponse,
        SendStreamOptions,
        SendStreamResponse,
        Termination,
    )
    from scramjet_client.multi_manager_client import MultiManagerClient
    from scramjet_client.multiplex import Multiplexer
    from scramjet_client.packages import Package, PackageWarning
    from scramjet_client.sequence_client import SequenceClient
    from scramjet_client.streams import EventStream, OutputStream
    from scramjet_client.upload_writer import UploadWriter
    from scramjet_client.uploads import Upload

_NAMES = {
    "_doctor": ("DoctorReport",),
    "_fleet_follow": ("FleetFollow",),
    "_follow": ("Follow",),
    "_package_files": ("PackageEntry",),
    "_reconnect": (
        "Gap",
        "Reconnect",
        "ReconnectingStream",
        "StreamGapWarning",
    ),
    "_run": ("CompletedInstance",),
    "_settings": ("Timeouts",),
    "_tuning": ("KeepAlive", "Tuning"),
    "errors": (
        "AuthenticationError",
        "BadParametersError",
        "ConfigurationError",
        "FleetError",
        "GoneError",
        "HubConnectionError",
        "HubNotFoundError",
        "HubResponseError",
        "HubTimeoutError",
        "InstanceEndedError",
        "InstanceFailedError",
        "InstanceNotFoundError",
        "InsufficientResourcesError",
        "InvalidResponseError",
        "LineTooLongError",
        "ManagerNotFoundError",
        "NotAuthorizedError",
        "NotFoundError",
        "RunTimeoutError",
        "ScramjetError",
        "SequenceNotFoundError",
        "ServerError",
        "StopTimeoutError",
        "StreamBusyError",
        "StreamClosedError",
        "StreamError",
        "StreamIdleError",
        "StreamInterruptedError",
        "TopicNotFoundError",
        "UnprocessableEntityError",
        "UnsupportedByHubError",
        "UploadCancelledError",
        "UploadError",
    ),
    "fleet": ("Fleet",),
    "fleet_answers": (
        "BroadcastResponse",
        "FleetAnswer",
        "FleetInstance",
    ),
    "host_client": ("HostClient",),
    "http_client": (
        "ClientProvider",
        "HttpClient",
    ),
    "instance_client": ("InstanceClient",),
    "manager_client": ("ManagerClient",),
    "manager_models": (
        "AccessKey",
        "ConnectedHub",
        "CreateAccessKeyResponse",
        "DisconnectHubsResponse",
        "DisconnectedHub",
        "GetInfoResponse",
        "ManagerInfo",
        "ManagerTopic",
        "RevokeAccessKeysResponse",
        "StoreItem",
        "TopicActor",
    ),
    "middleware_client": ("MiddlewareClient",),
    "models": (
        "CreateTopicResponse",
        "DeleteSequenceResponse",
        "DeleteTopicResponse",
        "GetConfigResponse",
        "GetEntitiesResponse",
        "GetEventResponse",
        "GetHealthResponse",
        "GetInstanceResponse",
        "GetSequenceResponse",
        "GetStatusResponse",
        "GetTopicResponse",
        "GetVersionResponse",
        "InstanceInputStream",
        "InstanceOutputStream",
        "KillMessageData",
        "LoadCheckResponse",
        "RequestInit",
        "SendEventResponse",
        "SendKillInstanceResponse",
        "SendStopInstanceResponse",
        "SendStreamOptions",
        "SendStreamResponse",
        "Termination",
    ),
    "multi_manager_client": ("MultiManagerClient",),
    "multiplex": ("Multiplexer",),
    "packages": (
        "Package",
        "PackageWarning",
    ),
    "sequence_client": ("SequenceClient",),
    "streams": (
        "EventStream",
        "OutputStream",
    ),
    "upload_writer": ("UploadWriter",),
    "uploads": ("Upload",),
}
"""What comes from which module."""

_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    # clients
    "ClientProvider",
    "Fleet",
    "HostClient",
    "HttpClient",
    "InstanceClient",
    "ManagerClient",
    "MiddlewareClient",
    "MultiManagerClient",
    "Multiplexer",
    "SequenceClient",
    "Timeouts",
    "Tuning",
    "KeepAlive",
    # packages
    "Package",
    "PackageEntry",
    "PackageWarning",
    # streams
    "EventStream",
    "Follow",
    "Gap",
    "OutputStream",
    "Reconnect",
    "ReconnectingStream",
    "StreamGapWarning",
    "Upload",
    "UploadWriter",
    # answers
    "CompletedInstance",
    "CreateTopicResponse",
    "DeleteSequenceResponse",
    "DeleteTopicResponse",
    "DoctorReport",
    "GetConfigResponse",
    "GetEntitiesResponse",
    "GetEventResponse",
    "GetHealthResponse",
    "GetInstanceResponse",
    "GetSequenceResponse",
    "GetStatusResponse",
    "GetTopicResponse",
    "GetVersionResponse",
    "LoadCheckResponse",
    "SendEventResponse",
    "SendKillInstanceResponse",
    "SendStopInstanceResponse",
    "SendStreamResponse",
    "Termination",
    # answers of managers and fleets
    "AccessKey",
    "BroadcastResponse",
    "ConnectedHub",
    "CreateAccessKeyResponse",
    "DisconnectedHub",
    "DisconnectHubsResponse",
    "FleetAnswer",
    "FleetFollow",
    "FleetInstance",
    "GetInfoResponse",
    "ManagerInfo",
    "ManagerTopic",
    "RevokeAccessKeysResponse",
    "StoreItem",
    "TopicActor",
    # options
    "InstanceInputStream",
    "InstanceOutputStream",
    "KillMessageData",
    "RequestInit",
    "SendStreamOptions",
    # errors
    "AuthenticationError",
    "BadParametersError",
    "ConfigurationError",
    "FleetError",
    "GoneError",
    "HubConnectionError",
    "HubNotFoundError",
    "HubResponseError",
    "HubTimeoutError",
    "InstanceEndedError",
    "InstanceFailedError",
    "InstanceNotFoundError",
    "InsufficientResourcesError",
    "InvalidResponseError",
    "ManagerNotFoundError",
    "NotAuthorizedError",
    "NotFoundError",
    "RunTimeoutError",
    "ScramjetError",
    "SequenceNotFoundError",
    "ServerError",
    "StopTimeoutError",
    "StreamClosedError",
    "StreamError",
    "StreamIdleError",
    "StreamBusyError",
    "LineTooLongError",
    "StreamInterruptedError",
    "TopicNotFoundError",
    "UnprocessableEntityError",
    "UnsupportedByHubError",
    "UploadCancelledError",
    "UploadError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
