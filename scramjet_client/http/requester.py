"""Requester: one requests session to one API, and all rules that hold for its requests."""

from __future__ import annotations

import contextlib
import io
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

import attrs
import requests
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict

from scramjet_client._base import Closing, logger
from scramjet_client._common.clock import monotonic
from scramjet_client.errors import (
    HubResponseError,
    InvalidResponseError,
    NotFoundError,
    ScramjetError,
)
from scramjet_client.http.answers import ANSWER_LIMIT, JsonAnswer, check_coding, parsed
from scramjet_client.http.causes import causes
from scramjet_client.http.connection import Session
from scramjet_client.http.durations import LONGEST_WAIT, Duration, count, duration, seconds
from scramjet_client.http.exchange import AnswerBody, Exchange
from scramjet_client.http.failures import from_response, translate_errors, wrong_path
from scramjet_client.http.json_body import json_bytes
from scramjet_client.http.retries import Retries
from scramjet_client.http.secrets import Secrets
from scramjet_client.http.settings import (
    DEFAULT_API_BASE,
    USER_AGENT,
    TimeoutLike,
    Timeouts,
    Token,
    check_proxy,
    checked_base,
    checked_headers,
    proxies_for,
    proxy_secrets,
    secrets_of,
    verification,
)
from scramjet_client.http.tuning import Tuning

_T = TypeVar("_T")


class RequestLogger(Protocol):
    """A logger for `add_logger`: it hears of each request, its answer or its failure, and its end."""

    def request(self, method: str, url: str) -> object:
        """Hear of a request that is about to be sent."""

    def ok(self, method: str, url: str, status: int) -> object:
        """Hear of the head of the answer."""

    def error(self, method: str, url: str, error: BaseException) -> object:
        """Hear of a failure instead of an answer."""

    def end(self, method: str, url: str, seconds: float) -> object:
        """Hear that the request is over, and how long its answer's head took."""


@attrs.frozen(kw_only=True)
class BodyRequest:
    """A request whose body a `BodyWriter` writes: its target below the API's base, and what its answer may mean.

    Attributes:
        head_limit: Seconds in which the hub must take some of the body, or answer; None is no limit.
        rest_limit: Seconds for the rest of the answer after its head, or None.
        subject: The subject of the request, for refusals: "instance 'abc'".
        not_found: The error that a 404 means.
    """

    path: str
    headers: Mapping[str, str] = attrs.field(converter=checked_headers)
    method: str = "POST"
    params: Mapping[str, str] | None = None
    head_limit: float | None = None
    rest_limit: float | None = None
    subject: str = ""
    not_found: type[NotFoundError] = NotFoundError


_STALLING = ("nginx", "openresty", "tengine", "angie")
"""Servers that pass on no more of a body that was held back after the answer had begun (docs/guides/nginx.md)."""

_BODY_SIZE = 65536
"""Bytes of a body that they pass on in any case: a new connection takes as much before anybody reads from it."""

_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "verify": ((bool, str, os.PathLike, type(None)), "True, False or the path of a CA bundle"),
    "cert": ((str, os.PathLike, tuple, type(None)), "a path, or a tuple of certificate and key"),
    "proxies": ((Mapping, type(None)), "a mapping such as {'https': 'http://proxy:3128'}"),
    "retries": ((int,), "a whole number"),
}
"""The types of arguments that are used only later."""


