"""HttpClient: one requests session to one hub, and every rule that holds for all of its requests."""

from __future__ import annotations

import contextlib
import json as jsonlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import attrs
import requests

from scramjet_client._base import Closing, public
from scramjet_client.errors import HubResponseError, NotFoundError, ScramjetError
from scramjet_client.http.body import BodySource, BodyWriter
from scramjet_client.http.calls import JsonAnswer, Outages, parsed, tried
from scramjet_client.http.connection import Session
from scramjet_client.http.durations import LONGEST_WAIT, Duration, duration
from scramjet_client.http.exchange import Exchange
from scramjet_client.http.foreign import translated
from scramjet_client.http.interrupts import causes
from scramjet_client.http.limits import connect_limit, head_within
from scramjet_client.http.listeners import RequestLogger, Telling
from scramjet_client.http.outgoing import outgoing
from scramjet_client.http.refusals import from_response
from scramjet_client.http.settings import (
    DEFAULT_API_BASE,
    USER_AGENT,
    TimeoutLike,
    Timeouts,
    Token,
    checked_base,
    checked_headers,
    proxies_for,
    secrets_of,
    verification,
)
from scramjet_client.http.tuning import Tuning
from scramjet_client.http.untrusted import ANSWER_LIMIT, check_coding
from scramjet_client.streams.output import OutputStream
from scramjet_client.uploads.options import reporter
from scramjet_client.uploads.sources import ProgressHook, Source
from scramjet_client.uploads.upload import Upload

_R = TypeVar("_R")


@public
class ClientProvider(Protocol):
    """Whatever has a `.client`: a `HostClient`, above all."""

    @property
    def client(self) -> HttpClient:
        """The HTTP client to send with."""


