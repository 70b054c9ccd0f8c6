"""Every error that the SDK raises.

    ScramjetError                        .code .message .status .url .body
    ├── HubConnectionError               CANNOT_CONNECT            also ConnectionError
    ├── HubTimeoutError                  REQUEST_TIMEOUT           also TimeoutError
    │   ├── StopTimeoutError             STOP_TIMEOUT
    │   └── RunTimeoutError              RUN_TIMEOUT               .output .stdout .stderr .log .cause
    ├── HubResponseError                 REQUEST_ERROR             the hub answered 3xx, 4xx or 5xx
    │   ├── BadParametersError           BAD_PARAMETERS            400
    │   ├── AuthenticationError          NEED_AUTHENTICATION       401
    │   ├── NotAuthorizedError           NOT_AUTHORIZED            403
    │   ├── NotFoundError                NOT_FOUND                 404
    │   │   ├── InstanceNotFoundError    INSTANCE_NOT_FOUND
    │   │   ├── SequenceNotFoundError    SEQUENCE_NOT_FOUND
    │   │   ├── TopicNotFoundError       TOPIC_NOT_FOUND
    │   │   ├── HubNotFoundError         HUB_NOT_FOUND             a manager has no such hub
    │   │   └── ManagerNotFoundError     MANAGER_NOT_FOUND
    │   ├── GoneError                    GONE                      410
    │   ├── InsufficientResourcesError   INSUFFICIENT_RESOURCES    419
    │   ├── UnprocessableEntityError     UNPROCESSABLE_ENTITY      422
    │   └── ServerError                  SERVER_ERROR              5xx
    ├── InvalidResponseError             INVALID_RESPONSE          a 2xx without the promised content
    ├── StreamError                      STREAM_ERROR
    │   ├── StreamClosedError            STREAM_CLOSED             also ValueError
    │   ├── StreamInterruptedError       STREAM_INTERRUPTED        also ConnectionError
    │   ├── StreamIdleError              STREAM_IDLE               also TimeoutError
    │   ├── StreamBusyError              STREAM_BUSY               also RuntimeError
    │   └── LineTooLongError             LINE_TOO_LONG             also ValueError
    ├── UploadError                      UPLOAD_FAILED
    │   └── UploadCancelledError         UPLOAD_CANCELLED          also concurrent.futures.CancelledError
    ├── InstanceEndedError               INSTANCE_ENDED            .info .cause
    ├── InstanceFailedError              INSTANCE_FAILED           .completed .info .cause .output
    ├── FleetError                       FLEET_INCOMPLETE          .errors, by hub
    ├── NoThreadError                    NO_THREAD                 also RuntimeError
    ├── UnsupportedByHubError            UNSUPPORTED_BY_HUB
    └── ConfigurationError               CONFIGURATION_ERROR       also ValueError; .path .line

No class inherits from one of requests' or urllib3's: the original exception is the `__cause__`.
All of them pickle. Misuse (a wrong argument) raises a plain ValueError or TypeError.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import CancelledError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from scramjet_client._base import printable, public, shortened, traceback_lines

if TYPE_CHECKING:  # whoever has one of these has imported its class
    from scramjet_client.instances.run import CompletedInstance
    from scramjet_client.models import Cause, GetInstanceResponse

__all__ = [
    "AuthenticationError", "BadParametersError", "ConfigurationError", "FleetError", "GoneError",
    "HubConnectionError", "HubNotFoundError", "HubResponseError", "HubTimeoutError",
    "InstanceEndedError", "InstanceFailedError", "InstanceNotFoundError",
    "InsufficientResourcesError", "InvalidResponseError", "ManagerNotFoundError",
    "NoThreadError", "NotAuthorizedError", "NotFoundError", "RunTimeoutError", "ScramjetError",
    "SequenceNotFoundError", "ServerError", "StopTimeoutError", "StreamClosedError", "StreamError",
    "StreamIdleError", "StreamBusyError", "LineTooLongError", "StreamInterruptedError",
    "TopicNotFoundError", "UnprocessableEntityError", "UnsupportedByHubError",
    "UploadCancelledError", "UploadError",
]  # fmt: skip


@public
class ScramjetError(Exception):
    """Base of every error of this package.

    Attributes:
        code: Machine-readable name of the kind of error, one word per class.
        message: One sentence: what failed, on what, and the other side's answer, unchanged. The text of the
            error (`str`) is the same for people: control characters are escaped, so that you can print it, and a
            word of more than 400 characters, such as a long URL, lacks its middle.
        status: HTTP status that the hub meant, or None if there was no answer.
        url: URL of the request without credentials, or None.
        body: Text of the hub's answer, or None.
    """

    code: ClassVar[str] = "GENERAL_ERROR"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__ == __name__:
            public(cls)

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        url: str | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.url = url
        self.body = body

    @property
    def message(self) -> str:
        """The sentence; whoever sets it changes the text of the error, too."""
        return self.args[0] if self.args else ""

    @message.setter
    def message(self, message: str) -> None:
        self.args = (message, *self.args[1:])

    def _render_traceback_(self) -> list[str]:
        """Return the traceback for IPython: a few frames, without the chain of the underlying libraries."""
        return traceback_lines(self)

    def __str__(self) -> str:
        """Return the message in printable form: a hub's text in it can't move the cursor."""
        return printable(shortened(super().__str__()), keep="\n\t")


class HubConnectionError(ScramjetError, ConnectionError):
    """The hub could not be reached, or the connection broke before its answer was complete."""

    code = "CANNOT_CONNECT"


class HubTimeoutError(ScramjetError, TimeoutError):
    """The hub did not answer in the allowed time."""

    code = "REQUEST_TIMEOUT"


class StopTimeoutError(HubTimeoutError):
    """The instance did not end by itself in the time that you gave `stop`."""

    code = "STOP_TIMEOUT"


class RunTimeoutError(HubTimeoutError):
    """The instance had not ended when the time of a `run` was over.

    Attributes:
        output: Its output until then, as bytes.
        stdout: Its stdout until then.
        stderr: Its stderr until then.
        log: Its log until then.
        info: Its last known `GetInstanceResponse`, or None.
        cause: An error that its stderr or its log tells, and that may explain why it did not end; or None.
    """

    code = "RUN_TIMEOUT"
    output: bytes = b""
    stdout: bytes = b""
    stderr: bytes = b""
    log: bytes = b""
    info: GetInstanceResponse | None = None
    cause: Cause | None = None


class HubResponseError(ScramjetError):
    """The hub refused: it answered with an HTTP status of 300 or more.

    Attributes:
        retry_after: Seconds after which the hub asks you to try again (`Retry-After`), or None.
    """

    code = "REQUEST_ERROR"
    retry_after: float | None = None


class BadParametersError(HubResponseError):
    """400: the hub could not use the parameters, or not in the present state."""

    code = "BAD_PARAMETERS"


class AuthenticationError(HubResponseError):
    """401: a token is missing or wrong."""

    code = "NEED_AUTHENTICATION"


class NotAuthorizedError(HubResponseError):
    """403: the token does not allow this."""

    code = "NOT_AUTHORIZED"


class NotFoundError(HubResponseError):
    """404: the hub does not have it."""

    code = "NOT_FOUND"


class InstanceNotFoundError(NotFoundError):
    """The hub has no such instance (any more)."""

    code = "INSTANCE_NOT_FOUND"


class SequenceNotFoundError(NotFoundError):
    """The hub has no such sequence."""

    code = "SEQUENCE_NOT_FOUND"


class TopicNotFoundError(NotFoundError):
    """The hub has no such topic."""

    code = "TOPIC_NOT_FOUND"


class HubNotFoundError(NotFoundError):
    """The manager has no such hub."""

    code = "HUB_NOT_FOUND"


class ManagerNotFoundError(NotFoundError):
    """The manager, or space, does not exist."""

    code = "MANAGER_NOT_FOUND"


class GoneError(HubResponseError):
    """410: it existed once."""

    code = "GONE"


class InsufficientResourcesError(HubResponseError):
    """419 (or 507 from old hubs): the hub does not have enough CPU, memory or disk."""

    code = "INSUFFICIENT_RESOURCES"


class UnprocessableEntityError(HubResponseError):
    """422: the hub could not unpack or read a sequence package."""

    code = "UNPROCESSABLE_ENTITY"


class ServerError(HubResponseError):
    """5xx: the hub failed."""

    code = "SERVER_ERROR"


class InvalidResponseError(ScramjetError):
    """The hub reported success, but its answer does not have the promised form."""

    code = "INVALID_RESPONSE"


class StreamError(ScramjetError):
    """A stream ended without the hub's end of stream.

    Attributes:
        partial: The data that came last: the beginning of a line, or of the bytes that `read` waited for. After
            `read1`, which has given its data, and so for `io.TextIOWrapper`, it is the beginning of the line.
    """

    code = "STREAM_ERROR"
    partial: bytes = b""


class StreamClosedError(StreamError, ValueError):
    """The stream was closed on this side, by `close()` or by leaving its loop."""

    code = "STREAM_CLOSED"


class StreamInterruptedError(StreamError, ConnectionError):
    """The connection broke before the end of the stream, so the rest is unknown."""

    code = "STREAM_INTERRUPTED"


class StreamIdleError(StreamError, TimeoutError):
    """No byte arrived within `idle_timeout`; the connection is closed, and `.partial` has the begun line."""

    code = "STREAM_IDLE"


class StreamBusyError(StreamError, RuntimeError):
    """A second thread tried to read a stream while another thread was waiting in a read of it."""

    code = "STREAM_BUSY"


class LineTooLongError(StreamError, ValueError):
    """A line was longer than the reader's limit; the stream is closed."""

    code = "LINE_TOO_LONG"


