"""Every error that the SDK raises, and the one place where foreign exceptions become ours.

    ScramjetError                        .code .message .status .url .body
    ├── HubConnectionError               CANNOT_CONNECT            also ConnectionError
    ├── HubTimeoutError                  REQUEST_TIMEOUT           also TimeoutError
    │   └── StopTimeoutError             STOP_TIMEOUT
    ├── HubResponseError                 REQUEST_ERROR             the hub answered 3xx, 4xx or 5xx
    │   ├── BadParametersError           BAD_PARAMETERS            400
    │   ├── AuthenticationError          NEED_AUTHENTICATION       401
    │   ├── NotAuthorizedError           NOT_AUTHORIZED            403
    │   ├── NotFoundError                NOT_FOUND                 404
    │   │   ├── InstanceNotFoundError    INSTANCE_NOT_FOUND
    │   │   ├── SequenceNotFoundError    SEQUENCE_NOT_FOUND
    │   │   └── TopicNotFoundError       TOPIC_NOT_FOUND
    │   ├── GoneError                    GONE                      410
    │   ├── InsufficientResourcesError   INSUFFICIENT_RESOURCES    419
    │   ├── UnprocessableEntityError     UNPROCESSABLE_ENTITY      422
    │   └── ServerError                  SERVER_ERROR              5xx
    ├── InvalidResponseError             INVALID_RESPONSE          a 2xx that is not what was promised
    ├── StreamError                      STREAM_ERROR
    │   ├── StreamClosedError            STREAM_CLOSED             also ValueError
    │   ├── StreamInterruptedError       STREAM_INTERRUPTED        also ConnectionError
    │   └── StreamIdleError              STREAM_IDLE               also TimeoutError
    ├── UploadError                      UPLOAD_FAILED
    │   └── UploadCancelledError         UPLOAD_CANCELLED          also concurrent.futures.CancelledError
    ├── InstanceEndedError               INSTANCE_ENDED            .info
    └── UnsupportedByHubError            UNSUPPORTED_BY_HUB

No class inherits from one of requests' or urllib3's: the original exception is the `__cause__`.
All of them pickle. Misuse (a wrong argument) is a plain ValueError or TypeError.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, ClassVar

import requests
import urllib3

__all__ = [
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
]


class ScramjetError(Exception):
    """Base of every error of this package.

    Attributes:
        code: Machine-readable name of the kind of error, one word per class.
        message: One sentence: what failed, on what, what the other side said.
        status: HTTP status that the hub meant, or None where there was no answer.
        url: URL of the request without credentials, or None.
        body: Text of the hub's answer, or None.
    """

    code: ClassVar[str] = "GENERAL_ERROR"

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        url: str | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.url = url
        self.body = body


class HubConnectionError(ScramjetError, ConnectionError):
    """The hub could not be reached, or the connection broke before its answer was complete."""

    code = "CANNOT_CONNECT"


class HubTimeoutError(ScramjetError, TimeoutError):
    """The hub did not answer in the time that the caller allowed."""

    code = "REQUEST_TIMEOUT"


class StopTimeoutError(HubTimeoutError):
    """The instance did not end by itself in the time that `stop` gave it."""

    code = "STOP_TIMEOUT"


class HubResponseError(ScramjetError):
    """The hub refused: it answered with an HTTP status of 300 or more."""

    code = "REQUEST_ERROR"


class BadParametersError(HubResponseError):
    """400: the hub could not use what it was given, or not in the present state."""

    code = "BAD_PARAMETERS"


class AuthenticationError(HubResponseError):
    """401: a token is missing or wrong."""

    code = "NEED_AUTHENTICATION"


class NotAuthorizedError(HubResponseError):
    """403: the token does not allow this."""

    code = "NOT_AUTHORIZED"


class NotFoundError(HubResponseError):
    """404: there is no such thing on the hub."""

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


class GoneError(HubResponseError):
    """410: it existed once."""

    code = "GONE"


class InsufficientResourcesError(HubResponseError):
    """419 (or 507 of old hubs): the hub has not enough CPU, memory or disk."""

    code = "INSUFFICIENT_RESOURCES"


class UnprocessableEntityError(HubResponseError):
    """422: a sequence package that the hub could not unpack or read."""

    code = "UNPROCESSABLE_ENTITY"


class ServerError(HubResponseError):
    """5xx: the hub failed."""

    code = "SERVER_ERROR"


class InvalidResponseError(ScramjetError):
    """The hub said yes, but what came is not what was promised."""

    code = "INVALID_RESPONSE"


class StreamError(ScramjetError):
    """A stream ended in another way than by the hub's end of stream."""

    code = "STREAM_ERROR"


class StreamClosedError(StreamError, ValueError):
    """The stream was closed on this side, by `close()` or by leaving its loop."""

    code = "STREAM_CLOSED"


