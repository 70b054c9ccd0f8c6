"""The requests adapter and urllib3 connection whose chunked body a background thread writes.

One request is one `Exchange`. A context variable hands it to the connection, past `requests`, whose
`HTTPAdapter.send` stays unchanged:

    HttpClient ── exchange.use() ── Session.send ── HTTPAdapter.send ── urllib3 pool
                                                                           │
            Exchange <── connection_made(sock) ── _Duplex connection ──────┘
               ├── writer   BodyWriter: a thread that writes the body while the caller awaits the answer
               └── answer   Answer: http.client's response, reading through an `_Inlet`

Every read of an answer waits for the network in the `_Inlet`, so only the `_Inlet` knows time limits, deadlines
and "is there still something to wait for?".
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection

from scramjet_client._common.clock import monotonic
from scramjet_client.errors import ConfigurationError
from scramjet_client.http.body import BodyWriter
from scramjet_client.http.exchange import Answer, Exchange, current_exchange
from scramjet_client.http.tls import DUPLEX, ContextCache, Sessions, replaced_by
from scramjet_client.http.tuning import KeepAlive, Tuning

if not HTTPConnection.__module__.startswith("urllib3"):
    # A cassette of vcrpy has put its own class there. A body would have no socket, and its upload would never end.
    raise RuntimeError(
        f"{HTTPConnection.__module__} has replaced the connections of urllib3, which this client can't work with: make"
        " a client once before that, outside of the cassette (docs/guides/mocks.md)"
    )

# macOS has another name for this option, which Python 3.9 does not know.
_KEEPIDLE = {"darwin": 0x10}.get(sys.platform, getattr(socket, "TCP_KEEPIDLE", None))


def _socket_options(keep_alive: KeepAlive) -> list[tuple[int, int, int]]:
    """Return the options of every socket: urllib3's, and TCP keep-alive.

    TCP_USER_TIMEOUT is left out on purpose: Linux would then cut a hub that lives but does not read, which is
    back-pressure.
    """
    settings = [
        (_KEEPIDLE, keep_alive.idle),
        (getattr(socket, "TCP_KEEPINTVL", None), keep_alive.interval),
        (getattr(socket, "TCP_KEEPCNT", None), keep_alive.count),
    ]
    return [
        *HTTPConnection.default_socket_options,
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, name, value) for name, value in settings if name is not None),
    ]


class _Handover:
    """Stands in for the body inside urllib3's `request`, which asks it for a piece once the head has been sent."""

    def __init__(self, connection: _Duplex) -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._connection.body_is_elsewhere = True
        raise StopIteration


class _Duplex(HTTPConnection):
    """A connection whose body a `BodyWriter` writes while the caller awaits the answer."""

    response_class = Answer
    body_is_elsewhere = False
    owner = 0
    used_at = 0.0
    # A weak reference, because a pooled connection must not keep the data sent through it. While the writer's
    # thread runs, the thread keeps the writer.
    last_writer: weakref.ref[BodyWriter] | None = None

    def stale(self, idle_limit: float) -> bool:
        """Whether this pooled connection must not carry another request: it may idle at most `idle_limit` seconds."""
        writer = None if self.last_writer is None else self.last_writer()
        return (
            self.owner != os.getpid()
            or monotonic() - self.used_at > idle_limit
            or (writer is not None and not writer.ended)
            # Bytes behind the last answer would be the next one. urllib3 asks the system, which does not know of those
            # that TLS has taken.
            or (isinstance(self.sock, DUPLEX) and self.sock.pending() > 0)
        )

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._begin(super().request, *args, **kwargs)

    def request_chunked(self, *args: Any, **kwargs: Any) -> None:
        # urllib3 1.26 sends chunked bodies by this method, 2.x by `request`.
        self._begin(super().request_chunked, *args, **kwargs)

    def _begin(
        self, request: Any, method: str, url: str, body: Any = None, *args: Any, **kw: Any
    ) -> None:
        """Let urllib3 send the request; for an upload only the head, without the final chunk that urllib3 adds."""
        exchange = current_exchange()
        writer = exchange.writer if exchange is not None else None
        self.last_writer = None if writer is None else weakref.ref(writer)
        try:
            request(method, url, body if writer is None else _Handover(self), *args, **kw)
        finally:
            self.body_is_elsewhere = False
        self._note_head_sent(exchange)

    def _note_head_sent(self, exchange: Exchange | None) -> None:
        self.used_at = monotonic()
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

    contexts: ContextCache
    sessions: Sessions

    def connect(self) -> None:
        if self.ssl_context is None:
            self.ssl_context = self.contexts.context_for(self)
            if self.proxy is None:
                # The context has loaded these files, and urllib3 would load them again for each connection.
                self.ca_certs = self.ca_cert_dir = self.cert_file = self.key_file = None
        if self.proxy is not None:
            # Another handshake may come first, with the proxy.
            super().connect()
            return
        with self.sessions.used(self.ssl_context):
            super().connect()
        self.sessions.made(self.sock)

    def _begin(self, *args: Any, **kwargs: Any) -> None:
        exchange = current_exchange()
        uploads = exchange is not None and exchange.writer is not None
        # The pool has connected it, so that nothing of the request has been sent yet.
        if uploads and self.sock is not None and not isinstance(self.sock, DUPLEX):
            raise ssl.SSLError(
                ssl.SSL_ERROR_SSL,
                f"no upload can be sent: {replaced_by(self.sock)}"
                if self.proxy is None
                else "an upload cannot be sent through TLS inside TLS (an https:// proxy to an https:// hub)",
            )
        super()._begin(*args, **kwargs)


