"""Flask: one client for each process, live answers that release the hub, and errors as HTTP answers.

    scramjet = Scramjet()

    def create_app():
        app = Flask(__name__)
        scramjet.init_app(app)
        return app

    @app.get("/instances/<id>/output")
    def output(id):
        return stream_response(scramjet.host.get_instance_client(id).get_stream("output"))

docs/flask.md has the rest. Needs the extra "flask".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

try:
    from flask import Flask, Response, current_app, jsonify, request
except ImportError as _error:
    if _error.name != "flask":
        raise
    raise ImportError(
        "scramjet_client.integrations.flask needs Flask: pip install 'scramjet_client[flask]'",
        name="flask",
    ) from _error
from werkzeug.exceptions import ClientDisconnected, HTTPException, LengthRequired

from scramjet_client._common.names import Guided, advised, advised_function, elsewhere, guessed
from scramjet_client.api.handles import ApiClient, Handle
from scramjet_client.clients.host import HostClient
from scramjet_client.errors import HubResponseError, ScramjetError, UploadError
from scramjet_client.http.durations import LONGEST_WAIT, duration
from scramjet_client.integrations._http_errors import status_of, told
from scramjet_client.integrations._live import LiveBody, has_left
from scramjet_client.integrations._sse import (
    HEARTBEAT,
    ServerSentEvent,
    as_event,
    encoded,
    items_of,
)
from scramjet_client.models import BINARY

if TYPE_CHECKING:
    from scramjet_client.api.http_client import HttpClient

__all__ = [
    "Scramjet",
    "ServerSentEvent",
    "event_stream_response",
    "request_source",
    "stream_response",
]

if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)

_KEY = "scramjet"

_ARGUMENTS = {
    "SCRAMJET_API_URL": "api_base",
    "SCRAMJET_PROFILE": "profile",
    "SCRAMJET_TOKEN": "token",
    "SCRAMJET_HEADERS": "headers",
    "SCRAMJET_TIMEOUT": "timeout",
    "SCRAMJET_CA_BUNDLE": "verify",
    "SCRAMJET_CERT": "cert",
    "SCRAMJET_RETRIES": "retries",
}
"""The keys of the configuration, and the arguments of `HostClient.from_env` that they are."""

_DEFAULTS = {
    **dict.fromkeys(_ARGUMENTS),
    "SCRAMJET_RETRIES": 2,
    "SCRAMJET_HANDLE_ERRORS": True,
}

_LIVE_HEADERS = {
    # nginx would buffer the answer, and caches would keep data that is only valid now.
    "X-Accel-Buffering": "no",
    "Cache-Control": "no-cache",
}


@advised
class Scramjet(Guided):
    """The extension: `Scramjet(app)`, or `init_app(app)` for each application of a factory.

    It sends no request to a hub and reads no setting until the first use of `host`. If a view does not catch an
    error of the client, the error becomes an HTTP answer (docs/flask.md, "Errors").

    All config keys are optional. SCRAMJET_API_URL, SCRAMJET_PROFILE, SCRAMJET_TOKEN, SCRAMJET_TIMEOUT (seconds or
    `Timeouts`) and SCRAMJET_CA_BUNDLE are the arguments of `HostClient.from_env`, and take precedence over the
    environment. SCRAMJET_HEADERS, SCRAMJET_CERT and SCRAMJET_RETRIES are arguments of `HostClient`.
    SCRAMJET_HANDLE_ERRORS=False leaves errors to the application.

    Args:
        app: The application, or None for `init_app` later.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "host": "api client connection get_client get_host hub",
            "host.deploy(function)": "deploy",
            "host.get_instance_client(id)": "get_instance_client instance",
            "host.get_sequence_client(id)": "get_sequence_client sequence",
            "init_app(app)": "init register setup",
        }
    )

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Prepare an application; call it before the first request."""
        for key, value in _DEFAULTS.items():
            app.config.setdefault(key, value)
        app.extensions[_KEY] = _Clients(app)
        if app.config["SCRAMJET_HANDLE_ERRORS"]:
            app.register_error_handler(ScramjetError, _answer)

    @property
    def host(self) -> HostClient:
        """The current application's client: one for each process, shared by all of its threads.

        Raises:
            RuntimeError: There is no application context, or `init_app` was not called for its application.
            ConfigurationError: A setting can't be used; the message says which.
        """
        return _clients().host


class _Clients:
    """The client of one application, created anew after a fork."""

    def __init__(self, app: Flask) -> None:
        self._config = app.config
        # By process id, and without a lock: another thread may hold a lock during a fork, for ever in the child.
        self._made: dict[int, HostClient] = {}

    @property
    def host(self) -> HostClient:
        process = os.getpid()
        host = self._made.get(process)
        if host is None:
            # Two threads may create one each. Both then get the first; the other holds no connection yet.
            host = self._made.setdefault(process, self._new())
            for other in set(self._made) - {process}:
                # Closes this process's copies of the connections, which the other process goes on using.
                self._made.pop(other, None)
        return host

    @property
    def client(self) -> HttpClient | None:
        """The HTTP client, if one has been created."""
        host = self._made.get(os.getpid())
        return None if host is None else host.client

    def _new(self) -> HostClient:
        given = {argument: self._config[key] for key, argument in _ARGUMENTS.items()}
        return HostClient.from_env(**given)


def _clients() -> _Clients:
    found = current_app.extensions.get(_KEY)
    if found is None:
        raise RuntimeError(
            f"the extension is not set up for {current_app.name!r}: call Scramjet(app) or init_app(app) first"
        )
    clients: _Clients = found
    return clients


def _answer(error: ScramjetError) -> Any:
    """Return the HTTP answer for an error, including errors that the browser caused in an upload."""
    if isinstance(error, UploadError) and isinstance(error.__cause__, HTTPException):
        return error.__cause__.get_response()
    status = status_of(error)
    if status >= 500:
        current_app.logger.error("answered %d: %s", status, error, exc_info=error)
    response = jsonify(told(error, _clients().client))
    response.status_code = status
    if isinstance(error, HubResponseError) and error.retry_after is not None:
        response.headers["Retry-After"] = f"{error.retry_after:.0f}"
    return response


@advised_function
def stream_response(
    stream: Any,
    *,
    mimetype: str = BINARY,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer that sends a live stream's data as it arrives.

    The headers are sent at once. The stream is closed when it has ended, and when the browser leaves. That shows at a
    failed write; while the stream is silent, it shows within half a second if the server makes it visible
    (docs/flask.md, "Servers"). If the stream ends with an error, the connection is cut, so that nobody mistakes the
    part for the whole.

    Args:
        stream: An `OutputStream`, or any iterable of bytes or str; it is closed if it has a `close()`.
        mimetype: Type of the data; text is UTF-8.
        status: HTTP status.
        headers: Further headers.
    """
    _check_stream(stream)
    chunks = getattr(stream, "chunks", None)
    items = chunks() if callable(chunks) else map(_bytes, stream)
    body = LiveBody(items, stream, has_left(request.environ))
    return _live(body, mimetype, status, headers)


