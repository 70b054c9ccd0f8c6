"""The connections of a hub: how many there may be, and how long one may stay that has not shown who it is."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from scramjet_client.hub._settings import Settings


class Visitor(web.RequestHandler):
    """One connection."""

    def __init__(self, server: web.Server, door: Door, **options: Any) -> None:
        super().__init__(server, **options)
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection (asyncio calls this)."""
        super().connection_made(transport)
        self._door.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection (asyncio calls this)."""
        self._door.closed(self)
        super().connection_lost(exc)


class Door:
    """Knows all connections, and which of them are strangers: none of their requests was let in so far.

    Strangers have limited time. Where there are too many connections, the stranger that has waited longest goes:
    whoever opens many without the token holds up nobody who has it.
    """

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.max_connections
        self._patience = settings.head_timeout
        self._count = 0
        self._strangers: dict[Visitor, asyncio.TimerHandle] = {}

    def opened(self, visitor: Visitor) -> None:
        """Note a new connection."""
        self._count += 1
        loop = asyncio.get_running_loop()
        self._strangers[visitor] = loop.call_later(self._patience, self._show_out, visitor)
        if self._count > self._limit:
            self._show_out(next(iter(self._strangers)))

    def let_in(self, visitor: object) -> None:
        """Note that a request of a connection was let in."""
        if isinstance(visitor, Visitor):
            self._forget(visitor)

    def closed(self, visitor: Visitor) -> None:
        """Note the end of a connection."""
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
            # Not close(): that waits for a client that does not take what it is sent.
            transport.abort()
