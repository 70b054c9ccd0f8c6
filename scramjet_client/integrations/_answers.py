"""What an error of the client means to the browser: an HTTP status, and a body that tells no secret."""

from __future__ import annotations

import re
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

_BASE = "\ue000"
"""Stands for the hub's address for a while; a character that nobody uses."""

_REDIRECT = re.compile(r"a redirect to .*, which is not followed", re.DOTALL)
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)]+", re.IGNORECASE)
_PATH = re.compile(
    rf"(?<![\w.{_BASE}/])(?:~|\.\.?)?(?:/[^\s/'\"<>:;,()]+){{2,}}/?(?::\d+)*"
    r"|\b[a-z]:\\[^\s'\"<>:;,()]+(?::\d+)*",
    re.IGNORECASE,
)
"""The path of a file: absolute, of two parts or more, with the line and column that a traceback adds."""

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
    """Return the code and message of an error, without addresses, the token and the paths of files.

    Errors never hold the token themselves, but what a hub or a proxy said may repeat it.
    """
    message = _REDIRECT.sub("a redirect, which is not followed", error.message)
    if client is not None:
        base = client.api_base
        # What follows the base is a route of the hub, which says what failed, and no path of a file.
        message = message.replace(base, _BASE).replace(urlsplit(base).netloc, "")
        message = client.token.hidden_in(message)
    message = _PATH.sub("(a path)", _ADDRESS.sub("(an address)", message))
    return {"code": error.code, "message": message.replace(_BASE, "")}
