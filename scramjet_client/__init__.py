"""The Python client of the Scramjet Transform Hub.

Start with `HostClient`; see README.md for a first program.

Importing this package imports nothing else: each name brings its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# Modules of before 0.2, such as scramjet_client.fleet, are found there, and warn.
__path__.append(f"{__path__[0]}/_moved")

if TYPE_CHECKING:
    from scramjet_client.api.http_client import ClientProvider, HttpClient
    from scramjet_client.clients.doctor import DoctorReport
    from scramjet_client.clients.fleet import (
        BroadcastResponse,
        Fleet,
        FleetAnswer,
        FleetFollow,
        FleetInstance,
    )
    from scramjet_client.clients.host import HostClient
    from scramjet_client.clients.manager import ManagerClient
    from scramjet_client.clients.platform import MiddlewareClient, MultiManagerClient
    from scramjet_client.clients.sequence import SequenceClient
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
        NoThreadError,
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
    from scramjet_client.http.settings import Timeouts
    from scramjet_client.http.tuning import KeepAlive, Tuning
    from scramjet_client.instances.client import InstanceClient
    from scramjet_client.instances.first_input import ChangedInputWarning
    from scramjet_client.instances.follow import Follow
    from scramjet_client.instances.run import CompletedInstance
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
    from scramjet_client.models.words import InstanceInputStream, InstanceOutputStream
    from scramjet_client.packages.files import PackageEntry
    from scramjet_client.packages.package import (
        Package,
        PackagePreview,
        PackageWarning,
        PreviewRow,
        SecretWarning,
    )
    from scramjet_client.streams.multiplex import Multiplexer
    from scramjet_client.streams.output import EventStream, OutputStream
    from scramjet_client.streams.reconnect import (
        Gap,
        Reconnect,
        ReconnectingStream,
        StreamGapWarning,
    )
    from scramjet_client.uploads.file import UploadWriter
    from scramjet_client.uploads.upload import Upload

_NAMES = {
    "api.http_client": "ClientProvider HttpClient",
    "clients.doctor": "DoctorReport",
    "clients.fleet": "BroadcastResponse Fleet FleetAnswer FleetFollow FleetInstance",
    "clients.host": "HostClient",
    "clients.manager": "ManagerClient",
    "clients.platform": "MiddlewareClient MultiManagerClient",
    "clients.sequence": "SequenceClient",
    "http.tuning": "KeepAlive Tuning",
    "http.settings": "Timeouts",
    "instances.client": "InstanceClient",
    "instances.first_input": "ChangedInputWarning",
    "instances.follow": "Follow",
    "instances.run": "CompletedInstance",
    "models.calls": (
        "GetEventResponse GetHealthResponse KillMessageData SendEventResponse "
        "SendKillInstanceResponse SendStopInstanceResponse"
    ),
    "models.hub": "GetConfigResponse GetStatusResponse LoadCheckResponse",
    "models.instances": "Cause GetInstanceResponse Termination",
    "models.managers": (
        "AccessKey ConnectedHub CreateAccessKeyResponse DisconnectHubsResponse DisconnectedHub "
        "GetInfoResponse ManagerInfo ManagerTopic RevokeAccessKeysResponse StoreItem TopicActor"
    ),
    "models.sending": "RequestInit SendStreamOptions SendStreamResponse",
    "models.sequences": "DeleteSequenceResponse GetEntitiesResponse GetSequenceResponse",
    "models.topics": "CreateTopicResponse DeleteTopicResponse GetTopicResponse",
    "models.version": "GetVersionResponse",
    "models.words": "InstanceInputStream InstanceOutputStream",
    "packages.files": "PackageEntry",
    "packages.package": "Package PackagePreview PackageWarning PreviewRow SecretWarning",
    "streams.multiplex": "Multiplexer",
    "streams.output": "EventStream OutputStream",
    "streams.reconnect": "Gap Reconnect ReconnectingStream StreamGapWarning",
    "uploads.file": "UploadWriter",
    "uploads.upload": "Upload",
}
"""The names of each module but `errors`, which has all that end in Error."""

__all__ = [
    # clients
    "ClientProvider", "Fleet", "HostClient", "HttpClient", "InstanceClient", "ManagerClient",
    "MiddlewareClient", "MultiManagerClient", "Multiplexer", "SequenceClient", "Timeouts", "Tuning",
    "KeepAlive",
    # packages
    "Package", "PackageEntry", "PackagePreview", "PackageWarning", "PreviewRow", "SecretWarning",
    # streams
    "ChangedInputWarning", "EventStream", "Follow", "Gap", "OutputStream", "Reconnect",
    "ReconnectingStream", "StreamGapWarning", "Upload", "UploadWriter",
    # answers
    "CompletedInstance", "CreateTopicResponse", "DeleteSequenceResponse", "DeleteTopicResponse",
    "DoctorReport", "GetConfigResponse", "GetEntitiesResponse", "GetEventResponse",
    "GetHealthResponse", "GetInstanceResponse", "GetSequenceResponse", "GetStatusResponse",
    "GetTopicResponse", "GetVersionResponse", "LoadCheckResponse", "SendEventResponse",
    "SendKillInstanceResponse", "SendStopInstanceResponse", "SendStreamResponse", "Termination",
    # answers of managers and fleets
    "AccessKey", "BroadcastResponse", "Cause", "ConnectedHub", "CreateAccessKeyResponse",
    "DisconnectedHub", "DisconnectHubsResponse", "FleetAnswer", "FleetFollow", "FleetInstance",
    "GetInfoResponse", "ManagerInfo", "ManagerTopic", "RevokeAccessKeysResponse", "StoreItem",
    "TopicActor",
    # options
    "InstanceInputStream", "InstanceOutputStream", "KillMessageData", "RequestInit",
    "SendStreamOptions",
    # errors
    "AuthenticationError", "BadParametersError", "ConfigurationError", "FleetError", "GoneError",
    "HubConnectionError", "HubNotFoundError", "HubResponseError", "HubTimeoutError",
    "InstanceEndedError", "InstanceFailedError", "InstanceNotFoundError",
    "InsufficientResourcesError", "InvalidResponseError", "ManagerNotFoundError",
    "NoThreadError", "NotAuthorizedError", "NotFoundError", "RunTimeoutError", "ScramjetError",
    "SequenceNotFoundError", "ServerError", "StopTimeoutError", "StreamClosedError", "StreamError",
    "StreamIdleError", "StreamBusyError", "LineTooLongError", "StreamInterruptedError",
    "TopicNotFoundError", "UnprocessableEntityError", "UnsupportedByHubError",
    "UploadCancelledError", "UploadError", "__version__",
]  # fmt: skip

_HOMES = {
    **{name: "errors" for name in __all__ if name.endswith("Error")},
    **{name: module for module, names in _NAMES.items() for name in names.split()},
}


_ELSEWHERE = {
    **dict.fromkeys(("LocalHub", "OpenHubWarning", "RecordedRequest"), "hub"),
    **dict.fromkeys(("FaultProxy", "Cut", "Delay", "Drop", "Reset", "Stall"), "testing"),
    **dict.fromkeys(("Scramjet", "event_stream_response", "stream_response"), "integrations.flask"),
    **dict.fromkeys(("LiveView", "TransferBar", "show"), "integrations.notebook"),
}
"""The module of names that people look for here; it needs an extra, or is for tests."""

_MEANT = {
    "Client": "HostClient",
    "connect": "HostClient(url)",
    "client": "HostClient(url)",
    "deploy": "HostClient(url).deploy(function)",
    "from_env": "HostClient, which has from_env()",
    "Stream": "OutputStream",
    "Error": "ScramjetError",
    "Host": "HostClient",
    "Hub": "HostClient (a client), or scramjet_client.hub.LocalHub (a hub)",
    "Instance": "InstanceClient",
    "Manager": "ManagerClient",
    "ScramjetClient": "HostClient",
    "Sequence": "SequenceClient",
    "TimeoutError": "HubTimeoutError",
    "ConnectionError": "HubConnectionError",
    "TransformHub": "HostClient",
    "flask": "scramjet_client.integrations.flask",
    "local_hub": "scramjet_client.hub",
    "notebook": "scramjet_client.integrations.notebook",
}
"""The right name for each name that people guess."""


_SIMILAR = 0.8
"""How similar a name is that may be meant, from 0 to 1."""


def _refuse(name: str) -> None:
    """Raise for a name that is not here; of a likely guess, with the right name.

    That is an ImportError: of an AttributeError, `from scramjet_client import ...` keeps nothing.
    """
    if name in _ELSEWHERE:
        right = f"from {__name__}.{_ELSEWHERE[name]} import {name}"
        raise ImportError(f"{__name__} has no {name!r}; write: {right}", name=__name__)
    if name in _MEANT:
        raise ImportError(f"{__name__} has no {name!r}; it is called {_MEANT[name]}", name=__name__)
    # Not at the top: importing this package imports nothing else.
    from importlib.util import find_spec  # noqa: PLC0415

    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is None:
        nearest = import_module(f"{__name__}._common.names").nearest
        known = {each.lower(): each for each in [*_HOMES, *_ELSEWHERE]}
        near = known.get(nearest(name.lower().replace("_", ""), known, _SIMILAR), "")
        if near in _ELSEWHERE:
            near = f"{__name__}.{_ELSEWHERE[near]}.{near}"
        if near:
            raise ImportError(f"{__name__} has no {name!r}; did you mean {near}?", name=__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        _refuse(name)
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
