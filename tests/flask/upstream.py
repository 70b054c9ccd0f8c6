"""A hub on a raw socket, whose instances are one behaviour each, and which notices when a client leaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from tests.support.wire import Conn, RawServer, Request, Truncated

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
PIECE = b"x" * 65536
SECRET = "secret-token-of-the-application"


def answer(conn: Conn, status: str, value: Any) -> None:
    """Answer with JSON on a connection that ends with it, so that none stays open in a pool."""
    body = json.dumps(value)
    conn.send(
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )


class Upstream:
    """The hub. The id of an instance says what it does: see `_outputs`.

    Attributes:
        watching: Set when it waits for the client of a live stream to leave.
        left: Set when the client of a live stream has closed its connection.
        received: Bodies of uploads that came to their end.
        parts: Bytes of the upload that is coming, as they come.
        broken: Set when an upload broke off.
    """

    def __init__(self) -> None:
        self.watching = threading.Event()
        self.left = threading.Event()
        self.broken = threading.Event()
        self.received: list[bytes] = []
        self.parts = bytearray()
        self._outputs: dict[str, Callable[[Conn], None]] = {
            "silent": self._silent,
            "mute": self._watch,
            "talking": self._talking,
            "short": lambda conn: self._send(conn, b"one\ntwo\r\nthree", b"0\r\n\r\n"),
            "cut": lambda conn: self._send(conn, b"one\ntwo", b""),
        }
        self.server = RawServer(self._serve)
        self.url = self.server.url

    def _serve(self, conn: Conn) -> None:
        request = conn.read_request()
        if request is None:
            return
        path = request.target[len("/api/v1/") :].split("/")
        if path == ["version"]:
            answer(conn, "200 OK", {"version": "1.0.1", "apiVersion": "v1"})
        elif path[0] != "instance" or path[1] == "missing":
            answer(conn, "404 Not Found", {"error": f"nothing here for {SECRET}"})
        elif path[1] == "late":
            conn.wait_closed(60)
        elif request.method == "POST":
            self._take(conn, request)
        elif len(path) == 2:
            python = {"config": {"engines": {"python3": "3.8.0"}}}
            answer(conn, "200 OK", {"id": path[1], "status": "running", "sequence": python})
        else:
            conn.send(HEAD)
            try:
                self._outputs[path[1]](conn)
            except ConnectionError:
                # It left before the first data.
                self.left.set()
                raise

    def _take(self, conn: Conn, request: Request) -> None:
        self.parts.clear()
        # A hub accepts an input before it has read it.
        conn.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: 2\r\n\r\n"
        )
        try:
            for chunk in conn.chunks():
                self.parts += chunk
        except (Truncated, ConnectionError):
            self.broken.set()
            raise
        self.received.append(bytes(self.parts))
        conn.send(b"{}")

    def _watch(self, conn: Conn) -> None:
        self.watching.set()
        if conn.wait_closed(60):
            self.left.set()

    def _silent(self, conn: Conn) -> None:
        conn.send_chunk(b"hello\n")
        self._watch(conn)

    def _talking(self, conn: Conn) -> None:
        try:
            while True:
                conn.send_chunk(PIECE)
        except OSError:
            self.left.set()

    def _send(self, conn: Conn, data: bytes, end: bytes) -> None:
        conn.send_chunk(data)
        conn.send(end)
