"""What holds for every request: headers, the environment, retries, limits, and what is never shown."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path

import pytest
import responses

from scramjet_client import (
    HostClient,
    HttpClient,
    HubConnectionError,
    HubTimeoutError,
    InvalidResponseError,
    ServerError,
    Timeouts,
)
from scramjet_client.http.settings import route
from tests.support.wire import Conn, RawServer, Request

BASE = "http://127.0.0.1:8000/api/v1"
TOKEN = "a-very-secret-token"


class Recorder:
    """A server that keeps each request and answers `{}`."""

    def __init__(self) -> None:
        self.requests: list[tuple[Request, bytes]] = []
        self._server = RawServer(self._handle)
        self.url = self._server.url

    def _handle(self, conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            self.requests.append((request, conn.read_body(request)))
            conn.send_json("200 OK", {}, typed=False)

    def __enter__(self) -> Recorder:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.stop()


def test_headers_of_json_calls():
    """Hubs want exactly these spellings, on DELETE too."""
    with Recorder() as hub, HttpClient(hub.url, headers={"X-Team": "a"}) as client:
        client.get("a", params={"q": "ą b"})
        client.post("b", {"ą": 1})
        client.delete("c")

    (get, _), (post, body), (delete, nothing) = hub.requests
    assert get.target == "/api/v1/a?q=%C4%85+b"
    assert get.headers["accept"] == "*/*"
    assert get.headers["accept-encoding"] == "identity"
    assert get.headers["user-agent"].startswith("scramjet-client-python/")
    assert get.headers["x-team"] == "a"
    assert "content-type" not in get.headers
    assert "authorization" not in get.headers
    assert (post.headers["content-type"], json.loads(body)) == ("application/json", {"ą": 1})
    assert (delete.headers["content-type"], nothing) == ("application/json", b"")


def test_token_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog):
    """A token goes to the hub, whatever .netrc says, and stands in no repr, log or error."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password other\n")
    monkeypatch.setenv("NETRC", str(netrc))

    with caplog.at_level(logging.DEBUG), Recorder() as hub:
        with HostClient(hub.url, token=TOKEN, retries=0) as host:
            host.client.get("a")
            shown = [repr(host), repr(host.client), repr(host.get_instance_client("i"))]
            with pytest.raises(InvalidResponseError) as caught:
                host.get_version()
        with HttpClient(hub.url) as anonymous:
            anonymous.get("a")

    assert hub.requests[0][0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in hub.requests[-1][0].headers
    assert TOKEN not in " ".join([*shown, str(caught.value), caplog.text])


def test_proxy_variables_do_not_apply_to_loopback(
    monkeypatch: pytest.MonkeyPatch, closed_port: int
):
    """A hub on this machine is reached directly; another one through the proxy that was named."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")

    with Recorder() as hub, HttpClient(hub.url) as client:
        assert client.get("a") == {}
    with HttpClient("http://hub.invalid/api/v1", retries=0) as client:
        with pytest.raises(HubConnectionError, match="refused"):
            client.get("a")


def test_no_cookie_is_kept():
    """What a hub or proxy sets is not sent back."""

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            seen.append(request.headers)
            conn.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}")

    seen: list[dict[str, str]] = []
    with RawServer(handle) as server, HttpClient(server.url) as client:
        client.get("a")
        client.get("a")

    assert [each.get("cookie") for each in seen] == [None, None]


@pytest.mark.parametrize(("method", "deliveries"), [("get", 3), ("post", 1), ("delete", 1)])
def test_only_gets_are_sent_again(method: str, deliveries: int):
    """A connection that breaks under a GET is tried again, under anything else it is not."""
    delivered: list[str] = []

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        if request is not None:
            delivered.append(request.method)

    with RawServer(handle) as server, HttpClient(server.url, retries=2) as client:
        with pytest.raises(HubConnectionError):
            getattr(client, method)("a")

    assert len(delivered) == deliveries


def test_a_retry_succeeds_and_is_logged(caplog: pytest.LogCaptureFixture):
    """A hub that comes back in between is found, and the log says that it was asked twice."""
    count = 0

    def handle(conn: Conn) -> None:
        nonlocal count
        conn.read_request()
        count += 1
        if count == 2:
            conn.send_json("200 OK", {"n": count})

    with caplog.at_level(logging.INFO, "scramjet_client"), RawServer(handle) as server:
        with HttpClient(server.url) as client:
            assert client.get("a") == {"n": 2}

    assert "trying again" in caplog.text


def test_refused_connections_are_tried_again_for_everything(
    closed_port: int, caplog: pytest.LogCaptureFixture
):
    """What never left can't be done twice, so a POST is tried again too."""
    with HttpClient(f"http://127.0.0.1:{closed_port}/api/v1", retries=2) as client:
        with caplog.at_level(logging.INFO, "scramjet_client"):
            with pytest.raises(HubConnectionError) as caught:
                client.post("a", {})

    assert caught.value.code == "CANNOT_CONNECT"
    assert "trying again" in caplog.text


def test_limit_is_for_the_whole_answer():
    """A hub that goes on and on with its answer does not outlive the limit."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
        while not gate.is_set():
            conn.send(b" ")

    gate = threading.Event()
    with RawServer(handle) as server:
        with HttpClient(server.url, timeout=0.4, retries=0) as client:
            began = time.monotonic()
            with pytest.raises(HubTimeoutError) as caught:
                client.get("a")
            assert time.monotonic() - began >= 0.4
        gate.set()

    assert isinstance(caught.value, TimeoutError)
    assert caught.value.code == "REQUEST_TIMEOUT"


@responses.activate
def test_shape_of_a_request():
    """requests' own mocks see the calls: the adapter's `send` is untouched."""
    responses.get(f"{BASE}/version", json={"version": "0.18.7"})
    responses.get(f"{BASE}/instances", body="nope")
    responses.get(f"{BASE}/sequences", status=502, body="<html>Bad Gateway</html>")
    with HostClient() as host:
        assert host.get_version().version == "0.18.7"
        with pytest.raises(InvalidResponseError, match="not JSON"):
            host.list_instances()
        with pytest.raises(ServerError, match="Bad Gateway"):
            host.list_sequences()


@responses.activate
def test_mocked_stream():
    """A stream of a mocked answer can be read, though there is no socket below it."""
    responses.get(f"{BASE}/log", body=b'{"a":1}\n')
    with HostClient() as host, host.get_log_stream() as log:
        assert list(log.records()) == [{"a": 1}]


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        ("ftp://hub/api/v1", ValueError),
        ("hub:8000", ValueError),
        ("http://", ValueError),
        ("http://user:pass@hub/api/v1", ValueError),
        ("http://hub/api/v1?x=1", ValueError),
        (5, TypeError),
    ],
)
def test_unusable_addresses(base, kind):
    """An address that can't be a hub's is refused when the client is made, without showing secrets."""
    with pytest.raises(kind) as caught:
        HttpClient(base)

    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        (("instance", "abc"), "instance/abc"),
        (("instance", "a/b", "log"), "instance/a%2Fb/log"),
        (("instance", "../x"), "instance/..%2Fx"),
        (("instance", "ą b%2e?#"), "instance/%C4%85%20b%252e%3F%23"),
    ],
)
def test_routes(segments, path):
    """Each segment stays one segment."""
    assert route(*segments) == path


@pytest.mark.parametrize(("value", "kind"), [(0, ValueError), (-1, ValueError), ("5", TypeError)])
def test_limits_must_make_sense(value, kind):
    """A limit of no time, or of another type, is refused."""
    with pytest.raises(kind):
        HttpClient(BASE, timeout=value)


def test_timeouts_are_taken_as_they_are():
    """A `Timeouts` sets all four limits."""
    limits = Timeouts(connect=1, read=2, write=3, idle=4)

    assert HttpClient(BASE, timeout=limits).timeouts == limits


def test_loggers_hear_of_each_request(closed_port: int):
    """`add_logger` is told of requests, answers, failures and ends."""
    heard: list[str] = []

    class Logger:
        def __getattr__(self, name: str):
            return lambda *args: heard.append(name)

    with Recorder() as hub, HttpClient(hub.url) as client:
        client.add_logger(Logger())
        client.get("a")
    with HttpClient(f"http://127.0.0.1:{closed_port}/x", retries=0) as client:
        client.add_logger(Logger())
        with pytest.raises(HubConnectionError):
            client.get("a")

    assert heard == ["request", "ok", "end", "request", "error", "end"]
