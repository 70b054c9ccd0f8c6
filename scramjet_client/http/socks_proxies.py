"""Connections through SOCKS proxies; imported for the first of them, because it needs PySocks."""

from __future__ import annotations

import socket
from typing import Any

import urllib3
from urllib3.contrib.socks import SOCKSConnection

from scramjet_client.http.connection import Duplex, DuplexTLS, FreshPool, FreshTLSPool


class _Through(SOCKSConnection):
    """Connects through the proxy, and goes on with a socket of Python's own kind."""

    def _new_conn(self) -> socket.socket:
        try:
            made = super()._new_conn()
        except urllib3.exceptions.NewConnectionError as error:
            raise urllib3.exceptions.ProxyError("no connection through the proxy", error) from error
        limit = made.gettimeout()
        # PySocks' own kind of socket changes sends and receives, which two threads do at the same time here.
        sock = socket.socket(fileno=made.detach())
        sock.settimeout(limit)
        return sock


class _SocksDuplex(_Through, Duplex):
    pass


class _SocksDuplexTLS(_Through, DuplexTLS):
    pass


class SocksPool(FreshPool):
    """A pool of connections to a plain hub."""

    ConnectionCls: Any = _SocksDuplex


class SocksTLSPool(FreshTLSPool):
    """A pool of connections to an https hub."""

    ConnectionCls: Any = _SocksDuplexTLS
