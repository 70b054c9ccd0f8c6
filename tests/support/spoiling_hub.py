"""A hub whose instances spoil what they are sent as Node.js runners of real hubs do.

The hub puts header lines before an instance's first input. The runner decodes the read that has them as UTF-8, with
everything that came in the same read, and encodes it again. Text is decoded read by read (docs/protocol.md, "The
first input"). Each read of stdin is put before what the program has not taken yet, and an end that comes then is lost
("The first stdin"). A program of a 0.x hub gets its input twice that comes before the hub has heard from it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from tests.support.scripted_hub import _KEEP, Ended, H1Hub, Instance
from tests.support.wire import Conn, Request

_READ = 65536
"""Bytes of a runner's read at the most."""


class NodeInstance(Instance):
    """An echo of its input to its output, and of its stdin to its stdout.

    Its runner comes to its first read, and its program takes its stdin, when the test says so.

    Attributes:
        loading: Looks (GET instance/ID) during which the program is still loading.
        computing: Further looks during which its function has not returned.
        busy: Seconds after the header lines for which it does not read; of an old one also seconds after its first
            health message for which it does not take its stdin.
        config: What the hub says of its sequence.
        old: Whether it is one of a 0.x hub. Looks say nothing then, and it sends its first health message when somebody
            asks for it.
        looks: How often it was looked at.
        heard: Whether it has sent a health message.
        lost_end: Whether the end of its stdin came before it took its stdin.
    """

    def __init__(
        self,
        id: str,
        stopped: threading.Event,
        *,
        loading: int = 0,
        computing: int = 0,
        busy: float = 0.0,
        config: dict[str, Any] | None = None,
        old: bool = False,
    ) -> None:
        super().__init__(id, stopped)
        self.loading = loading
        self.computing = computing
        self.busy = busy
        self.config = config or {"name": "echo", "engines": {"node": ">=14"}, "language": "js"}
        self.old = old
        self.looks = 0
        self.heard = False
        self.lost_end = False
        self._stdin: list[bytes] = []
        self._takes_stdin = False
        self._lines_at: float | None = None
        self._lines_read = False
        self._waiting = bytearray()
        # Guards the five above; notified when the header lines have been read.
        self._state = threading.Condition()

    @property
    def waiting(self) -> int:
        """Bytes that have come behind the header lines and have not been read."""
        with self._state:
            return len(self._waiting)

    def info(self) -> dict[str, Any]:
        """Return what GET instance/ID answers: `requires` and `provides` say how far the program is."""
        self.looks += 1
        info = super().info()
        if self.old:
            kept = ("id", "appConfig", "created", "started")
            return {**{name: info[name] for name in kept}, "sequence": f"of-{self.id}"}
        info["sequence"]["config"] = self.config
        del info["provides"]
        if self.looks > self.loading + self.computing:
            info["provides"] = ""
            self.take_stdin()
        elif self.looks > self.loading:
            info["requires"] = ""
        return info

    def hear(self) -> None:
        """Send a health message; the program of an old hub takes its stdin a moment after the first."""
        if self.old and not self.heard:
            threading.Timer(self.busy, self.take_stdin).start()
        self.heard = True

    def take_stdin(self) -> None:
        """Have the program take what its stdin holds, and from now on what comes."""
        with self._state:
            held, self._stdin, self._takes_stdin = self._stdin, [], True
            for piece in held:
                self.pipes["stdout"].write(piece)

    def put_stdin(self, data: bytes) -> None:
        """Take a piece of stdin."""
        for at in range(0, len(data), _READ):
            with self._state:
                if self._takes_stdin:
                    self.pipes["stdout"].write(data[at : at + _READ])
                else:
                    self._stdin.insert(0, data[at : at + _READ])

    def end_stdin(self) -> None:
        """Take the end of stdin, which is lost if nobody listens."""
        with self._state:
            self.lost_end = not self._takes_stdin
            if self._takes_stdin:
                self.pipes["stdout"].end()

    def headers_written(self) -> None:
        """Take the header lines, of the first input alone."""
        with self._state:
            if self._lines_at is None:
                self._lines_at = time.monotonic()
                threading.Thread(target=self._run, name="test-runner", daemon=True).start()

    def take(self, data: bytes, *, text: bool) -> None:
        """Take a piece of the body."""
        with self._state:
            if not self._lines_read:
                # Why an old runner does so is told in "Uploads".
                self._waiting += data if self.heard or not self.old else data * 2
                return
        for at in range(0, len(data), _READ):
            piece = data[at : at + _READ]
            self.pipes["output"].write(_decoded(piece) if text else piece)

    def end_input(self) -> None:
        """Take the end, once the header lines have been read."""
        with self._state:
            self._state.wait_for(lambda: self._lines_read or self._stopped.is_set())
        self.input_ended = True
        self.pipes["output"].end()

    def _run(self) -> None:
        """Read the header lines, and what has come with them, once the program lets the runner."""
        assert self._lines_at is not None
        while not self._stopped.wait(0.005):
            late = time.monotonic() >= self._lines_at + self.busy
            if late and self.looks > self.loading + self.computing:
                break
        with self._state:
            together = bytes(self._waiting)
            with contextlib.suppress(Ended):
                if together:
                    first, rest = together[:_READ], together[_READ:]
                    self.pipes["output"].write(_decoded(first) + rest)
            self._lines_read = True
            self._state.notify_all()


