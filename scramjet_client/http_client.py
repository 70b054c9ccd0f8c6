"""HttpClient: one requests session to one hub, and every rule that holds for all of its requests."""

from __future__ import annotations

import json as jsonlib
import logging
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Protocol, TypeVar, Union
from urllib.parse import quote, urlsplit

import attrs
import requests
import urllib3
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from requests.utils import get_environ_proxies

from scramjet_client._sources import JsonLines, Source, Utf8Only
from scramjet_client._transport import BodyWriter, DuplexAdapter, Exchange
from scramjet_client._version import __version__
from scramjet_client.errors import (
    HubConnectionError,
    HubResponseError,
    InvalidResponseError,
    NotFoundError,
    ScramjetError,
    from_response,
    translated,
)
from scramjet_client.streams import OutputStream
from scramjet_client.uploads import Upload

_R = TypeVar("_R")

logger = logging.getLogger("scramjet_client")
logger.addHandler(logging.NullHandler())

DEFAULT_API_BASE = "http://127.0.0.1:8000/api/v1"

USER_AGENT = (
    f"scramjet-client-python/{__version__} (python {platform.python_version()}; {sys.platform})"
    f" requests/{requests.__version__} urllib3/{urllib3.__version__}"  # type: ignore[attr-defined]
)

_BACK_OFF = 0.1
"""Seconds before the first retry; doubled for each further one, with jitter."""

_LOOPBACK = ("localhost", "::1")


@attrs.frozen(kw_only=True)
class Timeouts:
    """Time limits in seconds; None is no limit.

    Attributes:
        connect: To open a connection.
        read: For the whole answer of a JSON call, and for the head of a stream's answer.
        write: During which an upload may make no progress at all; a hub whose program does not read
            takes nothing, so there is no limit by default.
        idle: During which a stream may be silent, for streams that are not given an `idle_timeout`.
    """

    connect: float | None = 5.0
    read: float | None = 60.0
    write: float | None = None
    idle: float | None = None

    @classmethod
    def of(cls, value: float | Timeouts | None) -> Timeouts:
        """Return `Timeouts` for a number of seconds for `read`, or for None the defaults."""
        if value is None:
            return cls()
        return value if isinstance(value, Timeouts) else cls(read=positive("timeout", value))


TimeoutLike = Union[float, Timeouts, None]


class ClientProvider(Protocol):
    """Whatever has a `.client`: a `HostClient`, above all."""

    @property
    def client(self) -> HttpClient:
        """The HTTP client to send with."""


class RequestLogger(Protocol):
    """What `add_logger` takes: told of each request, its answer or its failure, and its end."""

    def request(self, method: str, url: str) -> object: ...
    def ok(self, method: str, url: str, status: int) -> object: ...
    def error(self, method: str, url: str, error: BaseException) -> object: ...
    def end(self, method: str, url: str, seconds: float) -> object: ...


def positive(name: str, value: object) -> float:
    """Return a time limit in seconds that makes sense, or raise TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not value > 0:
        raise ValueError(f"{name} must be more than 0 seconds, not {value!r}")
    return float(value)


def route(*segments: str) -> str:
    """Return a path below the API's base; every segment is encoded, so that none can leave its place.

    Raises:
        ValueError: A segment is empty, "." or "..", which HTTP clients and servers resolve.
    """
    for segment in segments:
        if segment in ("", ".", ".."):
            raise ValueError(f"{segment!r} can't be part of a path on a hub")
    return "/".join(quote(segment, safe="") for segment in segments)


class _Token(AuthBase):
    """Sets the token, and by its presence keeps requests from asking `.netrc` for another one."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@attrs.frozen(kw_only=True)
class JsonAnswer:
    """A parsed answer: its status, reason phrase, value (None for an empty body) and the text as it came."""

    status: int
    reason: str
    value: Any
    text: str


