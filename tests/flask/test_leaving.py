"""A browser that leaves: the hub's stream is let go, and nobody is told of an error."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
import requests
from flask import Flask

from scramjet_client.instances.client import InstanceClient
from scramjet_client.integrations.flask import Scramjet, event_stream_response, stream_response
from tests.flask.servers import WORKERS, Served, gunicorn, uwsgi, waitress, werkzeug
from tests.flask.upstream import SECRET, Upstream
from tests.surroundings.test_nginx import DEFAULT, NGINX, nginx

LIMIT = 60.0  # seconds that only a failure uses up


SOURCES: dict[str, Callable[[InstanceClient], Any]] = {
    "output": lambda instance: event_stream_response(instance.get_stream("output")),
    "log": lambda instance: event_stream_response(instance.get_log_stream()),
    "instance events": lambda instance: event_stream_response(instance.get_event_stream("x")),
    "reconnecting": lambda instance: event_stream_response(
        instance.get_reconnecting_stream("output")
    ),
    "bytes": lambda instance: stream_response(instance.get_stream("output")),
}
"""What an application sends on, each from an instance that says one thing and is silent then."""


@pytest.mark.parametrize("source", SOURCES)
def test_our_own_close_is_silent(
    source: str, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """When the server gives an answer up, its stream ends without a line in the log."""
    app = Flask(__name__)
    app.config.update(SCRAMJET_API_URL=upstream.url, SCRAMJET_TOKEN=SECRET)
    scramjet = Scramjet(app)

    @app.route("/")
    def view() -> Any:
        return SOURCES[source](scramjet.host.get_instance_client("silent"))

    before = set(threading.enumerate())
    answer = app.test_client().get("/", buffered=False)
    pieces = iter(answer.response)
    next(pieces)
    if source != "instance events":  # whose first is not one
        next(pieces)
    assert upstream.watching.wait(LIMIT)
    reading = [each for each in threading.enumerate() if each.name.startswith("scramjet-flask-")]
    with caplog.at_level(logging.DEBUG):
        answer.close()
        for each in set(reading) - before:
            each.join(LIMIT)
            assert not each.is_alive()
    with app.app_context():
        scramjet.host.close()

    assert upstream.left.wait(LIMIT)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_what_the_hub_breaks_is_still_an_error(
    upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream that the hub cuts is logged, and the page is told."""
    app = Flask(__name__)
    app.config.update(SCRAMJET_API_URL=upstream.url, SCRAMJET_TOKEN=SECRET)
    scramjet = Scramjet(app)

    @app.route("/")
    def view() -> Any:
        return event_stream_response(scramjet.host.get_instance_client("cut").get_stream("output"))

    text = app.test_client().get("/").text

    with app.app_context():
        scramjet.host.close()

    assert "event: failed" in text
    assert ["a stream of events ended" in each.getMessage() for each in caplog.records] == [True]


APPLICATION = "tests.flask.app:create_app"
CALLED = f"{APPLICATION}()"


@attrs.frozen
class Server:
    """A server, and the seconds between heartbeats with which it finds out that a browser has left."""

    run: Callable[..., AbstractContextManager[Served]]
    options: tuple[str, ...]
    heartbeat: float

    def __call__(self, upstream: Upstream) -> AbstractContextManager[Served]:
        """Run it."""
        application = APPLICATION if self.run is waitress else CALLED
        return self.run(
            application,
            *self.options,
            SCRAMJET_API_URL=upstream.url,
            SCRAMJET_TOKEN=SECRET,
            SCRAMJET_TIMEOUT="60",
        )


NEVER = 3600.0

SERVERS = {
    **{
        f"gunicorn {worker}": Server(gunicorn, tuple(options), NEVER)
        for worker, options in WORKERS.items()
    },
    "werkzeug": Server(werkzeug, (), NEVER),
    "waitress": Server(waitress, (), 0.2),
    "waitress that reads ahead": Server(waitress, ("--channel-request-lookahead=1",), NEVER),
    "uwsgi": Server(uwsgi, (), NEVER),
    "uwsgi with threads": Server(uwsgi, ("--threads", "4"), NEVER),
    "uwsgi with gevent": Server(uwsgi, ("--gevent", "20", "--gevent-monkey-patch"), NEVER),
}
"""The table of docs/flask.md, "Servers"; uWSGI is installed for it."""

USUAL = [
    pytest.param(name, marks=[pytest.mark.long] if name.startswith("uwsgi") else [])
    for name in SERVERS
]


@contextlib.contextmanager
def watching(served: Served, path: str) -> Iterator[socket.socket]:
    """Be a browser that has read all that came; leaving the block closes its connection."""
    address = urlsplit(served.url)
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 80), timeout=LIMIT) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        came = b""
        while b"hello" not in came:
            piece = sock.recv(65536)
            assert piece, came
            came += piece
        yield sock


@pytest.mark.parametrize("name", USUAL)
def test_every_server_lets_a_stream_go(name: str, upstream: Upstream) -> None:
    """The stream of a browser that has left is closed, though it is silent, and no server logs an error."""
    server = SERVERS[name]
    with server(upstream) as served:
        with watching(served, f"/events/silent?heartbeat={server.heartbeat}"):
            assert not upstream.left.is_set()

        assert upstream.left.wait(LIMIT)

    log = "".join(served.log)
    assert "Traceback" not in log
    assert "ERROR" not in log


def test_browsers_that_left_hold_no_thread_of_waitress(upstream: Upstream) -> None:
    """All four threads had a browser on a silent stream; when those have left, others are answered."""
    with SERVERS["waitress that reads ahead"](upstream) as served:
        with contextlib.ExitStack() as browsers:
            for _ in range(4):
                browsers.enter_context(watching(served, f"/events/silent?heartbeat={NEVER}"))

        assert requests.get(f"{served.url}/client", timeout=LIMIT).json()["version"] == "1.0.1"


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
@pytest.mark.parametrize(
    "location", [DEFAULT, DEFAULT.replace("{\n", "{\n    proxy_http_version 1.1;\n", 1)]
)
def test_nginx_passes_on_what_comes_and_who_leaves(
    location: str, upstream: Upstream, tmp_path: Path
) -> None:
    """Behind the nginx that everybody has, events come as they come, and a browser that leaves is seen."""
    with SERVERS["gunicorn gthread"](upstream) as served:
        port = urlsplit(served.url).port
        assert port
        with nginx(tmp_path, location, port) as front:
            behind = attrs.evolve(served, url=f"http://127.0.0.1:{front}")
            with watching(behind, f"/events/silent?heartbeat={NEVER}"):
                assert not upstream.left.is_set()

            assert upstream.left.wait(LIMIT)
