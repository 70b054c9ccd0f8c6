"""Connections: what is reused, what is not, and what an early or broken answer does to an upload."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable

import pytest
import requests

from scramjet_client import (
    HttpClient,
    HubConnectionError,
    HubResponseError,
    NotFoundError,
    StreamInterruptedError,
    Timeouts,
    Tuning,
    UploadError,
)
from scramjet_client.http.body import BodyWriter
from scramjet_client.uploads.sources import Source
from tests.support.certs import Certificates
from tests.support.forwarding_proxy import passed_on
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

OK = {"ok": True}


def answering(answer: Callable[[Conn], object]) -> Callable[[Conn], None]:
    """Return a handler that reads whole requests and answers each of them."""

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            conn.read_body(request)
            answer(conn)

    return handle


def ok(conn: Conn) -> None:
    conn.send_json("200 OK", OK)


def test_connection_is_reused():
    """JSON calls and clean uploads share one connection."""
    with RawServer(answering(ok)) as server, HttpClient(server.url) as client:
        for _ in range(3):
            assert client.get("a") == OK
            assert client.post("b", {"x": 1}) == OK
            client.send_stream("c", [b"data"])

    assert server.connections == 1


def test_many_streams_end_without_a_word(caplog: pytest.LogCaptureFixture):
    """More streams than a pool keeps connections for may end: no warning, and no connection is kept too many."""

    def stream(conn: Conn) -> None:
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        conn.wait_closed(LIMIT)

    with RawServer(stream) as server, HttpClient(server.url) as client:
        streams = [client.get_stream("a") for _ in range(30)]
        assert [each.read() for each in streams] == [b"x"] * 30

    assert server.connections == 30
    # Uploads that another test has left to the garbage collector may be told of meanwhile.
    assert [each.message for each in caplog.records if each.name.startswith("urllib3")] == []


def test_closed_client_keeps_no_connection():
    """What begins after `close`, such as an upload whose thread was late, leaves no connection open behind it."""
    left = threading.Event()

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        conn.read_body(request)
        ok(conn)
        if conn.wait_closed(LIMIT):
            left.set()

    with RawServer(handle) as server:
        client = HttpClient(server.url)
        client.close()
        client.send_stream("a", [b"data"])
        assert left.wait(LIMIT)


def test_closed_client_can_be_used_again():
    """A pool that `close` has emptied is not used again: the next call opens one."""
    with RawServer(answering(ok)) as server:
        client = HttpClient(server.url)
        assert client.get("a") == OK
        client.close()
        assert client.get("b") == OK
        client.close()

    assert server.connections == 2


@pytest.mark.skipif(
    not hasattr(requests.adapters.HTTPAdapter, "get_connection_with_tls_context"),
    reason="requests asks for it since 2.32",
)
def test_pool_follows_what_requests_asks_for():
    """The pool of the last request is given again for the same host and certificates alone, until it is closed."""
    adapter = HttpClient("https://hub.example/api/v1")._session.get_adapter("https://hub.example/")

    def pool(url: str, *, verify: object = True, proxies: object = None) -> object:
        request = requests.Request("GET", url).prepare()
        return adapter.get_connection_with_tls_context(request, verify, proxies=proxies)

    first = pool("https://hub.example/a")
    proxied = pool("https://hub.example/a", proxies={"https": "http://proxy.example:3128"})
    assert pool("https://hub.example/b?c") is first
    assert proxied is not first
    assert pool("https://hub.example/a", verify=False) is not first
    assert pool("https://hub.example:8443/a") is not first
    assert pool("https://hub.example/a") is first
    adapter.close()
    assert pool("https://hub.example/a") is not first


@pytest.mark.parametrize(("pool_idle", "connections"), [(3600.0, 1), (0.0, 2)])
def test_idle_connection_is_not_reused(pool_idle: float, connections: int):
    """A connection that the hub may be closing right now is left alone."""
    tuning = Tuning(pool_idle=pool_idle)
    with RawServer(answering(ok)) as server, HttpClient(server.url, tuning=tuning) as client:
        client.get("a")
        client.get("a")

    assert server.connections == connections


def test_pooled_connections_are_left_before_hubs_close_them():
    """By itself a client uses no connection that was idle for as long as the 5 s after which hubs close."""
    assert Tuning().pool_idle < 5


FORK = """
import os, sys
from scramjet_client import HttpClient
client = HttpClient(sys.argv[1])
client.get("parent")
child = os.fork()
if not child:
    client.get("child")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