@advised_function
def event_stream_response(
    stream: Any,
    *,
    event: str | None = None,
    ids: bool = False,
    retry: float | None = None,
    heartbeat: float = 5.0,
    end: str | None = "end",
    failed: str | None = "failed",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer of server-sent events, for a browser's `EventSource`.

    Each line of an `OutputStream` becomes an event, and so does each item of another iterable. Text and bytes stay
    as they are. An instance's events (of an `EventStream`) keep their own names, with their data as JSON. A
    `ServerSentEvent` is sent as it says. Other values become JSON.

    The stream is closed as by `stream_response`. With servers that do not show that the browser has left, it is
    closed at the second or third heartbeat, which is within 15 seconds by default (docs/flask.md, "Servers").

    Args:
        stream: The data to send; closed at the end if it has a `close()`.
        event: Name of the events; None means "message".
        ids: Whether to number them. A browser that reconnects sends the last number that it has seen, and the
            numbers continue from there. Missed events are not sent again, because hubs keep nothing.
        retry: Seconds after which the browser should reconnect.
        heartbeat: Seconds of silence after which a comment is sent. Some proxies cut silent connections, and
            some servers find out only by a write that a browser has left.
        end: Name of the event after the end, on which the page should call `close()`; otherwise an `EventSource`
            reconnects. None sends no such event. It says nothing of the program: a stream that was opened with
            `check=True` ends with `failed` if the program was killed or has crashed.
        failed: Name of the event for an error, with {"code": ..., "message": ...} as JSON. None cuts the
            connection instead.
        headers: Further headers.
    """
    _check_stream(stream)
    for name in (event, end, failed):
        # Finds a wrong name now, and not only when an event with it is sent.
        ServerSentEvent(event=name)
    silence = duration("heartbeat", heartbeat) or LONGEST_WAIT
    again = duration("retry", retry, zero=True)
    clients, log = current_app.extensions.get(_KEY), current_app.logger

    def tell(error: ScramjetError) -> bytes:
        log.error("a stream of events ended: %s", error, exc_info=error)
        known = told(error, None if clients is None else clients.client)
        return as_event(known, failed).encode()

    events = encoded(items_of(stream), name=event, first_id=_next_id() if ids else None, end=end)
    # A comment tells the browser at once that it is connected.
    first = b": connected\n\n" if again is None else f"retry: {again * 1000:.0f}\n\n".encode()
    body = LiveBody(
        events, stream, has_left(request.environ),
        first=first, heartbeat=HEARTBEAT, every=silence, last=None if failed is None else tell,
    )  # fmt: skip
    return _live(body, "text/event-stream", 200, headers)


def _check_stream(stream: Any) -> None:
    if isinstance(stream, (bytes, Handle, ApiClient)) or not hasattr(type(stream), "__iter__"):
        cure = (
            '; instance.get_stream("output") gives one'
            if isinstance(stream, (Handle, ApiClient))
            else ""
        )
        raise TypeError(
            f"stream must be an OutputStream or an iterable of bytes or str, not {type(stream).__name__}{cure}"
        )


@advised_function
def request_source(piece: int = 8192) -> Iterator[bytes]:
    """Return the body of the current request as a source that passes data on as it arrives.

        instance.send_input(request_source(), type="text/plain", end=True)

    Nothing is stored, and a slow program holds the browser back. A body that breaks off never looks complete: the
    upload fails. (Some servers, such as Gunicorn, mark the end of a body themselves. With those, the stream of a
    request looks complete even if the browser has left. So prefer this function to `request.stream`.)

    The request must live as long as the upload: use `send_input`, or wait for the upload that `submit_input` returns.

    Args:
        piece: Bytes to wait for before they are sent on. Gunicorn waits for at least 1,024.

    Raises:
        LengthRequired: The body has no length, and this server does not mark its end: an answer 411.
        ClientDisconnected: The browser left before the end, while the body was being read.
    """
    if piece < 1:
        raise ValueError(f"piece must be 1 byte or more, not {piece!r}")
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if chunked and not request.environ.get("wsgi.input_terminated"):
        # Werkzeug would give an empty body, and all data would be lost silently.
        raise LengthRequired()
    return _read(request.stream, piece, None if chunked else request.content_length)


def _read(stream: Any, piece: int, length: int | None) -> Iterator[bytes]:
    came = 0
    while data := stream.read(piece):
        came += len(data)
        yield data
    if length is not None and came < length:
        raise ClientDisconnected()


def _next_id() -> int:
    """Return the number after the last one that the browser has seen."""
    last = request.headers.get("Last-Event-ID", "")
    return int(last) + 1 if last.isascii() and last.isdigit() and len(last) < 16 else 1


def _bytes(item: Any) -> bytes:
    return item.encode() if isinstance(item, str) else bytes(item)


def _live(
    body: Iterable[bytes], mimetype: str, status: int, headers: Mapping[str, str] | None
) -> Response:
    response = Response(body, status=status, mimetype=mimetype, direct_passthrough=True)
    response.headers.update({**_LIVE_HEADERS, **(headers or {})})
    return response
