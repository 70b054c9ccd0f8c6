"""Turns refusals and foreign exceptions into errors: a refusal by its status and its body, in any known shape."""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.util.ssl_match_hostname import CertificateError

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
from scramjet_client.http.answers import ERROR_LIMIT, SENTENCE_LIMIT, beginning, loads, page_title
from scramjet_client.http.causes import causes, has_cause
from scramjet_client.http.durations import seconds
from scramjet_client.http.exchange import Exchange
from scramjet_client.http.interrupts import let_interrupts_pass
from scramjet_client.http.settings import API_PATH, is_loopback

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
"""Meanings of the platform's `error.code`, for statuses that say less."""

# All errors of an instance's routes have the status 500; the text then starts with the intended status.
_MEANT_STATUS = re.compile(r"([45][0-9]{2}): (.*)", re.DOTALL)


def describe_body(text: str) -> str:
    """Return the message of an error body in any of the hub's four shapes ("" for an empty body)."""
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


def _platform_code(text: str) -> int | None:
    """Return `error.code` of a body, or None: hubs put text there, a platform puts numbers."""
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
    base: str = "",
    token: bool = False,
) -> HubResponseError:
    """Return the error for an answer of 300 or more, about a subject ("instance 'abc'"); reads the rest of its body.

    On this route, a 404 means `not_found`. What `hidden` returns has no secrets. The hub's address, `base`, and whether
    the request had a token decide the advice.
    """
    method = (response.request.method if response.request is not None else None) or "GET"
    url = response.url or ""
    try:
        body = hidden(beginning(response, ERROR_LIMIT).decode("utf-8", "replace"))
    except FOREIGN as cut:
        let_interrupts_pass(cut)
        # The refusal is known already; a connection that breaks inside its text must not hide it.
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
    what, cure = _meaning(status, subject, base, token)
    if status == 404 and not cure and "html" in response.headers.get("Content-Type", ""):
        cure = "; a web server answers at this address, and perhaps no hub: check the port"
    sentence = f"{what}: {method} {url} answered {response.status_code}"
    sentence = f"{sentence} ({said})" if said else sentence
    error = kind(f"{sentence}{cure}", status=status, url=url, body=body)
    error.retry_after = _seconds_until(response.headers.get("Retry-After", ""))
    return error


def _meaning(status: int, subject: str, base: str, token: bool) -> tuple[str, str]:
    """Return the meaning of a refusal, and advice ("" if the hub's own text gives it)."""
    about = f" for {subject}" if subject else ""
    if status == 401 and token:
        cure = f"; it may have expired, or be another hub's{wrong_path(base)}"
        return f"the token was refused{about}", cure
    if status == 401:
        return f"a token is needed{about}", _missing_token(base)
    if status == 403 and token:
        return f"the token does not allow this{about}", ""
    if status == 404:
        return f"{subject} not found" if subject else "no such path", wrong_path(base)
    return f"{subject} refused".lstrip(), ""


WRONG_PATH_OF_OURS = (
    "it is a hub of yours, and its API is not at this path, but at {}: use this address, and HostClient.from_env()"
    " finds its token"
)
"""Advice for a client without a token, and with a wrong path."""


def _missing_token(base: str) -> str:
    """Return advice for a hub that wants a token."""
    from scramjet_client._common.kept_tokens import kept_at  # noqa: PLC0415 - for who was refused

    kept = kept_at(base)
    if kept is None:
        return (
            "; token= gives one, or SCRAMJET_TOKEN and from_env()"
            + (", or client() of a LocalHub" if is_loopback(base) else "")
            + wrong_path(base)
        )
    if kept == base:
        return "; it is a hub of yours, and HostClient.from_env() finds its token"
    if wrong_path(base):
        return f"; {WRONG_PATH_OF_OURS.format(kept)}"
    return f"; it is a hub of yours, whose token from_env() and `scramjet` send only to {kept}: use this address"


def wrong_path(base: str) -> str:
    """Return advice for an address that does not end like that of a hub's API; "" if it does, or is not known."""
    if not base or urlsplit(base).path.rstrip("/").endswith(API_PATH):
        return ""
    return f"; a hub's API is normally below {API_PATH}: doctor() finds out whether one answers on this host"


def _seconds_until(retry_after: str) -> float | None:
    """Return a `Retry-After` (seconds or a date) as seconds from now; None if it is neither."""
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        when = parsedate_to_datetime(retry_after).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0.0, when - time.time())


# On Python 3.9, socket.timeout is a separate OSError.
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError, socket.timeout)

_OPENSSL = re.compile(r"^\[[^\]]*\] |\s*\(_ssl\.c:\d+\)$")
"""The code location of an error in OpenSSL, or in Python's use of it: "[SSL: X] ... (_ssl.c:1006)"."""

_CONNECTING = urllib3.exceptions.ConnectTimeoutError
"""The connection was not made in time. urllib3 1.26 derives from it its error for any other failed connection."""

_E = TypeVar("_E", bound=BaseException)


def is_timeout(exception: BaseException) -> bool:
    """Return whether a passed time limit is the root of a foreign exception."""
    found = list(causes(exception))
    # This is the kernel's own limit: keep-alive or a retransmission found that the other side has vanished.
    if any(isinstance(cause, OSError) and cause.errno == errno.ETIMEDOUT for cause in found):
        return False
    # urllib3 1.26 derives "connection refused" from its timeout class.
    return any(
        isinstance(cause, _TIMEOUTS)
        and not isinstance(cause, urllib3.exceptions.NewConnectionError)
        for cause in found
    )