class _FreshPool(urllib3.HTTPConnectionPool):
    """A pool that reopens a stale connection instead of using it."""

    ConnectionCls = _Duplex

    def __init__(
        self, *args: Any, idle_limit: float, closed: threading.Event, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._idle_limit = idle_limit
        self._closed = closed

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        # A proxy that forwards plain requests may close silently after each one (tinyproxy does). The next request
        # would then be lost, perhaps passed on unread. A tunnel is the hub's own connection.
        forwarded = self.proxy is not None and self.scheme == "http"
        if connection.sock is not None and (forwarded or connection.stale(self._idle_limit)):
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:
        # Many streams that end at once fill the pool, and urllib3's own version would warn each time. A request that
        # begins after the client was closed, such as an upload's, opens a new pool, which nobody would empty.
        unwanted = self.pool is not None and (self._closed.is_set() or self.pool.full())
        if conn is None or not unwanted:
            super()._put_conn(conn)
        elif conn.sock is not None:
            conn.close()


class _FreshTLSPool(_FreshPool, urllib3.HTTPSConnectionPool):
    ConnectionCls = _DuplexTLS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._contexts = ContextCache()
        self._sessions = Sessions()

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.contexts, connection.sessions = self._contexts, self._sessions
        return connection


if TYPE_CHECKING:
    _RequestsSession = requests.Session
else:
    # The original class, whatever replaced it: requests_cache.install_cache() installs a cache there, which reads a
    # live stream to its end, though it has none.
    _RequestsSession = next(
        (
            kind
            for kind in requests.sessions.SessionRedirectMixin.__subclasses__()
            if (kind.__module__, kind.__qualname__) == ("requests.sessions", "Session")
        ),
        requests.Session,
    )


class Session(_RequestsSession):
    """requests' session without its surprises: own headers, cookies, redirects."""

    def __init__(self, tuning: Tuning) -> None:
        super().__init__()
        self._tuning = tuning
        self.headers.clear()
        self.cookies: RequestsCookieJar = RequestsCookieJar(
            policy=DefaultCookiePolicy(allowed_domains=[])
        )
        self._mount()

    def _mount(self) -> None:
        self._pid = os.getpid()
        for scheme in ("http://", "https://"):
            self.mount(scheme, DuplexAdapter(self._tuning))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request; a forked child uses its own pools.

        At the fork a thread of the parent may have held a lock, and that thread can't release it in the child.
        """
        if self._pid != os.getpid():
            self._mount()
        return super().send(request, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: no answer counts as a redirect.

        Even if told not to follow it, requests would prepare the next request, and read this whole body for it.
        """


class DuplexAdapter(HTTPAdapter):
    """The adapter to mount: connections with TCP keep-alive that can be written and read at the same time."""

    def __init__(self, tuning: Tuning) -> None:
        self._options = _socket_options(tuning.keep_alive)
        self._closed = threading.Event()
        self._last: tuple[Any, Any] = (None, None)
        self._limits: dict[str, Any] = {"idle_limit": tuning.pool_idle, "closed": self._closed}
        self._pools = self._pools_of(_FreshPool, _FreshTLSPool)
        super().__init__(max_retries=0)

    def _pools_of(self, plain: Any, tls: Any) -> dict[str, Any]:
        return {"http": partial(plain, **self._limits), "https": partial(tls, **self._limits)}

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kw: Any
    ) -> None:
        """Make the pool manager; called by requests."""
        kw["socket_options"] = self._options
        super().init_poolmanager(connections, maxsize, block, **kw)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool for a request; called by requests since 2.32.

        A client needs one pool. To find it again takes requests a tenth of a JSON call.
        """
        if proxies:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        key = (*urlsplit(request.url or "")[:2], verify, cert)
        last, pool = self._last
        if key != last or pool.pool is None:  # a closed one
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._last = key, pool
        return pool

    def proxy_manager_for(self, proxy: str, **kw: Any) -> Any:
        """Return the pool manager for a proxy; called by requests.

        Raises:
            ConfigurationError: It is a SOCKS proxy, and PySocks is missing.
        """
        kw.setdefault("socket_options", self._options)
        pools = self._pools
        if proxy.lower().startswith("socks"):
            try:
                from scramjet_client.http.socks_proxies import through_socks  # noqa: PLC0415 - it needs PySocks
            except ImportError:
                raise ConfigurationError(
                    "a SOCKS proxy needs PySocks: pip install 'requests[socks]'"
                ) from None
            pools = self._pools_of(through_socks(_FreshPool), through_socks(_FreshTLSPool))
        manager = super().proxy_manager_for(proxy, **kw)
        manager.pool_classes_by_scheme = pools
        return manager

    def close(self) -> None:
        """Close idle connections now, and later ones after use; urllib3 2.x leaves both to the garbage collector."""
        self._closed.set()
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - the container is locked and can't be iterated
                with contextlib.suppress(KeyError):
                    manager.pools[key].close()
        super().close()
