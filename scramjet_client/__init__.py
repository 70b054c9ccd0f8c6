"""The Python client of the Scramjet Transform Hub.

Start with `HostClient`; see README.md for a first program.
"""

from scramjet_client._settings import Timeouts
from scramjet_client._version import __version__
from scramjet_client.errors import (
    AuthenticationError,
    BadParametersError,
    GoneError,
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    InsufficientResourcesError,
    InvalidResponseError,
    NotAuthorizedError,
    NotFoundError,
    ScramjetError,
    SequenceNotFoundError,
    ServerError,
    StopTimeoutError,
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
from scramjet_client.host_client import HostClient
from scramjet_client.http_client import ClientProvider, HttpClient
from scramjet_client.instance_client import InstanceClient
from scramjet_client.models import (
    DeleteSequenceResponse,
    GetEntitiesResponse,
    GetEventResponse,
    GetHealthResponse,
    GetInstanceResponse,
    GetSequenceResponse,
    GetStatusResponse,
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
from scramjet_client.sequence_client import SequenceClient
from scramjet_client.streams import EventStream, OutputStream
from scramjet_client.upload_writer import UploadWriter
from scramjet_client.uploads import Upload

__all__ = [
    # clients
    "ClientProvider",
    "HostClient",
    "HttpClient",
    "InstanceClient",
    "SequenceClient",
    "Timeouts",
    # streams
    "EventStream",
    "OutputStream",
    "Upload",
    "UploadWriter",
    # answers
    "DeleteSequenceResponse",
    "GetEntitiesResponse",
    "GetEventResponse",
    "GetHealthResponse",
    "GetInstanceResponse",
    "GetSequenceResponse",
    "GetStatusResponse",
    "GetVersionResponse",
    "LoadCheckResponse",
    "SendEventResponse",
    "SendKillInstanceResponse",
    "SendStopInstanceResponse",
    "SendStreamResponse",
    "Termination",
    # options
    "InstanceInputStream",
    "InstanceOutputStream",
    "KillMessageData",
    "RequestInit",
    "SendStreamOptions",
    # errors
    "AuthenticationError",
    "BadParametersError",
    "GoneError",
    "HubConnectionError",
    "HubResponseError",
    "HubTimeoutError",
    "InstanceEndedError",
    "InstanceNotFoundError",
    "InsufficientResourcesError",
    "InvalidResponseError",
    "NotAuthorizedError",
    "NotFoundError",
    "ScramjetError",
    "SequenceNotFoundError",
    "ServerError",
    "StopTimeoutError",
    "StreamClosedError",
    "StreamError",
    "StreamIdleError",
    "StreamInterruptedError",
    "TopicNotFoundError",
    "UnprocessableEntityError",
    "UnsupportedByHubError",
    "UploadCancelledError",
    "UploadError",
    "__version__",
]