def root_text(exception: BaseException) -> str:
    """Return the text of the innermost cause: "connection refused", not three reprs."""
    *_, root = causes(exception)
    if isinstance(root, RemoteDisconnected):
        return "the other side closed the connection without an answer"
    if isinstance(root, IncompleteRead):
        # Its own text is a repr, and counts bytes held in a buffer, which help nobody.
        missing = f", with {root.expected} bytes still to come" if root.expected else ""
        return f"the connection closed before the end{missing}"
    if isinstance(root, ssl.SSLError):
        return _OPENSSL.sub("", str(root)) or type(root).__name__
    if isinstance(root, OSError) and root.strerror:
        return root.strerror[:1].lower() + root.strerror[1:]
    return str(root) or type(root).__name__


def quiet(exception: _E) -> _E:
    """Return a foreign exception for use as a `__cause__`: tracebacks show one line, without its frames and causes.

    Its own cause becomes its `__context__`, where you can still find it.
    """
    exception.__traceback__ = None
    exception.__context__ = exception.__cause__ or exception.__context__
    exception.__cause__ = None
    return exception


FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)
"""The exceptions of requests, urllib3, http.client and the socket that may escape while a request runs."""


@contextmanager
def translate_errors(
    method: str,
    url: str,
    *,
    base: str = "",
    connect: float | None = None,
    exchange: Exchange | None = None,
    gone_for: str | None = None,
) -> Iterator[None]:
    """Turn exceptions of requests, urllib3 or the socket inside the block into errors of this package.

    Args:
        method, url: The request, or its purpose.
        base: The hub's address, for facts about the hub as a whole.
        connect: Seconds that opening the connection may take.
        exchange: The exchange, which knows the limit that has passed.
        gone_for: The subject of the request, if the hub has answered before; None if it never has.
    """
    try:
        yield
    except ScramjetError:
        raise
    except requests.exceptions.InvalidSchema as error:
        _forget_requests(error)
        raise ValueError(f"cannot use {url!r}: {error}") from error
    except requests.exceptions.InvalidHeader as error:
        _forget_requests(error)
        if has_cause(error, urllib3.exceptions.InvalidHeader):
            raise InvalidResponseError(
                f"{method} {url} was answered with a bad head: {root_text(error)[:200]}", url=url
            ) from quiet(error)
        # The text of the error holds the header's value, which may be a secret.
        raise ValueError(
            f"a header of {method} {url} can't be sent: it has line ends in it"
        ) from None
    except FOREIGN as error:
        _forget_requests(error)
        let_interrupts_pass(error)
        overdue = "" if exchange is None else exchange.overdue
        if is_timeout(error):
            if exchange is not None and exchange.deadline is not None:
                # The rest of the deadline may have been shorter than the limit of a connection.
                overdue = overdue or (exchange.limit if exchange.is_late() else "")
            sentence = _late(error, f"{method} {url}", base or url, connect, overdue)
            raise HubTimeoutError(sentence, url=url) from quiet(error)
        sentence = _broken(error, f"{method} {url}", base or url, gone_for)
        raise HubConnectionError(sentence, url=url) from quiet(error)


def _late(
    error: BaseException, request: str, base: str, connect: float | None, overdue: str
) -> str:
    """Return the message for a time limit that has passed: which limit, and how long."""
    if has_cause(error, _CONNECTING):
        within = overdue or (f"{seconds(connect)} (Timeouts.connect)" if connect else "its limit")
        return f"no hub at {base}: no connection within {within}; check the host and the port"
    if overdue:
        return f"{request} was not answered within {overdue}"
    said = root_text(error)
    return f"{request} timed out" if "timed out" in said else f"{request} timed out: {said}"


def _broken(error: BaseException, request: str, base: str, gone_for: str | None) -> str:
    """Return the message and advice for a connection that broke, or was never made."""
    said = root_text(error)
    if has_cause(error, (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)):
        return f"the proxy does not lead to {base}: {said}; doctor() says which proxy is used"
    for cause in causes(error):
        if isinstance(cause, (ssl.SSLCertVerificationError, CertificateError)):
            return f"the certificate of {base} is not trusted: {said}; verify= names its CA"
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _NO_TLS:
            return f"{base} does not speak TLS; its address may begin with http://"
    if any(isinstance(cause, OSError) and cause.errno in _EXHAUSTED for cause in causes(error)):
        return f"{request} failed on this side: {said}; close files, streams or clients, or raise `ulimit -n`"
    if not has_cause(error, urllib3.exceptions.NewConnectionError):
        return f"{request} failed: {said}"
    if gone_for is not None:
        return f"the hub at {base} no longer answers: {said} ({gone_for or request})"
    if "refused" in said and is_loopback(base):
        from scramjet_client._common.kept_tokens import hubs_here  # noqa: PLC0415 - for who met no hub

        hubs = hubs_here()
        cure = (
            f"a hub of yours runs at {' and '.join(hubs)}"
            if hubs
            else "`scramjet hub start` starts one here"
        )
    else:
        cure = "check the host and the port"
    return f"no hub at {base}: {said}; {cure}"


_EXHAUSTED = (errno.EMFILE, errno.ENFILE, getattr(errno, "WSAEMFILE", errno.EMFILE))
"""The errors for a process, or a machine, that has too many open files; Windows has its own for sockets."""

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
"""OpenSSL's names, in its versions, for an answer that is not TLS."""


def _forget_requests(exception: BaseException) -> None:
    """Remove the request from errors of requests that become causes of ours: its headers hold the token."""
    for cause in causes(exception):
        if isinstance(cause, requests.RequestException):
            cause.request = cause.response = None