client.get("parent")
"""


def test_fork_gets_fresh_connections():
    """A child does not use its parent's connection, which the parent goes on using."""
    carried: list[list[str]] = []

    def handle(conn: Conn) -> None:
        mine: list[str] = []
        carried.append(mine)
        while (request := conn.read_request()) is not None:
            mine.append(request.target.rpartition("/")[2])
            ok(conn)

    with RawServer(handle) as server:
        subprocess.run([sys.executable, "-c", FORK, server.url], check=True, timeout=LIMIT)

    assert carried == [["parent", "parent"], ["child"]]


def test_late_chunks_never_land_in_another_request():
    """An upload whose answer came early and closed the connection writes nowhere else, ever."""
    foreign: list[bytes] = []

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        if request is None:
            return
        if request.method == "POST":
            conn.read_chunk()
            conn.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            conn.wait_closed(LIMIT)
            return
        conn.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
        conn.raw.settimeout(0.05)
        with contextlib.suppress(OSError):
            while data := conn.raw.recv(65536):
                foreign.append(data)

    def items():
        while True:
            yield b"late"

    with RawServer(handle) as server, HttpClient(server.url) as client:
        for _ in range(30):
            with pytest.raises((UploadError, HubConnectionError)):
                client.send_stream("upload", items())
            client.get("other")

    assert [data for data in foreign if b"late" in data] == []


def test_early_refusal_by_a_server_that_closes():
    """A refusal is found also where the server closes the connection under the upload."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.read_chunk()
        conn.send(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngone")

    def items():
        while True:
            yield b"x" * 1000

    with RawServer(handle) as server, HttpClient(server.url) as client:
        for _ in range(20):
            with pytest.raises((NotFoundError, HubConnectionError)) as caught:
                client.send_stream("upload", items())
        assert isinstance(caught.value, (NotFoundError, HubConnectionError))


def test_two_interim_answers():
    """Several `100 Continue` before the answer are not the answer."""

    def twice(conn: Conn) -> None:
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 2)
        ok(conn)

    with RawServer(answering(twice)) as server, HttpClient(server.url) as client:
        assert client.get("a") == OK
        assert "ok" in client.send_stream("b", [b"x"])


def test_early_end_of_the_answer_is_no_success():
    """A server that ends its answer before it has the body has not taken the body."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            list(conn.chunks())

    gate = threading.Event()

    def items():
        yield b"x"
        gate.wait(LIMIT)

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with pytest.raises(UploadError, match="before it had been taken"):
            client.send_stream("upload", items())
        gate.set()


@pytest.mark.parametrize("size", [100_000, 10_000_000])
def test_write_limit_is_for_no_progress_at_all(size: int):
    """`Timeouts.write` ends an upload of which nothing is taken for that long, however large a piece is."""
    gate = threading.Event()

    def handle(conn: Conn) -> None:
        conn.read_request()
        gate.wait(LIMIT)

    def items():
        while True:
            yield b"x" * size

    with RawServer(handle) as server:
        with HttpClient(server.url, timeout=Timeouts(write=0.3)) as client:
            began = time.monotonic()
            with pytest.raises(HubConnectionError, match=r"took nothing for 0\.3 s"):
                client.send_stream("upload", items())
            assert time.monotonic() - began >= 0.3
        gate.set()


