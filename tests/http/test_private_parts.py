"""Canaries for the private parts of other libraries that docs/decisions/private-parts.md lists."""

from __future__ import annotations

import http.client
import inspect
import io
import socket
import ssl
from collections.abc import Iterator

import pytest
import requests.adapters
import urllib3
import urllib3.connection
import urllib3.contrib.socks
from urllib3.util.ssl_ import create_urllib3_context


@pytest.mark.parametrize(
    ("owner", "name", "arguments"),
    [
        (urllib3.HTTPConnectionPool, "_get_conn", {"timeout"}),
        (urllib3.HTTPConnectionPool, "_put_conn", {"conn"}),
        (urllib3.HTTPConnectionPool, "_new_conn", set()),
        (ssl.SSLSocket, "_real_close", set()),
        (http.client.HTTPResponse, "begin", set()),
        (urllib3.contrib.socks.SOCKSConnection, "_new_conn", set()),
        (requests.adapters.HTTPAdapter, "init_poolmanager", {"connections", "maxsize", "block"}),
        (requests.adapters.HTTPAdapter, "proxy_manager_for", {"proxy"}),
        pytest.param(
            requests.adapters.HTTPAdapter,
            "get_connection_with_tls_context",
            {"request", "verify", "proxies", "cert"},
            marks=pytest.mark.skipif(
                not hasattr(requests.adapters.HTTPAdapter, "get_connection_with_tls_context"),
                reason="requests has it since 2.32",
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_methods_that_are_overridden(owner: type, name: str, arguments: set[str]) -> None:
    """Each method that the client overrides still exists and takes the same arguments."""
    method = getattr(owner, name, None)

    assert method is not None, f"{owner.__name__} has no {name} any more: see http/connection.py"
    missing = arguments - set(inspect.signature(method).parameters)
    assert not missing, f"{owner.__name__}.{name} does not take {missing} any more"


def test_pools_are_made_by_class_and_scheme() -> None:
    """A pool manager makes its pools of the classes that it was given, and lists them."""
    made = []

    class Pool(urllib3.HTTPConnectionPool):
        def __init__(self, *args: object, **kwargs: object) -> None:
            made.append(args)
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    manager = urllib3.PoolManager()
    manager.pool_classes_by_scheme = {"http": Pool}
    pool = manager.connection_from_url("http://127.0.0.1:9/")

    assert made, "urllib3 does not use pool_classes_by_scheme any more: see DuplexAdapter"
    assert [manager.pools[key] for key in manager.pools.keys()] == [pool]  # noqa: SIM118 - it can't be iterated


def test_a_closed_pool_says_so() -> None:
    """A pool that is closed has no queue of connections any more."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1", 9)
    assert pool.pool is not None
    pool.close()

    assert pool.pool is None, "urllib3 keeps the queue of a closed pool: see DuplexAdapter"


def test_a_body_is_asked_for_after_the_head() -> None:
    """urllib3 sends the head of a chunked request before it takes the first piece, and ends the body by `send`."""
    events: list[str] = []

    class Connection(urllib3.connection.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket()

        def send(self, data: object) -> None:
            text = bytes(data)  # type: ignore[call-overload]
            events.append("head" if text.startswith(b"POST") else text.decode())

    def body() -> Iterator[bytes]:
        events.append("asked")
        yield from ()

    connection = Connection("127.0.0.1", 9)
    # 1.26 has a method of its own for chunked bodies.
    send = getattr(connection, "request_chunked", None) or connection.request
    try:
        if hasattr(connection, "request_chunked") and urllib3.__version__.startswith("1."):
            send("POST", "/", body=body(), headers={})
        else:
            connection.request("POST", "/", body=body(), headers={}, chunked=True)
    finally:
        connection.close()

    assert events == ["head", "asked", "0\r\n\r\n"], (
        "urllib3 sends bodies in another order: see _Handover"
    )


def test_the_context_keeps_its_class_of_sockets() -> None:
    """A context makes its sockets of the class that it is told, and ssl keeps OpenSSL's object in `_sslobj`."""

    class Mine(ssl.SSLSocket):
        pass

    context = create_urllib3_context(cert_reqs=ssl.CERT_NONE)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = Mine
    left, right = socket.socketpair()
    try:
        wrapped = context.wrap_socket(left, do_handshake_on_connect=False)
        with wrapped:
            assert type(wrapped) is Mine
            assert hasattr(wrapped._sslobj, "read"), (
                "ssl has no _sslobj.read any more: see http/tls.py"
            )  # type: ignore[attr-defined]
            assert hasattr(wrapped, "suppress_ragged_eofs")
            kind = type(wrapped._sslobj)  # type: ignore[attr-defined]  # typeshed leaves it out
        in_memory = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
        assert type(getattr(in_memory, "_sslobj", None)) is kind, (
            "ssl.SSLObject has no _sslobj for an SSLSocket any more: see http/tls.py"
        )
    finally:
        right.close()


def test_an_answer_reads_from_fp() -> None:
    """http.client reads heads from `fp`, a buffered file, and makes answers of the connection's `response_class`."""
    left, right = socket.socketpair()
    with left, right:
        right.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        answer = http.client.HTTPResponse(left)
        answer.fp = io.BufferedReader(answer.fp.detach())
        answer.begin()
        body = answer.fp.read1(2)
        answer.close()

    assert body == b"hi"
    assert hasattr(http.client.HTTPConnection, "response_class")


def test_an_answer_begins_again() -> None:
    """http.client reads one more head if `headers` is None again, and leaves how the body is framed in attributes."""
    left, right = socket.socketpair()
    with left, right:
        right.sendall(b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        answer = http.client.HTTPResponse(left)
        answer.begin()
        first = answer.status
        answer.headers = answer.msg = None
        answer.begin()
        answer.close()

    assert (first, answer.status) == (103, 200), "http.client reads heads otherwise: see Answer"
    assert (answer.chunked, answer.length, answer.will_close) == (False, 2, False)
