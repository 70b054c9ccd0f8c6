"""A server on an event loop in its own thread: how it starts, serves and stops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from typing import Any

from aiohttp import web

from scramjet_client._common.clock import monotonic
from scramjet_client.hub._door import Door, Visitor


class LoopThread:
    """A thread in which an event loop runs a server, from `start()` to `stop()`; you may start it again.

    A fork has no such thread: `pid` is that of the process that it runs in.
    """

    loop: asyncio.AbstractEventLoop
    pid = 0

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._ending: asyncio.Event

    @property
    def is_started(self) -> bool:
        """Whether it is started and not stopped."""
        return self._thread is not None

    def start(
        self,
        serve: Callable[[], AbstractAsyncContextManager[None]],
        around: AbstractContextManager[object],
    ) -> None:
        """Start it, and return when it serves; raise what prevents that.

        Args:
            serve: Returns what serves from its `__aenter__` to its `__aexit__`, on the loop.
            around: Entered before the loop runs, and left when it has ended, on the thread.
        """
        serving: Future[None] = Future()
        # stop() ends it. A daemon, so that a server that nobody stops does not keep the interpreter alive.
        thread = threading.Thread(
            target=self._run, args=(serve, around, serving), name=self._name, daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            with around:
                raise OSError(
                    errno.EAGAIN,
                    f"no thread for a server: {error}; too many threads or too little memory are allowed"
                    " (ulimit -u, ulimit -v)",
                ) from error
        serving.result()
        self._thread, self.pid = thread, os.getpid()

    def stop(self) -> None:
        """End it, and wait until it has ended. Safe to call twice; a fork leaves it to its parent process."""
        thread, self._thread = self._thread, None
        if thread is None or self.pid != os.getpid():
            return
        with contextlib.suppress(RuntimeError):  # something else has closed the loop
            self.loop.call_soon_threadsafe(self._ending.set)
        thread.join()

    def _run(
        self,
        serve: Callable[[], AbstractAsyncContextManager[None]],
        around: AbstractContextManager[object],
        serving: Future[None],
    ) -> None:
        async def main() -> None:
            self.loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
            async with serve():
                serving.set_result(None)
                await self._ending.wait()

        try:
            with around:
                _run_on_a_loop(main)
        except BaseException as error:
            if serving.done():
                raise
            serving.set_exception(error)


def _run_on_a_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it on asyncio's own loop: the loop of `asyncio.run` depends on the settings of the process."""
    loop = asyncio.SelectorEventLoop()
    # A test that freezes the time must not stop the hub's timers.
    loop.time = monotonic  # type: ignore[method-assign]
    try:
        loop.run_until_complete(main())
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@contextlib.asynccontextmanager
async def serving(
    application: web.Application,
    door: Door,
    listener: socket.socket,
    *,
    clear: Callable[[], Awaitable[object]],
    **options: Any,
) -> AsyncIterator[None]:
    """Serve an application during the block, to connections that a door knows and that come in at a listener.

    At the end, `clear` ends what the application has begun. The options are those of `create_server`.
    """
    runner = web.AppRunner(
        application,
        handle_signals=False,
        shutdown_timeout=1.0,
        handler_cancellation=True,  # a wait for an event ends when its client leaves
    )
    await runner.setup()
    assert runner.server is not None
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            partial(Visitor, runner.server, door, loop=loop), sock=listener, **options
        )
        try:
            yield
        finally:
            await _stop_listening(listener)
            server.close()
            # Cut the connections before what they show ends, and once more after: a cut output must not look complete.
            _cut_connections(runner)
    finally:
        await clear()
        _cut_connections(runner)
        await runner.cleanup()


async def _stop_listening(listener: socket.socket) -> None:
    """Take no more connections, and let asyncio finish those it has taken.

    `Server.close` forgets them: they would stay open, unseen by everybody, until garbage is collected.
    """
    asyncio.get_running_loop().remove_reader(listener)
    for _ in range(3):  # the transport is made in one step, and its protocol told in another
        await asyncio.sleep(0)


def _cut_connections(runner: web.AppRunner) -> None:
    """Reset all connections; no client takes a reset for the end of an answer."""
    for connection in runner.server.connections if runner.server is not None else ():
        transport = connection.transport
        if transport is not None:
            with contextlib.suppress(OSError, AttributeError):
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            transport.abort()
