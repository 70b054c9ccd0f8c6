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
        _both_ways(conn, onward)


def socks_to(
    conn: Conn, port: int, asked: list[str], login: tuple[bytes, bytes] | None = None
) -> None:
    """Be a SOCKS proxy, of version 4 (with names, 4a) or 5 (RFC 1928 and 1929), that leads to a port of this machine.

    Args:
        conn: The connection to the client.
        port: Where everything leads to.
        asked: Gets what the client asks for, as in "5 hub.invalid".
        login: The user and the password that version 5 wants, or None.
    """
    if conn._take(1) == b"\x04":
        conn._take(3)
        host = socket.inet_ntoa(conn._take(4))
        _until_zero(conn)
        # An address like this one stands for a name that follows.
        host = _until_zero(conn).decode() if host.startswith("0.0.0.") else host
        asked.append(f"4 {host}")
        granted = b"\x00\x5a" + bytes(6)
    else:
        methods = conn._take(conn._take(1)[0])
        conn.send(b"\x05\x00" if login is None else b"\x05\x02")
        if login is not None:
            assert b"\x02" in methods
            conn._take(1)
            given = (conn._take(conn._take(1)[0]), conn._take(conn._take(1)[0]))
            conn.send(b"\x01\x00" if given == login else b"\x01\x01")
            if given != login:
                return
        kind = conn._take(4)[3]
        host = (
            socket.inet_ntoa(conn._take(4)) if kind == 1 else conn._take(conn._take(1)[0]).decode()
        )
        conn._take(2)
        asked.append(f"5 {host}")
        granted = b"\x05\x00\x00\x01" + bytes(6)
    with socket.create_connection(("127.0.0.1", port)) as onward:
        conn.send(granted)
        _both_ways(conn, onward)


def _until_zero(conn: Conn) -> bytes:
    return b"".join(iter(lambda: conn._take(1), b"\x00"))


def _both_ways(conn: Conn, onward: socket.socket) -> None:
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
