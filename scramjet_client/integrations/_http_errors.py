"""Turning a client error into an answer for the browser: an HTTP status, and a body without secrets."""

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
"""A temporary placeholder for the hub's address: a character that no text uses."""

_AN_ADDRESS = "(an address)"

_ADVICE = re.compile(
    r"; (?:a hub of yours runs at .*|`scramjet hub start` starts one here)", re.DOTALL
)
"""Advice about the machine of the application, which is no concern of a browser."""

_REDIRECT = re.compile(r"a redirect to .*, which is not followed", re.DOTALL)
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)]+", re.IGNORECASE)
_PATH = re.compile(
    rf"(?<![\w.{_BASE}/])(?:~|\.\.?)?(?:/[^\s/'\"<>:;,()]+){{2,}}/?(?::\d+)*"
    r"|\b[a-z]:\\[^\s'\"<>:;,()]+(?::\d+)*",
    re.IGNORECASE,
)
"""A file's path: absolute, with two parts or more, and with the line and column that a traceback adds."""

_PASSED_ON = {409, 413, 415, 429}
"""Refusals without a class of their own. Their status means the same to the browser as to the client."""


def status_of(error: ScramjetError) -> int:
    """Return the status of the answer.

    A hub's 401 and 403 are about the application's token, not about the user of the application, so they
    become 502. So does every error that a gateway can't change.
    """
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    if isinstance(error, HubResponseError):
        return error.status if error.status in _PASSED_ON and error.status is not None else 502
    return 500


def told(error: ScramjetError, client: HttpClient | None) -> dict[str, str]:
    """Return the code and message of an error, without addresses, secrets and file paths.

    Errors never hold the token or a secret header themselves, but the text of a hub or a proxy in them may repeat it.
    """
    message = _REDIRECT.sub("a redirect, which is not followed", error.message)
    if client is not None:
        base = client.api_base
        # The text after the base is a route of the hub. It says what failed, and it is not a file path.
        message = message.replace(base, _BASE).replace(urlsplit(base).netloc, _AN_ADDRESS)
        message = client.hidden_in(message)
    message = _ADVICE.sub("", message)
    message = _PATH.sub("(a path)", _ADDRESS.sub(_AN_ADDRESS, message))
    # Before a route, the base leaves no hole.
    message = message.replace(f"{_BASE}/", "/").replace(_BASE, _AN_ADDRESS)
    return {"code": error.code, "message": message}
