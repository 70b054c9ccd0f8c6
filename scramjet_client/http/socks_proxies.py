"""Connections through SOCKS proxies; imported for the first of them, because it needs PySocks."""

from __future__ import annotations

import socket
from functools import cache

import urllib3
from urllib3.contrib.socks import SOCKSConnection


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


@cache
def through_socks(pool: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    """Return the kind of pool whose connections are those of `pool`, but go through a SOCKS proxy."""
    connection = type(pool.ConnectionCls.__name__, (_Through, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})
