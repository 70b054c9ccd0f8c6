"""What an error of the client means to the browser: an HTTP status, and a body that tells no secret."""

from __future__ import annotations

from urllib.parse import urlsplit

from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import (
    BadParametersError,
    ConfigurationError,
    GoneError,
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    InstanceEndedError,
    InsufficientResourcesError,
    InvalidResponseError,
    NotFoundError,
    ScramjetError,
    StreamError,
    StreamIdleError,
    UnprocessableEntityError,
    UnsupportedByHubError,
    UploadError,
)

_STATUSES: tuple[tuple[type[ScramjetError], int], ...] = (
    (BadParametersError, 400),
    (NotFoundError, 404),
    (GoneError, 410),
    (UnprocessableEntityError, 422),
    (InsufficientResourcesError, 503),
    (HubTimeoutError, 504),
    (StreamIdleError, 504),
    (InstanceEndedError, 410),
    (UnsupportedByHubError, 501),
    (ConfigurationError, 500),
    (HubConnectionError, 502),
    (InvalidResponseError, 502),
    (StreamError, 502),
    (UploadError, 502),
)

_PASSED_ON = {409, 413, 415, 429}
"""Refusals that have no class of their own, and mean to the browser what they mean to the client."""


def status_of(error: ScramjetError) -> int:
    """Return the status of the answer.

    A hub's 401 and 403 are about the application's token, and not about who uses the application, so they
    are a 502, as is all that a gateway can't help.
    """
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    if isinstance(error, HubResponseError):
        return error.status if error.status in _PASSED_ON and error.status is not None else 502
    return 500


def told(error: ScramjetError, client: HttpClient | None) -> dict[str, str]:
    """Return the code and message of an error, without the hub's address and the token.

    Errors never hold the token themselves, but what a hub or a proxy said may repeat it.
    """
    message = error.message
    if client is not None:
        base = client.api_base
        for secret in (base, urlsplit(base).netloc):
            message = message.replace(secret, "")
        message = client.token.hidden_in(message)
    return {"code": error.code, "message": message}
