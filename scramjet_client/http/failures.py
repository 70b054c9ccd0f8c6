"""What a refusal means: from an answer's status and body, whatever of the known shapes it has, to an error."""

from __future__ import annotations

import errno
import html
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http.client import HTTPException

import requests
import urllib3

from scramjet_client.errors import (
    AuthenticationError,
    BadParametersError,
    GoneError,
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    InsufficientResourcesError,
    InvalidResponseError,
    NotAuthorizedError,
    NotFoundError,
    ScramjetError,
    ServerError,
    UnprocessableEntityError,
)
from scramjet_client.http.answers import ERROR_LIMIT, SENTENCE_LIMIT, beginning, loads
from scramjet_client.http.interrupts import causes, let_interrupts_pass

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

_BY_PLATFORM_CODE: dict[int | None, type[HubResponseError]] = {
    1001: NotAuthorizedError,
    1002: InsufficientResourcesError,
    1003: UnprocessableEntityError,
}
"""What the platform says under `error.code`, for statuses that say less."""

# Errors of an instance's routes all come as 500; the text then starts with the status that was meant.
_MEANT_STATUS = re.compile(r"(\d{3}): (.*)", re.DOTALL)


def describe_body(text: str) -> str:
    """Return what an error body says, whatever of the hub's four shapes it has ("" for an empty one)."""
    try:
        said = loads(text)
    except ValueError:
        return page_title(text) or text.strip()
    if isinstance(said, dict):
        said = said.get("error", said.get("opStatus", said))
    if isinstance(said, dict) and isinstance(said.get("message"), str):
        said = said["message"]
    try:
        return said if isinstance(said, str) else json.dumps(said)
    except RecursionError:
        return text[:SENTENCE_LIMIT]


_PAGE = re.compile(r"\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_UNSEEN = re.compile(
    r"<(script|style|title)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL
)

_FIRST_WORDS = 80
"""Characters of a page without a title that are repeated."""


def page_title(text: str) -> str:
    """Return what a web page says in one line, "" for what is no page: proxies answer with pages of their own."""
    if not _PAGE.match(text):
        return ""
    title = _TITLE.search(text)
    words = _UNSEEN.sub(" ", title.group(2) if title else text)
    return " ".join(html.unescape(words).split())[:_FIRST_WORDS]


def _platform_code(text: str) -> int | None:
    """Return `error.code` of a body, or None: hubs have texts there, a platform numbers."""
    try:
        said = loads(text)
    except ValueError:
        return None
    said = said.get("error") if isinstance(said, dict) else None
    code = said.get("code") if isinstance(said, dict) else None
    return code if isinstance(code, int) else None


def from_response(
    response: requests.Response,
    *,
    subject: str = "",
    not_found: type[NotFoundError] = NotFoundError,
    hidden: Callable[[str], str] = str,
) -> HubResponseError:
    """Return the error for an answer of 300 or more; reads what is left of its body.

    Args:
        response: The answer.
        subject: What the request was about, to begin the sentence with ("instance 'abc'").
        not_found: The class that a 404 means on this route.
        hidden: Returns a text without secrets.
    """
    method = (response.request.method if response.request is not None else None) or "GET"
    url = response.url or ""
    try:
        body = beginning(response, ERROR_LIMIT).decode("utf-8", "replace")
        body = hidden(body)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as cut:
        let_interrupts_pass(cut)
        # The refusal is known; a connection cut inside its text must not hide it.
        body = ""
    status = response.status_code
    said = hidden(describe_body(body) or response.reason or "")
    meant = _MEANT_STATUS.fullmatch(said) if status == 500 else None
    if meant:
        status, said = int(meant.group(1)), meant.group(2)
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else HubResponseError)
    if kind in (HubResponseError, BadParametersError, ServerError):
        kind = _BY_PLATFORM_CODE.get(_platform_code(body), kind)
    if kind is NotFoundError:
        kind = not_found
    if 300 <= status < 400:
        address = hidden(response.headers.get("Location", "nowhere"))
        said = f"a redirect to {address!r}, which is not followed"
    if len(said) > SENTENCE_LIMIT:
        said = f"{said[:SENTENCE_LIMIT]}…"
    what = f"{subject} not found" if status == 404 and subject else f"{subject} refused".lstrip()
    sentence = f"{what}: {method} {url} answered {response.status_code}"
    error = kind(f"{sentence} ({said})" if said else sentence, status=status, url=url, body=body)
    error.retry_after = _seconds_until(response.headers.get("Retry-After", ""))
    return error


def _seconds_until(retry_after: str) -> float | None:
    """Return a `Retry-After`, which is seconds or a date, as seconds from now; None if it is neither."""
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        when = parsedate_to_datetime(retry_after).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0.0, when - time.time())


# socket.timeout is an OSError of its own on Python 3.9.
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError, socket.timeout)


def is_timeout(exception: BaseException) -> bool:
    """Say whether a foreign exception is, at its root, a time limit that passed."""
    found = list(causes(exception))
    # The kernel's own limit: keep-alive, or a retransmission, found that the other side has vanished.
    if any(isinstance(cause, OSError) and cause.errno == errno.ETIMEDOUT for cause in found):
        return False
    # urllib3 1.26 derives "connection refused" from its timeout class.
    return any(
        isinstance(cause, _TIMEOUTS)
        and not isinstance(cause, urllib3.exceptions.NewConnectionError)
        for cause in found
    )


def root_text(exception: BaseException) -> str:
    """Return the words of the innermost cause: "[Errno 111] Connection refused", not three reprs."""
    *_, root = causes(exception)
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
        _forget_requests(error)
        raise ValueError(f"cannot use {url!r}: {error}") from error
    except requests.exceptions.InvalidHeader as error:
        _forget_requests(error)
        if any(isinstance(cause, urllib3.exceptions.InvalidHeader) for cause in causes(error)):
            raise InvalidResponseError(
                f"{method} {url} was answered with a bad header: {root_text(error)[:200]}", url=url
            ) from error
        # Its text holds the header's value, which may be a secret.
        raise ValueError(
            f"a header of {method} {url} can't be sent: it has line ends in it"
        ) from None
    except FOREIGN as error:
        _forget_requests(error)
        let_interrupts_pass(error)
        if is_timeout(error):
            raise HubTimeoutError(
                f"{method} {url} timed out: {root_text(error)}", url=url
            ) from error
        raise HubConnectionError(f"{method} {url} failed: {root_text(error)}", url=url) from error


def _forget_requests(exception: BaseException) -> None:
    """Take the request out of errors of requests, which become causes of ours: the token is in its headers."""
    for cause in causes(exception):
        if isinstance(cause, requests.RequestException):
            cause.request = cause.response = None
