"""The inside of forward proxies: a connection is opened and its bytes are passed on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable

from tests.support.wire import Conn, Request


def passed_on(
    conn: Conn, request: Request, address: tuple[str, int], headers: Iterable[tuple[str, str]]
) -> None:
    """Connect to an address, and pass on everything both ways: a tunnel for CONNECT, else the request and what follows.

    Args:
        conn: The connection to the client.
        request: Its request, whose target is an absolute URL or that of CONNECT.
        address: Where to connect to.
        headers: The headers of the request that go on.
    """
    with socket.create_connection(address) as onward:
        if request.method == "CONNECT":
            conn.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = "/" + request.target.split("/", 3)[3]
            lines = [f"{request.method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers)]
            onward.sendall("\r\n".join([*lines, "", ""]).encode() + conn._buffer)
        back = threading.Thread(target=_pump, args=(onward, conn.raw), name="test-proxy")
        back.start()
        _pump(conn.raw, onward)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
