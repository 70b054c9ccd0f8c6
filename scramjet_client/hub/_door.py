"""The connections of a hub: their maximum number, and a time limit for those that have not shown access."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError

from scramjet_client.hub._settings import HubSettings

HEAD_LIMIT = 65536
"""Largest head of a request, in bytes. A real hub takes 16 KB."""

_LINE_LIMIT = 16384
"""Bytes of a request line or of a header, as on a real hub."""

_KEEP_ALIVE = 5.0
"""Seconds after which an idle connection is closed, as by a real hub."""

_CLOSING = b"Connection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSING
_NO_TOKEN = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n" + _CLOSING

_END = b"\r\n\r\n"
"""The end of a head. Line ends of other kinds are not HTTP, and the hub refuses them."""

_NAME = b"\nauthorization:"

_SWALLOWED = 4 * 2**20
_SWALLOWING = 5.0
"""Bytes and seconds that a client which is still sending gets to read its refusal."""


class Visitor(web.RequestHandler):
    """One connection.

    aiohttp limits each line of a head, and the number of lines. Together that allows some megabytes, which is too much
    memory to spend on everybody who can reach the port. So this class measures the first head. A client that has sent
    a complete first head has shown who it is.
    """

    def __init__(self, server: web.Server, door: Door, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is no log; aiohttp annotates a logger only
            keepalive_timeout=_KEEP_ALIVE,
            lingering_time=0.0,  # the application itself reads unwanted bodies
            auto_decompress=False,  # the body arrives as the client sent it
            max_line_size=_LINE_LIMIT,
            max_field_size=_LINE_LIMIT,
        )
        self._door = door
        self._head_is_complete = False
        self._begun = False
        self._turned_away = False
        self._received = 0
        self._last = b""
        self._has_token = not door.needs_token

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the new connection (asyncio calls this)."""
        super().connection_made(transport)
        self._door.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take received bytes (asyncio calls this)."""
        if not self._head_is_complete and not self._turned_away:
            # Parsers skip empty lines before a head. Such a line must not count as the end of a head.
            seen = self._last + (data if self._begun else data.lstrip(b"\r\n"))
            self._begun = bool(seen)
            self._head_is_complete = _END in seen
            self._has_token = self._has_token or _NAME in seen.lower()
            self._last = seen[-len(_NAME) :]
        if not self._head_is_complete:
            self._received += len(data)
            if self._turned_away or self._received > HEAD_LIMIT:
                self._turn_away()
                return
        super().data_received(data)

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Log a defect (aiohttp calls this), but not a malformed request, which may contain a token."""
        if not isinstance(options.get("exc_info"), HttpProcessingError):
            super().log_exception(*args, **options)

    def _turn_away(self) -> None:
        transport = self.transport
        if transport is None:
            return
        if not self._turned_away:
            self._turned_away = True
            transport.write(_TOO_LARGE if self._has_token else _NO_TOKEN)
            asyncio.get_running_loop().call_later(_SWALLOWING, transport.abort)
        elif self._received > _SWALLOWED:
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection (asyncio calls this)."""
        self._door.closed(self)
        super().connection_lost(exc)


class Door:
    """Knows all connections, and which of them are strangers: the hub has let in none of their requests yet.

    Strangers have limited time. When there are too many connections, the stranger that has waited longest is dropped.
    So somebody who opens many connections without the token delays nobody who has it.
    """

    def __init__(self, settings: HubSettings) -> None:
        self.needs_token = settings.token is not None
        self._limit = settings.max_connections
        self._patience = settings.head_timeout
        self._count = 0
        self._strangers: dict[Visitor, asyncio.TimerHandle] = {}

    def opened(self, visitor: Visitor) -> None:
        """Record a new connection."""
        self._count += 1
        loop = asyncio.get_running_loop()
        self._strangers[visitor] = loop.call_later(self._patience, self._show_out, visitor)
        if self._count > self._limit:
            self._show_out(next(iter(self._strangers)))

    def let_in(self, visitor: object) -> None:
        """Record that a request of a connection was let in."""
        if isinstance(visitor, Visitor):
            self._forget(visitor)

    def closed(self, visitor: Visitor) -> None:
        """Record the end of a connection."""
        self._count -= 1
        self._forget(visitor)

    def _forget(self, visitor: Visitor) -> None:
        timer = self._strangers.pop(visitor, None)
        if timer is not None:
            timer.cancel()

    def _show_out(self, visitor: Visitor) -> None:
        self._forget(visitor)
        transport = visitor.transport
        if transport is not None:
            # Not close(): it waits for a client that does not read what it gets.
            transport.abort()