def _decoded(piece: bytes) -> bytes:
    return piece.decode("utf-8", "replace").encode()


class SpoilingHub(H1Hub):
    """The server; use it in a `with` block. Its instances are those that `add_node` adds.

    Attributes:
        buffers: Whether a proxy stands before it that holds requests back until they are whole.
        old: Whether it is a 0.x hub.
    """

    buffers = False
    old = False

    def add_node(self, **how: Any) -> NodeInstance:
        """Add an instance; see `NodeInstance` for the arguments."""
        instance = NodeInstance(f"node-{len(self.instances)}", self.stopped, old=self.old, **how)
        self.instances[instance.id] = instance
        return instance

    def _hub_get(self, conn: Conn, path: str) -> bool:
        if self.old and path == "version":
            conn.send_json("200 OK", {"version": "0.18.7"})
            return True
        kind, _, id = path.partition("/of-")
        instance = self.instances.get(id)
        if kind == "sequence" and isinstance(instance, NodeInstance):
            conn.send_json("200 OK", {"id": f"of-{id}", "config": instance.config})
            return True
        return super()._hub_get(conn, path)

    def _instance_get(self, conn: Conn, instance: Instance, kind: str, name: str) -> bool:
        if kind == "health" and isinstance(instance, NodeInstance):
            instance.hear()
        return super()._instance_get(conn, instance, kind, name)

    def _upload(self, conn: Conn, request: Request, instance: Instance, route: str) -> bool:
        if not isinstance(instance, NodeInstance):
            return super()._upload(conn, request, instance, route)
        if route == "stdin":
            return self._stdin(conn, request, instance)
        type = request.headers.get("content-type", "")
        body = list(conn.chunks()) if self.buffers else conn.chunks()
        instance.accepted.append((route, type))
        instance.headers_written()
        end = request.headers.get("x-end-stream", "true") == "true"
        status = "200 OK" if end else "202 Accepted"
        conn.send(f"HTTP/1.1 {status}\r\n{_KEEP}Transfer-Encoding: chunked\r\n\r\n".encode())
        for chunk in body:
            instance.take(chunk, text=type != "application/octet-stream")
        if end:
            instance.end_input()
        conn.send(b"0\r\n\r\n")
        return True

    def _stdin(self, conn: Conn, request: Request, instance: NodeInstance) -> bool:
        instance.accepted.append(("stdin", request.headers.get("content-type", "")))
        end = request.headers.get("x-end-stream", "true") == "true"
        status = "200 OK" if end else "202 Accepted"
        conn.send(f"HTTP/1.1 {status}\r\n{_KEEP}Transfer-Encoding: chunked\r\n\r\n".encode())
        for chunk in conn.chunks():
            instance.put_stdin(chunk)
        if end:
            instance.end_stdin()
        conn.send(b"0\r\n\r\n")
        return True

    def _inout(self, conn: Conn, request: Request, instance: Instance) -> bool:
        if not isinstance(instance, NodeInstance):
            return super()._inout(conn, request, instance)
        instance.headers_written()

        def read_body() -> None:
            with contextlib.suppress(OSError, Ended):
                for chunk in conn.chunks():
                    instance.take(chunk, text=False)

        reader = threading.Thread(target=read_body, name="test-inout")
        reader.start()
        try:
            head = f"HTTP/1.1 200 OK\r\n{_KEEP}Transfer-Encoding: chunked\r\n\r\n".encode()
            for data in iter(instance.pipes["output"].read, b""):
                conn.send(head)
                head = b""
                conn.send_chunk(data)
            self._hold(conn)
        finally:
            conn.close()
            reader.join()
        return False