def _checked_base(api_base: str) -> str:
    if not isinstance(api_base, str):
        raise TypeError(f"api_base must be a str, not {type(api_base).__name__}")
    parts = urlsplit(api_base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"api_base must be an http:// or https:// URL with a host, not {api_base!r}")
    if parts.username or parts.password:
        raise ValueError("api_base must not hold a user or password; give token=")
    if parts.query or parts.fragment:
        raise ValueError(f"api_base must end with its path, not {api_base!r}")
    return api_base.rstrip("/")


class HttpClient:
    """One hub over HTTP: JSON calls, live streams and uploads. Safe to use from any number of threads.

    The environment does not surprise: `.netrc` never replaces a token, proxy variables do not apply to
    loopback hosts, redirects are not followed, no cookie is kept. A pooled connection that was idle for
    more than 4 s, or was made before a fork, is not used again.

    Args:
        api_base: URL of the hub's API, such as "http://127.0.0.1:8000/api/v1".
        token: Sent as `Authorization: Bearer`; never shown.
        headers: Sent with each request.
        timeout: `Timeouts`, or seconds for its `read`.
        verify: True, False or the path of a CA bundle; None means REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE
            where set, else the CAs of `certifi`.
        cert: Path of a client certificate, or (certificate, key).
        proxies: As in requests; None means the environment's, except for loopback hosts.
        retries: How often a JSON GET, or a request that never left, is tried again after a broken
            connection. Nothing else is ever sent twice.
    """

    def __init__(
        self,
        api_base: str = DEFAULT_API_BASE,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: TimeoutLike = None,
        verify: bool | str | None = None,
        cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> None:
        self.api_base = _checked_base(api_base)
        self.timeouts = Timeouts.of(timeout)
        self.memo: dict[str, Any] = {}
        """What upper layers have learned of this hub, such as its generation."""
        self._retries = retries
        self._verify = verify
        self._cert = cert
        self._proxies = None if proxies is None else dict(proxies)
        self._loggers: list[RequestLogger] = []
        session = requests.Session()
        session.auth = _Token(token)
        session.headers.clear()
        session.headers.update(
            {
                # Hubs split Accept naively, and refuse "application/json" on streams.
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "User-Agent": USER_AGENT,
                **(headers or {}),
            }
        )
        session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            session.mount(scheme, DuplexAdapter())
        self._session = session

    def __repr__(self) -> str:
        return f"<HttpClient {self.api_base}>"

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; streams that are open go on until they are closed."""
        self._session.close()

    def add_logger(self, logger: RequestLogger) -> None:
        """Have `logger` told of each request from now on."""
        self._loggers.append(logger)

    # -- JSON -------------------------------------------------------------------------------------

    def get(self, path: str, **options: Any) -> Any:
        """Return the JSON value of a GET; options as of `request`."""
        return self.request("GET", path, **options).value

    def post(self, path: str, value: Any = None, **options: Any) -> Any:
        """POST a value as JSON and return the answer's; options as of `request`."""
        return self.request("POST", path, value, **options).value

    def put(self, path: str, value: Any = None, **options: Any) -> Any:
        """PUT a value as JSON and return the answer's; options as of `request`."""
        return self.request("PUT", path, value, **options).value

    def delete(self, path: str, **options: Any) -> Any:
        """Return the JSON value of a DELETE; options as of `request`."""
        return self.request("DELETE", path, **options).value

    def request(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        timeout: float | None = None,
        subject: str = "",
        not_found: type[NotFoundError] = NotFoundError,
        exchange: Exchange | None = None,
    ) -> JsonAnswer:
        """Send one JSON request and return its parsed answer.

        Args:
            method: HTTP method.
            path: Path below `api_base`, as `route` makes it.
            value: What to send as JSON; None with GET sends nothing.
            headers: Further headers.
            params: Query parameters.
            timeout: Seconds for the whole answer; None means `timeouts.read`.
            subject: What the request is about, for errors: "instance 'abc'".
            not_found: The error that a 404 means here.
            exchange: The exchange to use, where the caller watches the wait; it then has its own limits.

        Raises:
            HubConnectionError: The hub could not be reached.
            HubTimeoutError: No whole answer in time.
            HubResponseError: The hub refused; the class follows the status.
            InvalidResponseError: The answer is not JSON.
        """
        sent = dict(headers or {})
        body: bytes | None = None
        if method != "GET":
            # Hubs require it, with exactly this spelling, on DELETE too, where there is no body.
            sent["Content-Type"] = "application/json"
            if method != "DELETE" or value is not None:
                body = jsonlib.dumps(value, allow_nan=False).encode()
        limit = self.timeouts.read if timeout is None else positive("timeout", timeout)

        def attempt() -> JsonAnswer:
            used = exchange or Exchange(deadline=None if limit is None else time.monotonic() + limit)
            with translated(method, f"{self.api_base}/{path}"):
                response = self._send(used, method, path, headers=sent, params=params, body=body)
                try:
                    if response.status_code >= 300:
                        raise from_response(response, subject=subject, not_found=not_found)
                    return self._parsed(response, response.content.decode("utf-8", "replace"))
                finally:
                    response.close()

        return self._tried(attempt, again=method == "GET" and exchange is None)

    def _parsed(self, response: requests.Response, text: str) -> JsonAnswer:
        try:
            value = jsonlib.loads(text) if text.strip() else None
        except ValueError as error:
            raise InvalidResponseError(
                f"{response.request.method} {response.url} answered {response.status_code} with what is"
                f" not JSON: {error}",
                status=response.status_code,
                url=response.url,
                body=text,
            ) from error
        return JsonAnswer(
            status=response.status_code, reason=response.reason or "", value=value, text=text
        )

    def _tried(self, attempt: Callable[[], _R], *, again: bool) -> _R:
        """Run an attempt, and again after a broken connection if nothing left or a repetition is harmless."""
        for number in range(self._retries):
            try:
                return attempt()
            except HubConnectionError as error:
                if not again and not _never_left(error):
                    raise
                pause = _BACK_OFF * 2**number * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
                logger.info("%s; trying again in %.2f s", error, pause)
                time.sleep(pause)
        return attempt()

    # -- streams ----------------------------------------------------------------------------------

    def get_stream(
        self,
        path: str,
        *,
        name: str = "",
        idle_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        subject: str = "",
        not_found: type[NotFoundError] = NotFoundError,
        exchange: Exchange | None = None,
    ) -> OutputStream:
        """Return a live stream; the hub's refusal is raised here.

        Args:
            path: Path below `api_base`.
            name: What it is, for messages; None means the path.
            idle_timeout: Seconds without a byte after which reading raises; None means `timeouts.idle`.
            headers: Further headers.
            subject: What the request is about, for errors.
            not_found: The error that a 404 means here.
            exchange: The exchange to use, where the caller watches the wait. Its deadline, if any, holds
                for reading too.
        """
        idle = self.timeouts.idle if idle_timeout is None else positive("idle_timeout", idle_timeout)
        exchange = exchange or Exchange()
        deadline = exchange.deadline
        if deadline is None and self.timeouts.read is not None:
            exchange.deadline = time.monotonic() + self.timeouts.read
        with translated("GET", f"{self.api_base}/{path}"):
            response = self._send(exchange, "GET", path, headers=headers, read_timeout=idle)
            if response.status_code >= 300:
                try:
                    raise from_response(response, subject=subject, not_found=not_found)
                finally:
                    response.close()
        exchange.deadline = deadline
        return OutputStream(name or path, exchange, lambda: response)

    # -- uploads ----------------------------------------------------------------------------------

    def prepare_upload(
        self,
        source: Any,
        convert: Callable[[str, int, str], _R],
        *,
        name: str,
        subject: str = "",
        not_found: type[NotFoundError] = NotFoundError,
        utf8_only: str | None = None,
        json: bool = False,
    ) -> Upload[_R]:
        """Return an upload that has not begun; wrong sources are refused here, before any byte is sent.

        Args:
            source: What to send (see `_sources`).
            convert: Makes the upload's result.
            name: What it feeds, for messages.
            subject: What it is about, for the hub's refusals.
            not_found: The error that a 404 means here.
            utf8_only: Where the hub would change other bytes: what to call that route in the refusal.
            json: Whether the source gives values to be sent as JSON lines.
        """
        body: Any = JsonLines(source) if json else Source(source)
        if utf8_only is not None and not json:
            body = Utf8Only(body, utf8_only)
            if isinstance(source, (bytes, bytearray, memoryview)):
                for _ in Utf8Only(Source(source), utf8_only):
                    pass

        def refusal(response: requests.Response) -> HubResponseError:
            return from_response(response, subject=subject, not_found=not_found)

        return Upload(name, BodyWriter(body, stall_limit=self.timeouts.write), convert, refusal)

    def poster(
        self, path: str, headers: Mapping[str, str], *, method: str = "POST", params: Mapping[str, str] | None = None
    ) -> Callable[[Exchange], requests.Response]:
        """Return what sends one request whose body the exchange's writer writes; see `Upload.run`."""

        def post(exchange: Exchange) -> requests.Response:
            with translated(method, f"{self.api_base}/{path}"):
                return self._send(exchange, method, path, headers=headers, params=params, body=iter(()))

        return post

    def send_stream(
        self,
        path: str,
        stream: Any,
        *,
        type: str = "application/octet-stream",
        end: bool | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        subject: str = "",
        not_found: type[NotFoundError] = NotFoundError,
    ) -> str:
        """Send a body, chunk by chunk, wait until the hub has taken it, and return the answer's text.

        Args:
            path: Path below `api_base`.
            stream: Anything that `_sources` takes.
            type: Content type.
            end: Value of the header `x-end-stream`; None leaves it out.
            method: POST or PUT.
            headers: Further headers.
            subject: What it is about, for errors.
            not_found: The error that a 404 means here.
        """
        upload = self.prepare_upload(
            stream, lambda text, _sent, _reason: text, name=path, subject=subject, not_found=not_found
        )
        sent = {"Content-Type": type, **(headers or {})}
        if end is not None:
            sent["x-end-stream"] = "true" if end else "false"
        upload.run(self.poster(path, sent, method=method), lambda writer: Exchange(writer=writer))
        return upload.result()

    # -- the one way out --------------------------------------------------------------------------

    def _send(
        self,
        exchange: Exchange,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        read_timeout: float | None = None,
    ) -> requests.Response:
        """Send one request and return at the head of its answer; raises what requests raises."""
        url = f"{self.api_base}/{path}" if path else self.api_base
        prepared = self._session.prepare_request(
            requests.Request(method, url, headers=dict(headers or {}), params=params, data=body)
        )
        began = time.monotonic()
        for each in self._loggers:
            each.request(method, url)
        try:
            with exchange.use():
                response = self._session.send(
                    prepared,
                    stream=True,
                    timeout=(self.timeouts.connect, read_timeout),
                    verify=self._verification(),
                    cert=self._cert,
                    proxies=self._proxies_for(url),
                    allow_redirects=False,
                )
        except BaseException as error:
            for each in self._loggers:
                each.error(method, url, error)
            raise
        else:
            logger.debug("%s %s -> %d", method, url, response.status_code)
            for each in self._loggers:
                each.ok(method, url, response.status_code)
            return response
        finally:
            for each in self._loggers:
                each.end(method, url, time.monotonic() - began)

    def _verification(self) -> bool | str:
        if self._verify is not None:
            return self._verify
        environ = os.environ
        return environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or True

    def _proxies_for(self, url: str) -> dict[str, str]:
        if self._proxies is not None:
            return self._proxies
        host = urlsplit(url).hostname or ""
        if host in _LOOPBACK or host.startswith("127."):
            return {}
        return get_environ_proxies(url)


def _never_left(error: ScramjetError) -> bool:
    """Say whether a failed request can't have reached the hub: no connection came about."""
    cause: BaseException | None = error.__cause__
    while cause is not None:
        inner = cause.args[0] if cause.args else None
        reason = getattr(inner, "reason", inner)
        if isinstance(
            reason,
            (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError),
        ):
            return True
        cause = cause.__cause__
    return False