def test_redirect_is_not_followed():
    """A redirect is an error that names where it leads, and nothing goes there, least of all a token."""

    def redirect(conn: Conn) -> None:
        conn.send(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/x\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    with RawServer(answering(redirect)) as server:
        with HttpClient(server.url, token="secret") as client:
            for call in (lambda: client.get("a"), lambda: client.send_stream("b", [b"x"])):
                with pytest.raises(HubResponseError, match=r"http://127\.0\.0\.1:9/x") as caught:
                    call()
                assert caught.value.status == 307
                assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "got", "ending"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc", None),
        (b"Content-Length: 3\r\n\r\nabc", b"abc", None),
        (b"Content-Length: 0\r\n\r\n", b"", None),
        (b"\r\nabc", b"abc", None),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"abc", StreamInterruptedError),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", b"abc", StreamInterruptedError),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", b"abc", StreamInterruptedError),
        (b"Content-Length: 5\r\n\r\nabc", b"abc", StreamInterruptedError),
    ],
)
def test_endings_of_a_stream(answer: bytes, got: bytes, ending):
    """The end of a stream is told apart from a connection that broke, in every framing."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\n" + answer)

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a") as stream:
            data = b""
            try:
                while chunk := stream.read1(100):
                    data += chunk
            except StreamInterruptedError:
                assert ending is StreamInterruptedError
            else:
                assert ending is None

    assert data == got


def test_compressed_stream():
    """A proxy that compresses unasked is understood, live."""
    packed = zlib.compressobj(wbits=31)
    first = packed.compress(b"one\n") + packed.flush(zlib.Z_SYNC_FLUSH)
    second = packed.compress(b"two\n") + packed.flush()
    gate = threading.Event()

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        conn.send_chunk(first)
        gate.wait(LIMIT)
        conn.send_chunk(second)
        conn.send(b"0\r\n\r\n")

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a") as stream:
            assert stream.readline() == b"one\n"
            gate.set()
            assert stream.read() == b"two\n"


def test_reset_is_an_interruption():
    """A connection that is reset in the middle of a stream is no end of it."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        gate.wait(LIMIT)
        conn.reset()

    gate = threading.Event()
    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a") as stream:
            assert stream.read(3) == b"abc"
            gate.set()
            with pytest.raises(StreamInterruptedError):
                stream.read()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
    ],
)
def test_live_in_every_framing(head: bytes):
    """What has arrived is given at once, also where a proxy removed the chunking."""
    gate = threading.Event()

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(head + (b"4\r\none\n\r\n" if b"chunked" in head else b"one\n"))
        gate.wait(LIMIT)

    with RawServer(handle) as server, HttpClient(server.url) as client:
        with client.get_stream("a") as stream:
            assert stream.readline() == b"one\n"
            gate.set()


def _proxy(seen: list[str]) -> Callable[[Conn], None]:
    """Return the handler of a forward proxy: CONNECT for TLS, absolute URLs for plain HTTP."""

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        seen.append(f"{request.method} {request.target}")
        authority = request.target if request.method == "CONNECT" else request.target.split("/")[2]
        host, _, port = authority.rpartition(":")
        passed_on(conn, request, (host, int(port)), request.headers.items())

    return handle


def test_upload_through_a_proxy(scheme: str, certificates: Certificates):
    """An endless upload through a proxy is refused as fast as without one, plain and by CONNECT."""
    seen: list[str] = []

    def items():
        while True:
            yield b"x" * 1000

    context = certificates.server_context() if scheme == "tls" else None
    with H1Hub(ssl_context=context) as hub, RawServer(_proxy(seen)) as proxy:
        proxies = dict.fromkeys(("http", "https"), f"http://127.0.0.1:{proxy.port}")
        with HttpClient(hub.url, proxies=proxies, verify=certificates.ca_path) as client:
            with pytest.raises(NotFoundError):
                client.send_stream("instance/nope/input", items())
            assert client.get("version")["version"] == "1.0.1"

    assert seen[0].startswith("CONNECT " if scheme == "tls" else "POST http://")


def test_write_limit_holds_whatever_the_sockets_own_limit_is():
    """A writer's limit is its own: the limit that the reading side has set does not stretch it."""
    left, right = socket.socketpair()
    writer = BodyWriter(Source(iter([b"x" * 100_000] * 1000)), stall_limit=0.3)
    with left, right:
        left.settimeout(3600)
        writer.attach(left)
        assert writer.join(LIMIT)

    assert isinstance(writer.error, TimeoutError)