def _check_kinds(**values: object) -> None:
    for name, value in values.items():
        kinds, what = _KINDS[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise TypeError(f"{name} must be {what}, not {type(value).__name__}")


class Requester(Closing):
    """Sends the requests of one API, and applies all rules that hold for them. You may use it from any thread.

    `HttpClient` adds streams and uploads, and describes the arguments.
    """

    answer_limit = ANSWER_LIMIT
    """Bytes of an answer that is not a stream; a longer one raises InvalidResponseError. You may set it on a client."""

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
        tuning: Tuning | None = None,
    ) -> None:
        _check_kinds(verify=verify, cert=cert, proxies=proxies, retries=retries)
        self.api_base: str = checked_base(api_base)
        self.timeouts: Timeouts = Timeouts.of(timeout)
        self.tuning: Tuning = Tuning() if tuning is None else tuning
        self.memo: dict[str, Any] = {}
        """Facts that upper layers have learned about this hub, such as its generation."""
        self._retries = Retries(self.api_base, count("retries", retries), self.tuning.sleep)
        self.verify = verify
        self.cert = cert
        self.proxies: dict[str, str] | None = None if proxies is None else dict(proxies)
        self._loggers: list[RequestLogger] = []
        session = self._session = Session(self.tuning)
        self.token: Token = Token(token)
        headers = checked_headers(headers or {})
        self._secrets = secrets_of(token, headers)
        session.headers.update(
            {
                # Hubs split Accept naively, and refuse "application/json" on streams.
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "User-Agent": USER_AGENT,
                **headers,
            }
        )
        self.headers: Mapping[str, str | bytes] = session.headers

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.api_base}>"

    def close(self) -> None:
        """Close idle connections, and later ones after their use; open streams go on until you close them."""
        self._session.close()

    def add_logger(self, logger: RequestLogger) -> None:
        """Report each request to `logger` from now on."""
        self._loggers.append(logger)

    def fact(self, key: str, make: Callable[[], _T]) -> _T:
        """Return an entry of `memo`; `make` makes it at first. All threads get the same one."""
        found: _T = self.memo[key] if key in self.memo else self.memo.setdefault(key, make())
        return found

    def hidden_in(self, text: str) -> str:
        """Return a text without the token and the secret headers, which a hub or a proxy may have repeated."""
        return self._secrets.hidden_in(text)

    def _hider(self) -> Callable[[str], str]:
        """Return `hidden_in` for errors: libraries repeat the URLs of proxies in theirs."""
        logins = Secrets(proxy_secrets(proxies_for(self.api_base, self.proxies)))
        return lambda text: logins.hidden_in(self.hidden_in(text))

    @property
    def body_size(self) -> int | None:
        """Bytes of a body that get through whatever stands before the hub, or None if all do."""
        if self.tuning.body_size is not None:
            return self.tuning.body_size
        return _BODY_SIZE if "stalling" in self.memo else None

    # -- JSON -------------------------------------------------------------------------------------

    def get(self, path: str, **options: Any) -> Any:
        """Return the JSON value of a GET; takes the options of `request`."""
        return self.request("GET", path, **options).value

    def post(self, path: str, value: Any = None, **options: Any) -> Any:
        """POST a value as JSON and return the answer's value; takes the options of `request`."""
        return self.request("POST", path, value, **options).value

    def put(self, path: str, value: Any = None, **options: Any) -> Any:
        """PUT a value as JSON and return the answer's value; takes the options of `request`."""
        return self.request("PUT", path, value, **options).value

    def delete(self, path: str, **options: Any) -> Any:
        """Return the JSON value of a DELETE; takes the options of `request`."""
        return self.request("DELETE", path, **options).value

    def request(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        subject: str = "",
        not_found: type[NotFoundError] = NotFoundError,
        on_idle: Callable[[float], object] | None = None,
        exchange: Exchange | None = None,
    ) -> JsonAnswer:
        """Send one JSON request and return its parsed answer.

        Args:
            method: HTTP method.
            path: Path below `api_base`, as made by `route`.
            value: The value to send as JSON; a GET with None sends nothing.
            headers: Further headers.
            params: Query parameters.
            timeout: Seconds for the whole answer; None means `timeouts.read`.
            subject: The subject of the request, for errors: "instance 'abc'".
            not_found: The error that a 404 means here.
            on_idle: Called while no answer comes, as in `Exchange`.
            exchange: The exchange to use if the caller watches the wait; its own limits then apply.

        Raises:
            HubConnectionError: The hub could not be reached.
            HubTimeoutError: The whole answer did not come in time.
            HubResponseError: The hub refused; the class follows the status.
            InvalidResponseError: The answer is not JSON.
        """
        all_headers = dict(checked_headers(headers or {}))
        body: bytes | None = None
        if method != "GET":
            # Hubs require this header, with exactly this spelling, even on DELETE, which has no body.
            all_headers["Content-Type"] = "application/json"
            if method != "DELETE" or value is not None:
                body = json_bytes(value)
        limit = self.timeouts.read if timeout is None else duration("timeout", timeout)
        ends = None if limit is None else monotonic() + limit
        named = self.timeouts._name_of_read if timeout is None else "timeout"

        def attempt() -> JsonAnswer:
            used = exchange or Exchange(deadline=ends, on_idle=on_idle)
            if exchange is None and limit is not None:
                used.limit = f"{seconds(limit)} ({named})"
            with self._own_errors(used, method, path, subject):
                response = self._send(
                    used, method, path, headers=all_headers, params=params, body=body
                )
                try:
                    if response.status_code >= 300:
                        raise self.refusal(response, subject, not_found)
                    answer = parsed(response, self.answer_limit)
                    # Errors keep this text for an answer that makes no sense.
                    hidden = self.hidden_in(answer.text)
                    return answer if hidden == answer.text else attrs.evolve(answer, text=hidden)
                finally:
                    response.close()

        return self._retries.run(
            attempt,
            again=method == "GET" and exchange is None,
            deadline=ends if exchange is None else exchange.deadline,
        )

    # -- sending and receiving --------------------------------------------------------------------

    def refusal(
        self, response: requests.Response, subject: str, not_found: type[NotFoundError]
    ) -> HubResponseError:
        """Return the error that an answer of 300 or more means here; see `from_response`."""
        return from_response(
            response,
            subject=subject,
            not_found=not_found,
            hidden=self.hidden_in,
            base=self.api_base,
            token=self.token.is_set,
        )

    def send_body(self, request: BodyRequest, exchange: Exchange) -> requests.Response:
        """Send a request whose body the exchange's writer writes; return the response once its head has come."""
        with self._head_within(exchange, request.head_limit, request.rest_limit):
            return self.reach(
                exchange,
                request.method,
                request.path,
                headers=request.headers,
                params=request.params,
                body=iter(()),
            )

    def _url(self, path: str) -> str:
        return f"{self.api_base}/{path}" if path else self.api_base

    @contextlib.contextmanager
    def _own_errors(
        self, exchange: Exchange, method: str, path: str, subject: str = ""
    ) -> Iterator[None]:
        """Translate the errors of requests, and hide in errors the secrets that the hub or a proxy has repeated."""
        try:
            with translate_errors(
                method,
                self._url(path),
                base=self.api_base,
                connect=self.timeouts.connect,
                exchange=exchange,
                gone_for=subject if "reached" in self.memo else None,
            ):
                yield
        except ScramjetError as error:
            hidden = self._hider()
            for cause in causes(error):
                # The traceback would show the cause too.
                if cause is not error and hidden(str(cause)) != str(cause):
                    error.__cause__ = error.__context__ = None
                    error.__suppress_context__ = True
            if isinstance(error, InvalidResponseError):
                error.message += wrong_path(self.api_base)
            error.message = hidden(error.message)
            error.body = None if error.body is None else hidden(error.body)
            raise

    def reach(self, exchange: Exchange, method: str, path: str, **how: Any) -> requests.Response:
        """Send a request and return the response once its head has come; repeat if no connection can be made.

        The headers among `how` are checked ones.
        """

        def attempt() -> requests.Response:
            with self._own_errors(exchange, method, path):
                return self._send(exchange, method, path, **how)

        return self._retries.run(
            attempt,
            again=False,
            deadline=exchange.deadline,
            given_up=lambda: exchange.aborted,
        )

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
        """Send one request and return the response once its head has come; raises the exceptions of requests."""
        url = self._url(path)
        prepared = self._prepared(method, path, headers, params, body)
        if exchange.writer is not None:
            prepared.body = exchange.writer.body()  # type: ignore[assignment]  # requests takes iterators
        exchange.size_limit = self.answer_limit
        proxies = proxies_for(url, self.proxies)
        if proxies:
            check_proxy(url, proxies)
        with _RequestEvents(self._loggers, method, url) as telling, exchange.use():
            response = self._session.send(
                prepared,
                stream=True,
                timeout=(_connect_limit(exchange, self.timeouts.connect), read_timeout),
                verify=verification(self.verify),
                cert=self.cert,
                proxies=proxies,
                allow_redirects=False,
            )
            telling.answered(response.status_code)
        # Whoever answers no longer is gone, and was not named by mistake.
        self.memo["reached"] = True
        if response.headers.get("Server", "").lower().startswith(_STALLING):
            self.memo["stalling"] = True
        if not exchange.head_sent.is_set():
            _complete(response, prepared)
            exchange.answered_elsewhere(prepared)
        elif exchange.writer is not None:
            # A user who keeps an answer must not keep the sent data with it.
            prepared.body = None
        coding = check_coding(response)
        if exchange.answer is not None:
            response.raw = AnswerBody(response.raw, exchange.answer, packed=coding == "gzip")
        return response

    def _prepared(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        body: Any,
    ) -> requests.PreparedRequest:
        """Return a request with the client's headers and token; an iterator is sent in chunks."""
        base = _normal(self.api_base)
        prepared = requests.PreparedRequest()
        prepared.method = method
        prepared.url = f"{base}/{path}" if path else base
        if params:
            prepared.url += "?" + urlencode(params, doseq=True)
        prepared.headers = CaseInsensitiveDict(self._session.headers)  # type: ignore[arg-type]  # str or bytes
        prepared.headers.update(headers or {})
        prepared.hooks = default_hooks()
        prepared.body = body
        if isinstance(body, bytes):
            prepared.headers["Content-Length"] = str(len(body))
        elif body is not None:
            prepared.headers["Transfer-Encoding"] = "chunked"
        elif method != "GET":
            prepared.headers["Content-Length"] = "0"
        return self.token(prepared)

    @contextlib.contextmanager
    def _head_within(
        self, exchange: Exchange, limit: float | None, rest: float | None
    ) -> Iterator[None]:
        """Limit the seconds for the head of an upload's answer, while the block sends the request, and for the rest.

        The time counts from the last byte that the hub took: a gateway may read the whole body before it asks the hub.
        A gateway that neither reads nor answers is not back-pressure; after the head, a silent hub is.
        """
        writer, watch, poll = exchange.writer, exchange.on_idle, exchange.poll
        if writer is None or limit is None:
            yield
            return
        named = self.timeouts._name_of_read
        sent, since = writer.bytes_sent, monotonic()

        def look(silence: float) -> object:
            nonlocal sent, since
            if writer.bytes_sent != sent:
                sent, since = writer.bytes_sent, monotonic()
            elif monotonic() - since >= limit:
                exchange.overdue = f"{seconds(limit)} ({named})"
                raise socket.timeout("timed out")
            return None if watch is None else watch(silence)

        exchange.on_idle, exchange.poll = look, min(poll, limit)
        try:
            yield
        finally:
            exchange.on_idle, exchange.poll = watch, poll
        if rest is not None:
            exchange.deadline = monotonic() + rest
            exchange.limit = f"{seconds(rest)} ({named})"


