"""The other side of the endings: a scripted hub that notes what came, and breaks connections when told."""

from __future__ import annotations

import select
import socket
import ssl
import threading

from tests.support.scripted_hub import _KEEP, _STREAM, H1Hub, Instance
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, Request

UNKNOWN = "unknown"
"""An id that the hub does not know: it refuses early, and goes on reading."""

_TICK = 0.01
"""Seconds between two looks of an output that nothing is written to."""


class Record:
    """What the hub knows of one transfer.

    Attributes:
        received: What came of the body.
        whole: Whether its final chunk came.
        over: Set when the transfer's connection is used no more, or carries the next request.
        finish: Set by the test to let an output end.
        under_way: Set when the first chunk has come, or gone.
    """

    def __init__(self) -> None:
        self.received = b""
        self.whole = False
        self.over = threading.Event()
        self.finish = threading.Event()
        self.under_way = threading.Event()


class EndingsHub(H1Hub):
    """A 1.0 hub whose instances swallow their input, echo it on `inout`, and write "one", "two" to their output.

    Attributes:
        records: By instance.
        breaks: Instances whose connections end after the first chunk: "cut" (FIN) or "reset" (RST).
        stalls: Instances that read nothing until an event is set.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None) -> None:
        super().__init__(ssl_context=ssl_context)
        self.records: dict[str, Record] = {UNKNOWN: Record()}
        self.breaks: dict[str, str] = {}
        self.stalls: dict[str, threading.Event] = {}

    def add(self, breaks: str | None = None) -> tuple[Instance, Record]:
        """Add an instance and return it with its record."""
        instance = self.add_instance()
        record = self.records[instance.id] = Record()
        if breaks is not None:
            self.breaks[instance.id] = breaks
        return instance, record

    def _instance(self, conn: Conn, request: Request, id: str, route: str) -> bool:
        if id != UNKNOWN or request.method == "GET":
            return super()._instance(conn, request, id, route)
        conn.send_json("404 Not Found", {"error": f"Instance {id} not found"}, typed=False)
        return self._take(conn, self.records[id])

    def _upload(self, conn: Conn, request: Request, instance: Instance, route: str) -> bool:
        record = self.records[instance.id]
        end = request.headers["x-end-stream"] == "true"
        instance.input_ended = instance.input_ended or end
        status = "200 OK" if end else "202 Accepted"
        conn.send(f"HTTP/1.1 {status}\r\n{_KEEP}Transfer-Encoding: chunked\r\n\r\n".encode())
        if instance.id in self.stalls:
            self.stalls[instance.id].wait(LIMIT)
        taken = self._take(conn, record, self.breaks.get(instance.id))
        if taken:
            conn.send(b"0\r\n\r\n")
        return taken

    def _inout(self, conn: Conn, request: Request, instance: Instance) -> bool:
        record = self.records[instance.id]
        if instance.id in self.stalls:
            self.stalls[instance.id].wait(LIMIT)
        head = f"HTTP/1.1 200 OK\r\n{_KEEP}Transfer-Encoding: chunked\r\n\r\n".encode()
        taken = self._take(conn, record, self.breaks.get(instance.id), head)
        if taken:
            # The hub leaves it open and silent when the instance is gone.
            instance.end()
            conn.wait_closed(LIMIT)
        return False

    def _take(
        self, conn: Conn, record: Record, breaks: str | None = None, echo: bytes = b""
    ) -> bool:
        """Read a body, giving it back after the head `echo`; return whether it came whole."""
        try:
            for chunk in conn.chunks():
                record.received += chunk
                if echo:
                    if not record.under_way.is_set():
                        conn.send(echo)
                    conn.send_chunk(chunk)
                record.under_way.set()
                if breaks is not None:
                    self._break(conn, breaks)
                    return False
            record.whole = True
        finally:
            record.over.set()
        return True

    def _stream(self, conn: Conn, pipe: object) -> bool:
        instance = next(
            each for each in self.instances.values() if pipe is each.pipes.get("output")
        )
        record = self.records[instance.id]
        conn.send(_STREAM)
        conn.send_chunk(b"one\n")
        record.under_way.set()
        if instance.id in self.breaks:
            self._break(conn, self.breaks[instance.id])
            return False
        try:
            while not record.finish.wait(_TICK):
                # A client says nothing more during an output: what can be read is its going away.
                if self.stopped.is_set() or select.select([conn.raw], [], [], 0)[0]:
                    return False
            conn.send_chunk(b"two\n")
            conn.send(b"0\r\n\r\n")
        finally:
            record.over.set()
        return True

    @staticmethod
    def _break(conn: Conn, how: str) -> None:
        if how == "reset":
            conn.reset()
        else:
            # Half closed, because closing with something unread sends an RST.
            conn.raw.shutdown(socket.SHUT_WR)
            conn.wait_closed(LIMIT)
