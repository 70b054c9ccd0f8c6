"""A relay on loopback that makes a hub far: everything comes later, and some of it much later."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from typing import Optional

from tests.support.listening import stop_listening

_PIECE = 65536
_WAITING = 64
"""Pieces on their way in one direction, before the sender is held."""


class SlowProxy:
    """Passes bytes between clients and a hub; use it in a `with` block. It runs on a thread of its own, `test-slow`.

    Args:
        port: The hub's port on 127.0.0.1.
        delay: Seconds that each piece is on its way, in both directions.
        stalls: How many of the pieces stall.
        stall: Seconds that such a piece, and all behind it, comes later; what a lost packet costs, twice.
        seed: Decides which pieces stall.
    """

    def __init__(
        self,
        port: int,
        *,
        delay: float = 0.08,
        stalls: float = 0.01,
        stall: float = 1.5,
        seed: int = 1,
    ) -> None:
        self._hub_port = port
        self._delay = delay
        self._stalls = stalls
        self._stall = stall
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-slow")
        self.port = 0

    def __enter__(self) -> SlowProxy:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        await stop_listening(self._server.sockets[0])
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        onward: Optional[asyncio.StreamWriter] = None
        try:
            answers, onward = await asyncio.open_connection("127.0.0.1", self._hub_port)
            there = asyncio.ensure_future(self._carry(reader, onward))
            back = asyncio.ensure_future(self._carry(answers, writer))
            try:
                await asyncio.gather(there, back)
            finally:
                there.cancel()
                back.cancel()
        except OSError:
            pass
        finally:
            # A connection that broke on one side breaks on the other.
            for each in (writer, onward):
                if each is not None:
                    each.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, each piece when it is due, and then the end; either side's failure ends both."""
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)
        parts = [
            asyncio.ensure_future(self._receive(reader, way)),
            asyncio.ensure_future(self._send(way, writer)),
        ]
        try:
            await asyncio.gather(*parts)
        finally:
            for each in parts:
                each.cancel()

    async def _receive(
        self, reader: asyncio.StreamReader, way: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        due, data = 0.0, b"?"
        while data:
            data = await reader.read(_PIECE)
            late = self._stall if self._random.random() < self._stalls else 0.0
            due = max(due, self._loop.time() + self._delay + late)
            await way.put((due, data))

    async def _send(
        self, way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await way.get()
            await asyncio.sleep(due - self._loop.time())
            if not data:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