class UploadError(ScramjetError):
    """An upload did not reach its end; `__cause__` says why.

    Attributes:
        bytes_sent: Bytes of the source that had been sent.
    """

    code = "UPLOAD_FAILED"
    bytes_sent: int = 0


class UploadCancelledError(UploadError, CancelledError):
    """The upload was cancelled on this side."""

    code = "UPLOAD_CANCELLED"


class InstanceEndedError(ScramjetError):
    """The instance ended, so the awaited event or answer can no longer come.

    Attributes:
        info: The instance's last known `GetInstanceResponse`, or None if the hub has forgotten it.
        cause: The program's own error, a `Cause`, if a known error ended it; else None.
    """

    code = "INSTANCE_ENDED"
    info: GetInstanceResponse | None = None
    cause: Cause | None = None


class InstanceFailedError(ScramjetError):
    """The instance ended neither by itself nor by a stop.

    Attributes:
        completed: The `CompletedInstance` of a `run`, with all collected data; else None.
        info: Its last `GetInstanceResponse`.
        cause: The program's own error, a `Cause`, if it is known; else None.
        output: The bytes that a `read()` to the end of a `get_stream(..., check=True)` had read; else b"".
    """

    code = "INSTANCE_FAILED"
    completed: CompletedInstance | None = None
    info: GetInstanceResponse | None = None
    cause: Cause | None = None
    output: bytes = b""


class FleetError(ScramjetError):
    """A request to a fleet failed on some hubs, or on every hub that could have served it.

    Attributes:
        errors: The errors, by the id of the hub (or "hub instance", if an error concerns one instance).
    """

    code = "FLEET_INCOMPLETE"
    errors: Mapping[str, ScramjetError] = MappingProxyType({})


class NoThreadError(ScramjetError, RuntimeError):
    """The system gives this process no more threads; an upload raises `UploadError` instead."""

    code = "NO_THREAD"


class UnsupportedByHubError(ScramjetError):
    """This hub does not support the request; the message names its version."""

    code = "UNSUPPORTED_BY_HUB"


class ConfigurationError(ScramjetError, ValueError):
    """A setting of the environment or of a profile can't be used.

    Attributes:
        path: The file that holds it, or None for a variable.
        line: The number of the faulty line in that file, from 1, if there is one.
    """

    code = "CONFIGURATION_ERROR"
    path: str | None = None
    line: int | None = None
