"""A server of raw sockets, whose handler says on the wire exactly what a test wants said."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

from tests.support.waiting import LIMIT


class Truncated(ConnectionError):
    """The client went away in the middle of a request."""


class Request(NamedTuple):
    """The head of a request: method, path as it was sent, and headers with lower-case names."""

    method: str
    target: str
    headers: dict[str, str]


class _TLS:
    """One TLS connection that one thread may read while another writes, on memory BIOs."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side=True)
        self._state = threading.Lock()  # guards the TLS object
        self._sending = threading.Lock()  # keeps the order of what it makes, on the wire
        self._stepped(self._object.do_handshake)

    def _flush(self) -> None:
        with self._sending:
            with self._state:
                data = self._out.read()
            if data:
                self._sock.sendall(data)

    def _stepped(self, step: Callable[..., Any], *args: Any) -> Any:
        while True:
            try:
                with self._state:
                    result = step(*args)
            except ssl.SSLWantReadError:
                self._flush()
                data = self._sock.recv(65536)
                with self._state:
                    if data:
                        self._in.write(data)
                    else:
                        self._in.write_eof()
            else:
                self._flush()
                return result

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        try:
            data: bytes = self._stepped(self._object.read, size)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        return data

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        with self._sending:
            self._sock.sendall(self.encrypted(data))

    def encrypted(self, data: bytes) -> bytes:
        """Return what would be sent for `data`."""
        with self._state:
            self._object.write(data)
            return self._out.read()


class Conn:
    """One accepted connection, in the hands of a handler."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        self.raw = sock
        self._context = context
        self._end: socket.socket | _TLS = sock
        self._buffer = b""

    def handshake(self) -> None:
        """Do the TLS handshake, if there is one to do."""
        if self._context is not None:
            self._end = _TLS(self.raw, self._context)

    def _fill(self) -> bool:
        data = self._end.recv(65536)
        self._buffer += data
        return bool(data)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if not self._fill():
                raise Truncated(f"the client left after {self._buffer!r}")
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._fill():
                raise Truncated(f"the client left {size - len(self._buffer)} bytes early")
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def read_request(self) -> Request | None:
        """Return the head of the next request, without its body; None if the client has gone."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                if self._buffer:
                    raise Truncated(f"the client left after {self._buffer!r}")
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return Request(method, target, headers)

    def read_chunk(self) -> bytes:
        """Return one chunk of a chunked body, b"" for the last.

        Raises:
            Truncated: The client went away without it.
        """
        size = int(self._line().partition(b";")[0], 16)
        data = self._take(size)
        self._line()
        return data

    def chunks(self) -> Iterator[bytes]:
        """Yield the chunks of a body until its end."""
        return iter(self.read_chunk, b"")

    def read_body(self, request: Request) -> bytes:
        """Return the whole body of a request."""
        if request.headers.get("transfer-encoding") == "chunked":
            return b"".join(self.chunks())
        return self._take(int(request.headers.get("content-length", 0)))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._end.sendall(data)

    def send_chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked answer."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def send_json(self, status: str, value: Any, *, typed: bool = True) -> None:
        """Send a whole JSON answer, chunked as a hub does; `typed` says whether with a content type."""
        body = json.dumps(value).encode()
        kind = "Content-type: application/json\r\n" if typed else ""
        head = f"HTTP/1.1 {status}\r\n{kind}Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
        self.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        self.send_chunk(body)
        self.send(b"0\r\n\r\n")

    def wait_closed(self, timeout: float) -> bool:
        """Wait until the client has closed the connection; return whether it did in time."""
        self.raw.settimeout(timeout)
        try:
            while self._end.recv(65536):
                pass
        except (TimeoutError, socket.timeout):
            return False
        except OSError:
            return True
        finally:
            self.raw.settimeout(None)
        return True

    def close(self) -> None:
        """Close the connection in an orderly way (FIN)."""
        with contextlib.suppress(OSError):
            self.raw.shutdown(socket.SHUT_RDWR)
        self.raw.close()

    def reset(self) -> None:
        """Close it with an RST."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()


class RawServer:
    """A TCP server on loopback, port 0, that runs `handler(conn)` on a thread for each connection.

    Use it in a `with` block. The connection is closed when its handler returns. `requests` is for the
    handler to note what came; `check()` raises what a handler raised, clients that left apart.
    """

    _numbers = itertools.count(1)

    def __init__(
        self, handler: Callable[[Conn], object], *, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._handler = handler
        self._context = ssl_context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        scheme = "http" if ssl_context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}/api/v1"
        self.connections = 0
        self._open: list[Conn] = []
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        # Guards the lists above and `_stopped`.
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> RawServer:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        name = f"test-server-{next(self._numbers)}"
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conn = Conn(sock, self._context)
            with self._lock:
                if self._stopped:
                    conn.close()
                    return
                self.connections += 1
                self._open.append(conn)
                self._start(self._handle, conn)

    def _handle(self, conn: Conn) -> None:
        try:
            conn.handshake()
            self._handler(conn)
        except (ConnectionError, ssl.SSLError):
            pass
        except OSError:
            # The test's own stop() closes sockets under handlers.
            if not self._stopped:
                raise
        except BaseException as error:
            self._failures.append(error)
        finally:
            conn.close()

    def check(self) -> None:
        """Raise the first thing that went wrong in a handler."""
        if self._failures:
            raise self._failures[0]

    def stop(self) -> None:
        """Close everything and wait until every thread is gone."""
        with self._lock:
            self._stopped = True
            connections = list(self._open)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for conn in connections:
            conn.close()
        for thread in self._threads:
            thread.join(LIMIT)
            assert not thread.is_alive(), f"{thread.name} did not end"


class RecordingTap:
    """A relay on loopback between a client and a server that keeps what the client said."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._said: list[bytes] = []
        self._onward: list[socket.socket] = []
        self._server = RawServer(self._relay)
        self.port = self._server.port

    def __enter__(self) -> RecordingTap:
        self._server.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        for onward in self._onward:
            # A server that takes nothing more would hold its relay.
            with contextlib.suppress(OSError):
                onward.shutdown(socket.SHUT_RDWR)
        self._server.stop()

    @property
    def client_bytes(self) -> bytes:
        """All that clients have said."""
        return b"".join(self._said)

    def _relay(self, conn: Conn) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as onward:
            self._onward.append(onward)
            back = threading.Thread(target=self._back, args=(onward, conn), name="test-tap")
            back.start()
            try:
                while True:
                    data = conn.raw.recv(65536)
                    if not data:
                        break
                    self._said.append(data)
                    onward.sendall(data)
            except OSError:
                pass
            finally:
                with contextlib.suppress(OSError):
                    onward.shutdown(socket.SHUT_RDWR)
                back.join()

    @staticmethod
    def _back(onward: socket.socket, conn: Conn) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = onward.recv(65536)
                if not data:
                    break
                conn.raw.sendall(data)
        with contextlib.suppress(OSError):
            conn.raw.shutdown(socket.SHUT_RDWR)
