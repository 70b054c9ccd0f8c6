"""A raw socket server that says on the wire what hub 1.0 says, byte for byte and flush for flush.

It runs no sequences: an instance is a few pipes in memory and a state that the test sets. Its answers are
those of docs/protocol.md; the real behaviour that they stand for is tested wherever a 1.0 hub is at hand
(`SCRAMJET_TEST_HUB_URL`, tests/contract).
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer, Request

_VERSION = {"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1", "build": "source"}
_KEEP = "Access-Control-Allow-Origin: *\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
_STREAM = (
    f"HTTP/1.1 200 OK\r\n{_KEEP}content-type: application/octet-stream\r\n"
    "transfer-encoding: chunked\r\n\r\n"
).encode()
_PIPE_LIMIT = 1_000_000
_SLICE = 0.02


class Ended(Exception):
    """The hub is being stopped while something waits."""


class Pipe:
    """Bytes on their way through an instance: a writer waits when 1 MB is waiting to be read."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.ended = False
        self._changed = threading.Condition()

    def write(self, data: bytes) -> None:
        """Add data; waits while the pipe is full."""
        with self._changed:
            while self._size > _PIPE_LIMIT:
                self._wait()
            self._chunks.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def end(self) -> None:
        """Let readers see the end, after what is there."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def read(self) -> bytes:
        """Return the next data, b"" at the end."""
        with self._changed:
            while not self._chunks:
                if self.ended:
                    return b""
                self._wait()
            data = self._chunks.popleft()
            self._size -= len(data)
            self._changed.notify_all()
            return data

    def held(self) -> bytes:
        """Return what has been written and not read yet."""
        with self._changed:
            return b"".join(self._chunks)

    def _wait(self) -> None:
        self._changed.wait(_SLICE)
        if self._stopped.is_set():
            raise Ended


class Instance:
    """One instance: an echo of input to output and of stdin to stdout, and events that the test emits.

    Attributes:
        on_stop: Called with the timeout when a stop comes; by default the instance ends at its end.
        on_look: Called when its info is asked for; a hub then writes a line into its log.
        reports_health: Whether it has sent a health message.
        received: Bodies of `_event`, `_stop` and `_kill`, in their order.
        accepted: Route and content type of the uploads that came.
    """

    def __init__(self, id: str, stopped: threading.Event, status: str = "running") -> None:
        self.id = id
        self.status = status
        self.terminated: dict[str, Any] | None = None
        self.pipes = {name: Pipe(stopped) for name in ("output", "stdout", "stderr", "log")}
        self.input_ended = False
        self.received: list[Any] = []
        self.accepted: list[tuple[str, str]] = []
        self.last: dict[str, Any] = {}
        self.listeners: list[tuple[str, Pipe]] = []
        self.on_stop: Callable[[float], None] = lambda _timeout: None
        self.on_look: Callable[[], None] = lambda: None
        self.reports_health = True
        self._stopped = stopped

    def emit(self, name: str, message: Any) -> None:
        """Emit an event to everybody who listens."""
        self.last[name] = message
        for listened, pipe in list(self.listeners):
            if listened == name:
                pipe.write(json.dumps(message or {}).encode() + b"\n")

    def end(self, exitcode: int = -1, reason: str = "Instance completed") -> None:
        """End: outputs get their end, the log and events do not."""
        self.status = "completed" if exitcode in (-1, 137, 138) else "errored"
        self.terminated = {"exitcode": exitcode, "reason": reason}
        for name in ("output", "stdout", "stderr"):
            self.pipes[name].end()

    def info(self) -> dict[str, Any]:
        """Return what GET instance/ID answers."""
        ended = {"ended": "2026-11-24T08:59:14.871Z", "terminated": self.terminated}
        return {
            "id": self.id,
            "appConfig": {},
            "args": [],
            "provides": "",
            "sequence": {
                "id": "seq-1",
                "config": {"name": "echo", "language": "js"},
                "location": "sth-0",
            },
            "created": "2026-11-24T08:26:43.145Z",
            "started": "2026-11-24T08:26:43.187Z",
            "status": self.status,
            **(ended if self.terminated else {}),
        }


class H1Hub:
    """The server; use it in a `with` block.

    Attributes:
        instances: By id; take one out to have it forgotten.
        requests: Method, target and headers of everything that came.
        on_start: Called with a new instance before its start is answered.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.stopped = threading.Event()
        self.instances: dict[str, Instance] = {}
        self.requests: list[Request] = []
        self.sequences: dict[str, bytes] = {}
        self.starts: list[Any] = []
        self.on_start: Callable[[Instance], None] = lambda _instance: None
        self._server = RawServer(self._serve, ssl_context=ssl_context)
        self.url = self._server.url
        self.port = self._server.port

    def __enter__(self) -> H1Hub:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopped.set()
        self._server.stop()

    def check(self) -> None:
        """Raise what went wrong in a handler."""
        self._server.check()

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return self._server.connections

    def add_instance(self, status: str = "running", id: str | None = None) -> Instance:
        """Add an instance and return it."""
        instance = Instance(id or str(uuid.uuid4()), self.stopped, status)
        self.instances[instance.id] = instance
        return instance

    def _serve(self, conn: Conn) -> None:
        try:
            while True:
                request = conn.read_request()
                if request is None:
                    return
                self.requests.append(request)
                if not self._answer(conn, request):
                    return
        except Ended:
            return

    def _answer(self, conn: Conn, request: Request) -> bool:
        """Answer one request; return whether the connection can carry another."""
        path = request.target.partition("?")[0][len("/api/v1/") :]
        match = re.fullmatch(r"instance/([^/]+)(?:/(.*))?", path)
        if match:
            return self._instance(conn, request, match.group(1), match.group(2) or "")
        if request.method == "GET":
            return self._hub_get(conn, path)
        return self._hub_change(conn, request, path)

    # -- the hub ----------------------------------------------------------------------------------

    def _hub_get(self, conn: Conn, path: str) -> bool:
        answers: dict[str, Callable[[], Any]] = {
            "version": lambda: _VERSION,
            "status": lambda: {"cpm": {}},
            "config": lambda: {"logLevel": "debug", "host": {"apiBase": "/api/v1"}},
            "load-check": lambda: {
                "avgLoad": 0.36,
                "currentLoad": 0.11,
                "memFree": 24083368509.44,
                "memUsed": 1193132687.36,
                "fsSize": [{"fs": "/", "size": 10, "use": 0.1}],
            },
            "sequences": lambda: [self._sequence(id) for id in self.sequences],
            "instances": lambda: [each.info() for each in self.instances.values()],
            "entities": lambda: {
                "sequences": [self._sequence(id) for id in self.sequences],
                "instances": [each.info() for each in self.instances.values()],
            },
        }
        if path in answers:
            conn.send_json("200 OK", answers[path]())
        elif path in ("log", "audit"):
            conn.send(_STREAM)
            conn.send_chunk(
                b'{"msg":"Node version:","level":"INFO","ts":1795508425992,"from":"Host"}\n'
            )
            self._hold(conn)
            return False
        else:
            parts = path.split("/")
            if parts[0] == "sequence" and len(parts) > 1 and parts[1] in self.sequences:
                of = [] if len(parts) == 3 else self._sequence(parts[1])
                conn.send_json("200 OK", of)
            elif parts[0] == "sequence":
                conn.send_json("404 Not Found", {"error": f"Sequence {parts[1]} not found"})
            else:
                conn.send(f"HTTP/1.1 404 Not Found\r\n{_KEEP}Content-Length: 0\r\n\r\n".encode())
        return True

    def _sequence(self, id: str) -> dict[str, Any]:
        config = {"type": "process", "engines": {"node": ">=14"}, "name": "echo", "id": id}
        return {"id": id, "config": config, "location": "sth-0", "instances": list(self.instances)}

    def _hub_change(self, conn: Conn, request: Request, path: str) -> bool:
        body = conn.read_body(request)
        parts = path.split("/")
        if path == "sequence":
            id = str(uuid.uuid4())
            self.sequences[id] = body
            conn.send_json("200 OK", {"id": id})
        elif request.headers.get("content-type") != "application/json":
            conn.send(
                f"HTTP/1.1 400 Could not parse content\r\n{_KEEP}Content-Length: 0\r\n\r\n".encode()
            )
        elif parts[-1] == "start" and parts[1] in self.sequences:
            self.starts.append(json.loads(body))
            instance = self.add_instance("starting")
            self.on_start(instance)
            conn.send_json(
                "200 OK", {"message": f"Sequence {instance.id} starting", "id": instance.id}
            )
        elif request.method == "DELETE" and parts[1] in self.sequences:
            if self.instances and "x-seq-kill-inst" not in request.headers:
                conn.send_json("409 Conflict", {"error": "Can't remove- Sequence in use"})
            else:
                del self.sequences[parts[1]]
                conn.send_json("200 OK", {"id": parts[1]})
        else:
            conn.send_json("404 Not Found", {"error": "Not Found"})
        return True

    # -- instances --------------------------------------------------------------------------------

    def _instance(self, conn: Conn, request: Request, id: str, route: str) -> bool:
        instance = self.instances.get(id)
        if instance is None:
            # The hub answers before it has read the body, and goes on reading it.
            error = {"error": f"Instance {id} not found"}
            conn.send_json("404 Not Found", error, typed=False)
            if request.method == "POST":
                conn.read_body(request)
            return True
        kind, _, name = route.partition("/")
        if request.method == "GET":
            return self._instance_get(conn, instance, kind, name)
        if route in ("input", "stdin"):
            return self._upload(conn, request, instance, route)
        if route == "inout":
            return self._inout(conn, request, instance)
        return self._operation(conn, request, instance, route)

    def _instance_get(self, conn: Conn, instance: Instance, kind: str, name: str) -> bool:
        if kind == "":
            instance.on_look()
            conn.send_json("200 OK", instance.info())
        elif kind == "health" and not instance.reports_health:
            # As hub 0.18.7 does: no answer before the first message, which may never come.
            conn.wait_closed(LIMIT)
            return False
        elif kind == "health":
            conn.send_json("200 OK", {"healthy": True, "processId": 17683})
        elif kind in instance.pipes:
            return self._stream(conn, instance.pipes[kind])
        elif kind == "events":
            pipe = Pipe(self.stopped)
            instance.listeners.append((name, pipe))
            return self._stream(conn, pipe)
        elif kind == "event":
            while not instance.last.get(name):
                if self.stopped.wait(_SLICE):
                    raise Ended
            conn.send_json("200 OK", instance.last[name])
        else:
            conn.send(f"HTTP/1.1 404 Not Found\r\n{_KEEP}Content-Length: 0\r\n\r\n".encode())
        return True

    def _stream(self, conn: Conn, pipe: Pipe) -> bool:
        conn.send(_STREAM)
        for data in iter(pipe.read, b""):
            conn.send_chunk(data)
        conn.send(b"0\r\n\r\n")
        return True

    def _upload(self, conn: Conn, request: Request, instance: Instance, route: str) -> bool:
        end = request.headers.get("x-end-stream", "true") == "true"
        instance.accepted.append((route, request.headers.get("content-type", "")))
        status = "200 OK" if end else "202 Accepted"
        conn.send(f"HTTP/1.1 {status}\r\n{_KEEP}Transfer-Encoding: chunked\r\n\r\n".encode())
        if instance.input_ended and route == "input":
            self._hold(conn)
            return False
        target = instance.pipes["output" if route == "input" else "stdout"]
        for chunk in conn.chunks():
            target.write(chunk if route == "input" else chunk.decode("utf-8", "replace").encode())
        if end:
            instance.input_ended = True
            target.end()
        conn.send(b"0\r\n\r\n")
        return True

    def _inout(self, conn: Conn, request: Request, instance: Instance) -> bool:
        """No status line before the first output byte, and no end."""
        instance.accepted.append(("inout", request.headers.get("content-type", "")))
        output = instance.pipes["output"]

        def read_body() -> None:
            try:
                for chunk in conn.chunks():
                    output.write(chunk.decode("utf-8", "replace").encode())
            except (OSError, Ended):
                pass

        reader = threading.Thread(target=read_body, name="test-inout")
        reader.start()
        try:
            first = True
            for data in iter(output.read, b""):
                if first:
                    conn.send(
                        f"HTTP/1.1 200 OK\r\n{_KEEP}Transfer-Encoding: chunked\r\n\r\n".encode()
                    )
                    first = False
                conn.send_chunk(data)
            self._hold(conn)
        finally:
            conn.close()
            reader.join()
        return False

    def _operation(self, conn: Conn, request: Request, instance: Instance, route: str) -> bool:
        body = conn.read_body(request)
        if request.headers.get("content-type") not in ("application/json", "text/json"):
            text = "400: Could not parse content"
            conn.send(
                f"HTTP/1.1 500 Internal Server Error\r\n{_KEEP}"
                f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
            )
            return True
        value = json.loads(body)
        instance.received.append((route, value))
        if route == "_event":
            conn.send_json("200 OK", {"accepted": "OK"})
        elif route == "_kill":
            if instance.status != "running":
                conn.send_json("400 Bad Request", {"error": "Instance not running"})
                return True
            instance.status = "killing"
            answer = instance.info()
            instance.end(137, "Instance killed")
            conn.send_json("202 Accepted", answer)
        elif route == "_stop":
            instance.status = "stopping"
            instance.on_stop(value["timeout"])
            # The whole timeout, whatever the instance does.
            if self.stopped.wait(value["timeout"] / 1000):
                raise Ended
            conn.send_json("202 Accepted", instance.info())
        return True

    def _hold(self, conn: Conn) -> None:
        """Keep a connection open and silent until the client leaves or the hub is stopped."""
        del conn
        self.stopped.wait()
        raise Ended