@public
class HttpClient(Closing):
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
        retries: How often a JSON GET is tried again after a broken connection or a refusal that may pass
            (429, 502, 503, 504), and any request to which no connection came about. Nothing else is ever
            sent twice. Always within the call's limit; see docs/reliability.md, "Retries".
        tuning: Intervals and margins that the client keeps by itself; None means the defaults of `Tuning`.
    """

    answer_limit = ANSWER_LIMIT
    """Bytes of an answer that is no stream; more are an InvalidResponseError. May be set on a client."""

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
        self.api_base: str = checked_base(api_base)
        self.timeouts: Timeouts = Timeouts.of(timeout)
        self.tuning: Tuning = Tuning() if tuning is None else tuning
        self.memo: dict[str, Any] = {}
        """What upper layers have learned of this hub, such as its generation."""
        self._retries = retries
        self._outages = Outages(self.api_base)
        self.verify = verify
        self.cert = cert
        self.proxies: dict[str, str] | None = None if proxies is None else dict(proxies)
        self._loggers: list[RequestLogger] = []
        session = self._session = Session(self.tuning)
        self.token: Token = Token(token)
        self._secrets = secrets_of(token, checked_headers(headers or {}))
        session.auth = self.token
        session.headers.update(
            {
                # Hubs split Accept naively, and refuse "application/json" on streams.
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "User-Agent": USER_AGENT,
                **checked_headers(headers or {}),
            }
        )
        self.headers: Mapping[str, str | bytes] = session.headers

    def __repr__(self) -> str:
        return f"<HttpClient {self.api_base}>"

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
        timeout: Duration | None = None,
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
        limit = self.timeouts.read if timeout is None else duration("timeout", timeout)
        ends = None if limit is None else time.monotonic() + limit

        def attempt() -> JsonAnswer:
            used = exchange or Exchange(deadline=ends)
            with self._discreet(), translated(method, f"{self.api_base}/{path}"):
                response = self._send(used, method, path, headers=sent, params=params, body=body)
                try:
                    if response.status_code >= 300:
                        raise self.refusal(response, subject, not_found)
                    answer = parsed(response, self.answer_limit)
                    # It is what errors keep of an answer that makes no sense.
                    return attrs.evolve(answer, text=self._secrets.hidden_in(answer.text))
                finally:
                    response.close()

        return tried(
            attempt,
            self._retries,
            outages=self._outages,
            again=method == "GET" and exchange is None,
            deadline=ends if exchange is None else exchange.deadline,
            sleep=self.tuning.sleep,
        )

    # -- streams ----------------------------------------------------------------------------------

    def get_stream(
        self,
        path: str,
        *,
        name: str = "",
        idle_timeout: Duration | None = None,
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
        idle = (
            self.timeouts.idle if idle_timeout is None else duration("idle_timeout", idle_timeout)
        )
        exchange = exchange or Exchange()
        if idle is not None and idle > LONGEST_WAIT:
            exchange.idle, idle = idle, None
        deadline = exchange.deadline
        if deadline is None and self.timeouts.read is not None:
            exchange.deadline = time.monotonic() + self.timeouts.read
        response = self._reach(exchange, "GET", path, headers=headers, read_timeout=idle)
        if response.status_code >= 300:
            try:
                raise self.refusal(response, subject, not_found)
            finally:
                response.close()
        exchange.deadline = deadline
        stream = OutputStream(name or path, exchange, lambda: response)
        # Closed before it is read, it has to know what to close.
        stream._reader.open()
        return stream

    # -- uploads ----------------------------------------------------------------------------------

    def prepare_upload(
        self,
        body: BodySource,
        convert: Callable[[str, int, str], _R],
        *,
        name: str,
        subject: str = "",
        not_found: type[NotFoundError] = NotFoundError,
        gather: bool = True,
        progress: Callable[[int], object] | None = None,
    ) -> Upload[_R]:
        """Return an upload that has not begun.

        Args:
            body: What to send (see `uploads.sources`).
            convert: Makes the upload's result.
            name: What it feeds, for messages.
            subject: What it is about, for the hub's refusals.
            not_found: The error that a 404 means here.
            gather: Whether small pieces that are ready together may go out together.
            progress: Called with the bytes sent so far, by the thread that sends them.
        """

        def refusal(response: requests.Response) -> HubResponseError:
            return self.refusal(response, subject, not_found)

        writer = BodyWriter(body, stall_limit=self.timeouts.write, gather=gather, progress=progress)
        return Upload(name, writer, convert, refusal, self.tuning.exit_grace)

    def poster(
        self,
        path: str,
        headers: Mapping[str, str],
        *,
        method: str = "POST",
        params: Mapping[str, str] | None = None,
        head_limit: float | None = None,
        rest_limit: float | None = None,
    ) -> Callable[[Exchange], requests.Response]:
        """Return what sends one request whose body the exchange's writer writes; see `Upload.run`.

        The limits, in seconds, are those of `head_within`.
        """
        checked_headers(headers)

        def post(exchange: Exchange) -> requests.Response:
            with head_within(exchange, head_limit, rest=rest_limit):
                return self._reach(
                    exchange, method, path, headers=headers, params=params, body=iter(())
                )

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
        progress: ProgressHook | None = None,
        answer_limit: float | None = None,
    ) -> str:
        """Send a body, chunk by chunk, wait until the hub has taken it, and return the answer's text.

        Args:
            path: Path below `api_base`.
            stream: Anything that `uploads.sources` takes.
            type: Content type.
            end: Value of the header `x-end-stream`; None leaves it out.
            method: POST or PUT.
            headers: Further headers.
            subject: What it is about, for errors.
            not_found: The error that a 404 means here.
            progress: Called with the bytes sent and the bytes in all (or None), by the thread that sends.
            answer_limit: Seconds in which the hub must take something of the body, or answer.
        """
        sent = {"Content-Type": type, **(headers or {})}
        if end is not None:
            sent["x-end-stream"] = "true" if end else "false"
        post = self.poster(
            path, sent, method=method, head_limit=answer_limit, rest_limit=answer_limit
        )
        upload = self.prepare_upload(
            Source(stream),
            lambda text, _sent, _reason: text,
            name=path,
            subject=subject,
            not_found=not_found,
            progress=None if progress is None else reporter(progress, stream),
        )
        upload.run(post, lambda writer: Exchange(writer=writer))
        return upload.result()

    # -- the one way out, and back ----------------------------------------------------------------

    def refusal(
        self, response: requests.Response, subject: str, not_found: type[NotFoundError]
    ) -> HubResponseError:
        """Return the error that an answer of 300 or more means here; see `_refusals`."""
        hidden = self._secrets.hidden_in
        return from_response(response, subject=subject, not_found=not_found, hidden=hidden)

    @contextlib.contextmanager
    def _discreet(self) -> Iterator[None]:
        """Hide in what is raised inside the block what the hub, or who answers for it, has repeated."""
        try:
            yield
        except ScramjetError as error:
            hidden = self._secrets.hidden_in
            for cause in causes(error):
                # The traceback would show it too.
                if cause is not error and hidden(str(cause)) != str(cause):
                    error.__cause__ = None
                    error.__suppress_context__ = True
            error.message = hidden(error.message)
            error.args = (error.message, *error.args[1:])
            error.body = None if error.body is None else hidden(error.body)
            raise

    def _reach(self, exchange: Exchange, method: str, path: str, **how: Any) -> requests.Response:
        """`_send`, and again while no connection comes about: nothing has left then."""

        def attempt() -> requests.Response:
            with self._discreet(), translated(method, f"{self.api_base}/{path}"):
                return self._send(exchange, method, path, **how)

        return tried(
            attempt,
            self._retries,
            outages=self._outages,
            again=False,
            deadline=exchange.deadline,
            sleep=self.tuning.sleep,
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
        """Send one request and return at the head of its answer; raises what requests raises."""
        url = f"{self.api_base}/{path}" if path else self.api_base
        given = checked_headers(headers or {})
        prepared = outgoing(
            self._session, method, (self.api_base, path), headers=given, params=params, body=body
        )
        if exchange.writer is not None:
            prepared.body = exchange.writer.body()  # type: ignore[assignment]  # requests takes iterators
        exchange.size_limit = self.answer_limit
        with Telling(self._loggers, method, url) as telling, exchange.use():
            response = self._session.send(
                prepared,
                stream=True,
                timeout=(connect_limit(exchange, self.timeouts.connect), read_timeout),
                verify=verification(self.verify),
                cert=self.cert,
                proxies=proxies_for(url, self.proxies),
                allow_redirects=False,
            )
            telling.answered(response.status_code)
        if not exchange.sent.is_set():
            exchange.answered_elsewhere(prepared)
        elif exchange.writer is not None:
            # Who keeps an answer does not keep what was sent.
            prepared.body = None
        check_coding(response)
        return response