class StreamInterruptedError(StreamError, ConnectionError):
    """The connection broke before the end of the stream: what follows is not known."""

    code = "STREAM_INTERRUPTED"


class StreamIdleError(StreamError, TimeoutError):
    """No byte came within `idle_timeout`; the stream is closed."""

    code = "STREAM_IDLE"


class UploadError(ScramjetError):
    """An upload did not reach its end; `__cause__` is why.

    Attributes:
        bytes_sent: Bytes of the source that had been put on the wire.
    """

    code = "UPLOAD_FAILED"
    bytes_sent: int = 0


class UploadCancelledError(UploadError, CancelledError):
    """The upload was cancelled on this side."""

    code = "UPLOAD_CANCELLED"


class InstanceEndedError(ScramjetError):
    """The instance ended, so what was waited for can't come any more.

    Attributes:
        info: The instance's last known `GetInstanceResponse`, or None where the hub has forgotten it.
    """

    code = "INSTANCE_ENDED"
    info: Any = None


class UnsupportedByHubError(ScramjetError):
    """This hub cannot do that; the message names its version."""

    code = "UNSUPPORTED_BY_HUB"


_BY_STATUS: dict[int, type[HubResponseError]] = {
    400: BadParametersError,
    401: AuthenticationError,
    403: NotAuthorizedError,
    404: NotFoundError,
    410: GoneError,
    419: InsufficientResourcesError,
    422: UnprocessableEntityError,
    507: InsufficientResourcesError,
}

# Errors of an instance's routes all come as 500; the text then starts with the status that was meant.
_MEANT_STATUS = re.compile(r"(\d{3}): (.*)", re.DOTALL)


def describe_body(text: str) -> str:
    """Return what an error body says, whatever of the hub's four shapes it has ("" for an empty one)."""
    try:
        said = json.loads(text)
    except ValueError:
        return text.strip()
    if isinstance(said, dict):
        said = said.get("error", said.get("opStatus", said))
    if isinstance(said, dict) and isinstance(said.get("message"), str):
        said = said["message"]
    return said if isinstance(said, str) else json.dumps(said)


def from_response(
    response: requests.Response,
    *,
    subject: str = "",
    not_found: type[NotFoundError] = NotFoundError,
) -> HubResponseError:
    """Return the error for an answer of 300 or more; reads what is left of its body.

    Args:
        response: The answer.
        subject: What the request was about, to begin the sentence with ("instance 'abc'").
        not_found: The class that a 404 means on this route.
    """
    method = (response.request.method if response.request is not None else None) or "GET"
    url = response.url or ""
    try:
        body = response.text
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        # The refusal is known; a connection cut inside its text must not hide it.
        body = ""
    status = response.status_code
    said = describe_body(body) or response.reason or ""
    meant = _MEANT_STATUS.fullmatch(said) if status == 500 else None
    if meant:
        status, said = int(meant.group(1)), meant.group(2)
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else HubResponseError)
    if kind is NotFoundError:
        kind = not_found
    if 300 <= status < 400:
        said = (
            f"a redirect to {response.headers.get('Location', 'nowhere')!r}, which is not followed"
        )
    what = f"{subject} not found" if status == 404 and subject else f"{subject} refused".lstrip()
    sentence = f"{what}: {method} {url} answered {response.status_code}"
    return kind(f"{sentence} ({said})" if said else sentence, status=status, url=url, body=body)


def _causes(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it wraps, as requests and urllib3 wrap: in args, reason or chain."""
    seen: set[int] = set()
    pending: list[object] = [exception]
    while pending:
        item = pending.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        pending += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]


# socket.timeout is an OSError of its own on Python 3.9.
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError, socket.timeout)


def is_timeout(exception: BaseException) -> bool:
    """Say whether a foreign exception is, at its root, a time limit that passed."""
    # urllib3 1.26 derives "connection refused" from its timeout class.
    return any(
        isinstance(cause, _TIMEOUTS)
        and not isinstance(cause, urllib3.exceptions.NewConnectionError)
        for cause in _causes(exception)
    )


def root_text(exception: BaseException) -> str:
    """Return the words of the innermost cause: "[Errno 111] Connection refused", not three reprs."""
    *_, root = _causes(exception)
    return str(root) or type(root).__name__


FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)
"""What may escape from requests, urllib3, http.client and the socket while a request runs."""


@contextmanager
def translated(method: str, url: str) -> Iterator[None]:
    """Turn whatever requests, urllib3 or the socket raise inside the block into errors of this package."""
    try:
        yield
    except ScramjetError:
        raise
    except requests.exceptions.InvalidSchema as error:
        raise ValueError(f"cannot use {url!r}: {error}") from error
    except FOREIGN as error:
        if is_timeout(error):
            raise HubTimeoutError(
                f"{method} {url} timed out: {root_text(error)}", url=url
            ) from error
        raise HubConnectionError(f"{method} {url} failed: {root_text(error)}", url=url) from error