def _complete(response: requests.Response, request: requests.PreparedRequest) -> None:
    """Add the attributes of an adapter's response to one that a test has made by hand."""
    if response.request is None:
        response.request, response.url = request, response.url or request.url or ""
    if response.raw is None:
        response.raw = io.BytesIO(response.content or b"")


class _RequestEvents:
    """Reports one request to listeners: a `with` block around its sending."""

    def __init__(self, listeners: list[RequestLogger], method: str, url: str) -> None:
        self._listeners = listeners
        self._method = method
        self._url = url

    def __enter__(self) -> _RequestEvents:
        self._began = monotonic()
        for each in self._listeners:
            each.request(self._method, self._url)
        return self

    def answered(self, status: int) -> None:
        """Report the answer's head."""
        logger.debug("%s %s -> %d", self._method, self._url, status)
        for each in self._listeners:
            each.ok(self._method, self._url, status)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for each in self._listeners:
            if error is not None:
                each.error(self._method, self._url, error)
            each.end(self._method, self._url, monotonic() - self._began)


@lru_cache(maxsize=64)
def _normal(api_base: str) -> str:
    """Return a base as requests sends it: international names in ASCII, unusual characters quoted."""
    return (requests.Request("GET", api_base).prepare().url or api_base).rstrip("/")


def _connect_limit(exchange: Exchange, limit: float | None) -> float | None:
    """Return the seconds for opening a connection: `limit`, or the rest of the exchange's time."""
    limits = [] if limit is None else [min(limit, LONGEST_WAIT)]
    if exchange.deadline is not None:
        # 0 would mean "do not wait"; the first read finds that the time is over.
        limits.append(min(max(0.001, exchange.deadline - monotonic()), LONGEST_WAIT))
    return min(limits, default=None)
