"""FaultProxy: its listening side, and the script of faults."""

from __future__ import annotations

import itertools
import re
import selectors
import socket
import ssl
import threading
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scramjet_client.testing._flow import Connection, Fault, Pass

if TYPE_CHECKING:
    from typing_extensions import Self

_KEPT = 10_000
"""How many requests and faults the proxy remembers."""


class FaultProxy:
    """A proxy on loopback, between a client and a hub, that breaks connections on purpose.

    Use it in a `with` block and give its `url` to the client. Set the faults by `next`, one for each request.
    Everything else passes unchanged, byte by byte. It is safe to use from any thread.

    Without a certificate, and to a hub of https://, it passes TLS on unchanged: faults then strike by the connection
    instead of by the request, "body" counts encrypted bytes, and `Answer` and `Corrupt` have no meaning. With a
    certificate it speaks TLS to the client, whatever the hub does, and sees requests.

    Args:
        target: URL of the hub's API.
        cert: Path of a certificate for loopback and its key in one file, or (certificate, key).
        verify: For TLS to the hub: True, False or the path of a CA bundle.

    Attributes:
        url: URL of the hub's API through the proxy.
        port: Port of the proxy.
        requests: The last requests that arrived: "GET /api/v1/version".
        delivered: The requests that the proxy has passed on to the hub, wholly or in part.
        struck: The last faults that have struck. A fault whose point was not reached is not among them.
        connections: How many connections the proxy has accepted.
    """

    def __init__(
        self, target: str, *, cert: str | tuple[str, str] | None = None, verify: bool | str = True
    ) -> None:
        parts = urlsplit(target)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"target must be an http:// or https:// URL, not {target!r}")
        secure = parts.scheme == "https"
        self._address = (parts.hostname, parts.port or (443 if secure else 80))
        self._opaque = secure and cert is None
        self._to_client = None if cert is None else _server_context(cert)
        self._to_hub = _client_context(verify) if secure and cert is not None else None
        self.requests: deque[str] = deque(maxlen=_KEPT)
        self.delivered: deque[str] = deque(maxlen=_KEPT)
        self.struck: deque[Fault] = deque(maxlen=_KEPT)
        self.connections: int = 0
        self._script: list[tuple[re.Pattern[str], Fault]] = []
        self._open: set[Connection] = set()
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._away: float | None = None
        self._back = False
        self._closed = False
        # Guards all of the above; notified to ask for a restart, its end or the proxy's, and when a restart has begun.
        self._changed = threading.Condition()
        self._wake, self._waker = socket.socketpair()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        scheme = "https" if secure or cert is not None else "http"
        self.url: str = f"{scheme}://127.0.0.1:{self.port}{parts.path}"
        # Accepts connections until close(). A daemon, so that a proxy that nobody closes does not keep the interpreter.
        self._thread = threading.Thread(target=self._run, name="scramjet-proxy", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        host, port = self._address
        return f"<FaultProxy {self.url} to {host}:{port}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # -- the script of faults ---------------------------------------------------------------------

    def next(self, *faults: Fault, of: str = "") -> None:
        """Let these faults strike the next requests, one each, in this order.

        A fault at "connect" strikes the next connection when its turn comes.

        Args:
            faults: The faults.
            of: A regular expression. Only requests whose method and target match it ("POST .*/input") meet these
                faults; other requests go on to the next entry of the script.
        """
        pattern = re.compile(of)
        for fault in faults:
            if not isinstance(fault, Fault):
                raise TypeError(f"a fault must be a Fault, not {type(fault).__name__}")
            if of and fault.point == "connect":
                raise ValueError("at 'connect' no request is known that `of` could match")
        with self._changed:
            self._script += [(pattern, fault) for fault in faults]

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        with self._changed:
            return len(self._open)

    def clear(self) -> None:
        """Forget the faults to come, and the recorded requests and faults."""
        with self._changed:
            self._script.clear()
            self.requests.clear()
            self.delivered.clear()
            self.struck.clear()

    def restart(self, away: float = 0.0) -> None:
        """Reset all connections, and refuse others for `away` seconds, or until `come_back`.

        Returns when the proxy no longer listens.
        """
        with self._changed:
            self._away = away
            self._back = False
            self._waker.send(b"\0")
            self._changed.wait_for(lambda: self._away is None or self._closed)

    def come_back(self) -> None:
        """End a restart: the proxy accepts connections again."""
        with self._changed:
            self._back = True
            self._changed.notify_all()

    def reset_connections(self) -> None:
        """Reset all open connections, including those that `Drop` has silenced."""
        with self._changed:
            connections = list(self._open)
        for each in connections:
            each.end("reset", thaw=True)

    def close(self) -> None:
        """End everything, and raise the first error of the proxy itself. Safe to call twice."""
        with self._changed:
            closed, self._closed = self._closed, True
            self._changed.notify_all()
        if closed:
            return
        self._waker.close()
        self._thread.join()
        self._listener.close()
        self._wake.close()
        self.reset_connections()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    # -- the accepting thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            numbers = itertools.count(1)
            while not self._closed:
                with selectors.DefaultSelector() as selector:
                    selector.register(self._listener, selectors.EVENT_READ)
                    selector.register(self._wake, selectors.EVENT_READ)
                    ready = [key.fileobj for key, _ in selector.select()]
                if self._wake in ready:
                    self._wake.recv(1)
                    self._go_away()
                elif ready:
                    self._accept(next(numbers))
        except BaseException as error:
            self.failed(error)

    def _accept(self, number: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # the client has left again
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, sock, number, opaque=self._opaque)
        with self._changed:
            self._open.add(connection)
            self.connections += 1
        connection.thread.start()
        self._threads = [*(each for each in self._threads if each.is_alive()), connection.thread]

    def _go_away(self) -> None:
        with self._changed:
            if self._away is None:
                return
            away = self._away
        self._listener.close()
        # Bound, so that no other process takes the port; not listening, so that the system refuses connections.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.setblocking(False)
        self.reset_connections()
        with self._changed:
            self._away = None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._back or self._closed, away)
        self._listener.listen(512)

    # -- for connections --------------------------------------------------------------------------

    def accept_tls(self, sock: socket.socket) -> socket.socket:
        """Return the client's socket, with TLS if the proxy has a certificate."""
        if self._to_client is None:
            return sock
        return self._to_client.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def reach_hub(self, timeout: float) -> socket.socket:
        """Return a new connection to the hub."""
        sock = socket.create_connection(self._address, timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._to_hub is None:
            return sock
        sock.setblocking(False)
        return self._to_hub.wrap_socket(
            sock, server_hostname=self._address[0], do_handshake_on_connect=False
        )

    def chosen(self, request: str) -> Fault:
        """Take the fault for a request out of the script."""
        with self._changed:
            self.requests.append(request)
            for at, (of, fault) in enumerate(self._script):
                if fault.point != "connect" and of.search(request):
                    del self._script[at]
                    return fault
        return Pass()

    def chosen_at_connect(self) -> Fault | None:
        """Take the fault for a connection out of the script, if the next one strikes at "connect"."""
        with self._changed:
            if self._script and self._script[0][1].point == "connect":
                return self._script.pop(0)[1]
        return None

    def failed(self, error: BaseException) -> None:
        """Keep an error of the proxy itself until close()."""
        with self._changed:
            self._failures.append(error)

    def gone(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        with self._changed:
            self._open.discard(connection)


def _server_context(cert: str | tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = (cert, None) if isinstance(cert, str) else cert
    context.load_cert_chain(certificate, key)
    return context


def _client_context(verify: bool | str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
