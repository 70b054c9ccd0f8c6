"""Flask: one client for each process, live answers that let go of the hub, and errors as HTTP answers.

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
from typing import TYPE_CHECKING, Any

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

from scramjet_client.clients.host import HostClient
from scramjet_client.errors import HubResponseError, ScramjetError, UploadError
from scramjet_client.http.durations import LONGEST_WAIT, duration
from scramjet_client.integrations._answers import status_of, told
from scramjet_client.integrations._live import LiveBody, has_left
from scramjet_client.integrations._sse import (
    HEARTBEAT,
    ServerSentEvent,
    as_event,
    encoded,
    items_of,
)

if TYPE_CHECKING:
    from scramjet_client.api.http_client import HttpClient

__all__ = [
    "Scramjet",
    "ServerSentEvent",
    "event_stream_response",
    "request_source",
    "stream_response",
]

_KEY = "scramjet"

_DEFAULTS: dict[str, Any] = {
    "SCRAMJET_API_URL": None,
    "SCRAMJET_PROFILE": None,
    "SCRAMJET_TOKEN": None,
    "SCRAMJET_HEADERS": None,
    "SCRAMJET_TIMEOUT": None,
    "SCRAMJET_CA_BUNDLE": None,
    "SCRAMJET_CERT": None,
    "SCRAMJET_RETRIES": 2,
    "SCRAMJET_HANDLE_ERRORS": True,
}

_LIVE_HEADERS = {
    # nginx would collect the answer; caches would keep what is of this moment.
    "X-Accel-Buffering": "no",
    "Cache-Control": "no-cache",
}


class Scramjet:
    """The extension: `Scramjet(app)`, or `init_app(app)` for each application of a factory.

    Nothing is asked of a hub, and no setting is read, until `host` is first used. An error of the client that
    a view does not catch becomes an HTTP answer (docs/flask.md, "Errors").

    Config keys, each of which may be missing: SCRAMJET_API_URL, SCRAMJET_PROFILE, SCRAMJET_TOKEN,
    SCRAMJET_TIMEOUT (seconds or `Timeouts`) and SCRAMJET_CA_BUNDLE are the arguments of `HostClient.from_env`, and
    come before the environment; SCRAMJET_HEADERS, SCRAMJET_CERT and SCRAMJET_RETRIES are those of `HostClient`;
    SCRAMJET_HANDLE_ERRORS=False leaves errors to the application.

    Args:
        app: The application, or None for `init_app` later.
    """

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
        """The current application's client: one for each process, for all of its threads.

        Raises:
            RuntimeError: There is no application context, or `init_app` was not called for its application.
            ConfigurationError: A setting can't be used; says which.
        """
        return _clients().host


class _Clients:
    """The client of one application, made anew after a fork."""

    def __init__(self, app: Flask) -> None:
        self._config = app.config
        # By the process that made it: a lock could be held for ever on the other side of a fork.
        self._made: dict[int, HostClient] = {}

    @property
    def host(self) -> HostClient:
        process = os.getpid()
        host = self._made.get(process)
        if host is None:
            # Two threads may make one each; both then get the first, and the other holds nothing yet.
            host = self._made.setdefault(process, self._new())
            for other in set(self._made) - {process}:
                # Closes this process's copies of its connections, which the other process goes on using.
                self._made.pop(other, None)
        return host

    @property
    def client(self) -> HttpClient | None:
        """The HTTP client, if it was ever needed."""
        host = self._made.get(os.getpid())
        return None if host is None else host.client

    def _new(self) -> HostClient:
        config = self._config
        return HostClient.from_env(
            profile=config["SCRAMJET_PROFILE"],
            api_base=config["SCRAMJET_API_URL"],
            token=config["SCRAMJET_TOKEN"],
            headers=config["SCRAMJET_HEADERS"],
            timeout=config["SCRAMJET_TIMEOUT"],
            verify=config["SCRAMJET_CA_BUNDLE"],
            cert=config["SCRAMJET_CERT"],
            retries=config["SCRAMJET_RETRIES"],
        )


def _clients() -> _Clients:
    found = current_app.extensions.get(_KEY)
    if found is None:
        raise RuntimeError(
            f"the extension is not set up for {current_app.name!r}: call Scramjet(app) or init_app(app) first"
        )
    clients: _Clients = found
    return clients


def _answer(error: ScramjetError) -> Any:
    """Return the HTTP answer that an error means; also that of what the browser did wrong in an upload."""
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


def stream_response(
    stream: Any,
    *,
    mimetype: str = "application/octet-stream",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer that sends what a live stream gives, as it comes.

    The headers are sent at once. The stream is closed when it has ended, and when the browser leaves: at a write
    that fails, or, while the stream is silent, within half a second where the server lets it be seen (docs/flask.md,
    "Servers"). If it ends with an error, the connection is cut, so that nobody takes the part for the whole.

    Args:
        stream: An `OutputStream`, or any iterable of bytes or str, which is closed if it has a `close()`.
        mimetype: What it carries; text is UTF-8.
        status: HTTP status.
        headers: Further headers.
    """
    chunks = getattr(stream, "chunks", None)
    items = chunks() if callable(chunks) else map(_bytes, stream)
    body = LiveBody(items, stream, has_left(request.environ))
    return _live(body, mimetype, status, headers)


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

    Each line of an `OutputStream` is an event, and each item of another iterable: text and bytes as they are, an
    instance's events (of an `EventStream`) under their own names with their data as JSON, other values as
    JSON, and a `ServerSentEvent` as it says.

    It is closed as by `stream_response`; with other servers than those at the second or third heartbeat, which is
    within 15 seconds by default (docs/flask.md, "Servers").

    Args:
        stream: What to send; closed at the end if it has a `close()`.
        event: Name of the events; None is "message".
        ids: Whether to number them. A browser that comes back says the last number it has seen, and counting
            goes on from there; what it has missed is not sent again, as hubs keep nothing.
        retry: Seconds after which the browser is to connect again.
        heartbeat: Seconds of silence after which a comment is sent, for proxies that cut silent connections, and
            for servers that find out by writing alone that a browser has left.
        end: Name of the event after the end, on which the page should call `close()`: an `EventSource`
            connects again otherwise. None sends none.
        failed: Name of the event for an error, with {"code": ..., "message": ...} as JSON. None cuts the
            connection instead.
        headers: Further headers.
    """
    for name in (event, end, failed):
        # A wrong one would be found when an event of it comes.
        ServerSentEvent(event=name)
    silence = duration("heartbeat", heartbeat) or LONGEST_WAIT
    again = duration("retry", retry, zero=True)
    clients, log = current_app.extensions.get(_KEY), current_app.logger

    def tell(error: ScramjetError) -> bytes:
        log.error("a stream of events ended: %s", error, exc_info=error)
        known = told(error, None if clients is None else clients.client)
        return as_event(known, failed).encode()

    events = encoded(items_of(stream), name=event, first_id=_next_id() if ids else None, end=end)
    # A comment has the browser told at once that it is connected.
    first = b": connected\n\n" if again is None else f"retry: {again * 1000:.0f}\n\n".encode()
    body = LiveBody(
        events, stream, has_left(request.environ),
        first=first, heartbeat=HEARTBEAT, every=silence, last=None if failed is None else tell,
    )  # fmt: skip
    return _live(body, "text/event-stream", 200, headers)


def request_source(piece: int = 8192) -> Iterator[bytes]:
    """Return the body of the current request as a source, to be sent on while it comes.

        instance.send_input(request_source(), type="text/plain", end=True)

    Nothing is kept, and a slow program holds the browser back. A body that breaks off never looks like a whole
    one: the upload fails. (Servers that say themselves where a body ends, as Gunicorn, let the stream of a request
    whose browser has left end as if all of it had come; so prefer this to `request.stream`.)

    The request must live as long as the upload: use `send_input`, or wait for what `submit_input` returns.

    Args:
        piece: Bytes that are waited for before they are sent on. Gunicorn waits for 1,024 at least.

    Raises:
        LengthRequired: The body has no length, and this server does not say where it ends: an answer 411.
        ClientDisconnected: While it is read: the browser left before the end.
    """
    if piece < 1:
        raise ValueError(f"piece must be 1 byte or more, not {piece!r}")
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if chunked and not request.environ.get("wsgi.input_terminated"):
        # Werkzeug would give an empty body: all of the data would be lost without a word.
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
    """Return the number after the last that the browser has seen."""
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
