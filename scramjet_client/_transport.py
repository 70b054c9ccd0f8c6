"""The requests adapter and urllib3 connection whose chunked body a background thread writes.

One request is one `Exchange`. It is handed to the connection by a context variable, past `requests`,
whose `HTTPAdapter.send` stays untouched:

    HttpClient ── exchange.use() ── Session.send ── HTTPAdapter.send ── urllib3 pool
                                                                           │
            Exchange <── connection_made(sock) ── _Duplex connection ──────┘
               ├── writer   BodyWriter: a thread that writes the body while the caller awaits the answer
               └── answer   Answer: http.client's response, reading through an `_Inlet`

The `_Inlet` is where every read of an answer waits for the network, so it is also the only place that
knows time limits, deadlines and "is there still something to wait for?".
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from scramjet_client._exchange import Answer, Exchange, current_exchange
from scramjet_client._tls import DuplexSSLSocket, duplex_context
from scramjet_client._writer import BodyWriter

IDLE_LIMIT = 4.0
"""Seconds after which a pooled connection is not used again: the hub closes at 5 (Keep-Alive: timeout=5)."""

# A host that vanished without a word is found after 30 + 3 * 10 seconds of silence.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), seconds)
        for name, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]


class _Handover:
    """Stands in for the body inside urllib3's `request`: asked for a piece when the head has been sent."""

    def __init__(self, connection: _Duplex) -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._connection.body_is_elsewhere = True
        raise StopIteration


class _Duplex(HTTPConnection):
    """A connection whose body is written by a `BodyWriter` while its answer is awaited."""

    response_class = Answer
    body_is_elsewhere = False
    owner = 0
    used_at = 0.0
    writer: BodyWriter | None = None

    def stale(self) -> bool:
        """Whether this pooled connection must not carry another request."""
        return (
            self.owner != os.getpid()
            or time.monotonic() - self.used_at > IDLE_LIMIT
            or (self.writer is not None and not self.writer.ended)
        )

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._begin(super().request, *args, **kwargs)

    def request_chunked(self, *args: Any, **kwargs: Any) -> None:
        # urllib3 1.26 sends chunked bodies by this method, 2.x by `request`.
        self._begin(super().request_chunked, *args, **kwargs)

    def _begin(
        self, request: Any, method: str, url: str, body: Any = None, *args: Any, **kw: Any
    ) -> None:
        """Let urllib3 send the request; of an upload only the head, without the final chunk it adds."""
        exchange = current_exchange()
        self.writer = exchange.writer if exchange is not None else None
        try:
            request(method, url, body if self.writer is None else _Handover(self), *args, **kw)
        finally:
            self.body_is_elsewhere = False
        self._mark_sent(exchange)

    def _mark_sent(self, exchange: Exchange | None) -> None:
        self.used_at = time.monotonic()
        self.owner = os.getpid()
        if exchange is None:
            return
        sock = self.sock
        exchange.connection_made(sock)
        if exchange.writer is not None:
            exchange.writer.attach(sock)

    def send(self, data: Any) -> None:
        if not self.body_is_elsewhere:
            super().send(data)


class _DuplexTLS(_Duplex, HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        if self.ssl_context is None:
            self.ssl_context = duplex_context(self.cert_reqs)
        super().connect()

    def _mark_sent(self, exchange: Exchange | None) -> None:
        if self.writer is not None and not isinstance(self.sock, DuplexSSLSocket):
            raise ssl.SSLError(
                "an upload cannot be sent through TLS inside TLS (an https:// proxy to an https:// hub)"
            )
        super()._mark_sent(exchange)


class _FreshPool(urllib3.HTTPConnectionPool):
    """A pool that opens a stale connection again instead of using it."""

    ConnectionCls = _Duplex

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if connection.sock is not None and connection.stale():
            connection.close()
        return connection


class _FreshTLSPool(_FreshPool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _DuplexTLS


_POOLS = {"http": _FreshPool, "https": _FreshTLSPool}


class DuplexAdapter(HTTPAdapter):
    """The adapter to mount: connections with TCP keep-alive that can be written and read at once."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kw: Any
    ) -> None:
        """Make the pool manager; called by requests."""
        kw["socket_options"] = HTTPConnection.default_socket_options + _KEEPALIVE
        super().init_poolmanager(connections, maxsize, block, **kw)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kw: Any) -> Any:
        """Return the pool manager for a proxy; called by requests."""
        kw.setdefault("socket_options", HTTPConnection.default_socket_options + _KEEPALIVE)
        manager = super().proxy_manager_for(proxy, **kw)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def close(self) -> None:
        """Close idle connections now; urllib3 2.x would leave that to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - the container is locked and can't be iterated
                with contextlib.suppress(KeyError):
                    manager.pools[key].close()
        super().close()
