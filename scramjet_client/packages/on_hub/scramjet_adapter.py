"""Runs a deployed function as a sequence: what every hub's Python runner takes, out of what a function gives.

A copy of this file travels in each package that `HostClient.deploy` makes; nothing here imports it, and it imports
nothing of the client.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from scramjet.streams import Stream

_LINGER = 10.0
"""Seconds that a program lives on after its output on 0.x, as a Node one does: unread output is lost at its end."""

_END = object()


class _Output(Stream):  # type: ignore[misc]  # the framework has no types
    """The output. It goes straight to the runner, as the framework's own way piles up what is not read yet.

    Where a runner puts a stream of its own after this one, to encode text, the framework's way is taken.
    """

    items: AsyncIterator[Any]
    logger: Any
    stopped: asyncio.Event
    failure: BaseException | None = None

    @classmethod
    def of(cls, items: AsyncIterator[Any], logger: Any) -> _Output:
        """Return an output that gives these items."""

        async def guarded() -> AsyncIterator[Any]:
            # The framework forgets what is raised here; it is raised again at the end.
            try:
                async for item in items:
                    yield item
            except Exception as error:
                output.failure = error

        output: _Output = cls.read_from(guarded(), max_parallel=4)
        output.items, output.logger, output.stopped = items, logger, asyncio.Event()
        return output

    async def write_to(self, target: Any) -> Any:
        """Write everything to what the runner gives; raise what the function raised."""
        first = self._origin
        if not hasattr(target, "write_eof"):
            await self._write_all(target, getattr(target, "sync", None))
            return target
        # An asyncio.StreamWriter is the runner of 0.x, which exits without sending the rest: drain() shall
        # wait until all is sent.
        target.transport.set_write_buffer_limits(high=0)
        try:
            await self._write_all(target, target.drain)
        except Exception:
            first.logger.error(traceback.format_exc())  # that runner tells nobody
            raise
        target.write_eof()
        await asyncio.wait([asyncio.ensure_future(first.stopped.wait())], timeout=_LINGER)
        return target

    async def _write_all(self, target: Any, flush: Callable[[], Any] | None) -> None:
        first = self._origin
        async for chunk in first.items if first is self else self:
            target.write(chunk)
            if flush is not None:
                await flush()
        if first.failure is not None:
            raise first.failure


class _Input:
    """The input as a generator function sees it, on its own thread: an iterable of the chunks that come."""

    def __init__(self, stream: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop

    def __iter__(self) -> Iterator[Any]:
        return iter(self.read, None)

    def read(self) -> Any:
        """Return the next chunk, None at the end."""
        return asyncio.run_coroutine_threadsafe(self._stream.read(), self._loop).result()


class _Context:
    """The context as a generator function sees it: `emit` from its thread is done by the loop's."""

    def __init__(self, context: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def emit(self, *args: Any) -> None:
        """Emit an event."""
        self._loop.call_soon_threadsafe(self._context.emit, *args)


def adapted(function: Callable[..., Any], output_type: str) -> Callable[..., Any]:
    """Return the `run` of a sequence that is this function."""

    async def chunks(context: Any, input: Any, args: tuple[Any, ...]) -> AsyncIterator[Any]:
        async for item in _items(function, context, input, args):
            yield _chunk(item, output_type)

    def run(context: Any, input: Any, *args: Any) -> Any:
        output = _Output.of(chunks(context, input, args), context.logger)

        async def stop(timeout: Any = None, can_keep_alive: Any = None) -> None:
            output.stopped.set()

        # Without one, the runner of 0.x can't stop a program at all. A function that sets its own replaces it.
        context.set_stop_handler(stop)
        return output

    return run


async def _items(
    function: Callable[..., Any], context: Any, input: Any, args: tuple[Any, ...]
) -> AsyncIterator[Any]:
    if inspect.isgeneratorfunction(inspect.unwrap(function)):
        loop = asyncio.get_running_loop()
        result: Any = function(_Context(context, loop), _Input(input, loop), *args)
    else:
        result = function(context, input, *args)
        if inspect.iscoroutine(result):  # a Stream has __await__ too, which raises
            result = await result
    if result is None:
        return
    if isinstance(result, AsyncIterable):
        async for item in result:
            yield item
    elif inspect.isgenerator(result):
        async for item in _on_a_thread(result):
            yield item
    elif isinstance(result, Iterable) and not isinstance(result, (str, bytes, bytearray, dict)):
        for item in result:
            yield item
    else:
        yield result


async def _on_a_thread(items: Iterator[Any]) -> AsyncIterator[Any]:
    """Yield what a generator gives, which may block for long; it is a step ahead and no more."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[Any, BaseException | None]] = asyncio.Queue(1)

    def put(item: Any, error: BaseException | None = None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put((item, error)), loop).result()

    def work() -> None:
        try:
            for item in items:
                put(item)
        except Exception as error:
            put(_END, error)
        else:
            put(_END)

    # A daemon, as a generator that waits for ever must not keep the program from being stopped.
    threading.Thread(target=work, name="generator", daemon=True).start()
    while True:
        item, error = await queue.get()
        if error is not None:
            raise error
        if item is _END:
            return
        yield item


def _chunk(item: Any, output_type: str) -> Any:
    """Return an item as the runner takes it for this type: text and bytes as they are, others as a JSON line."""
    if output_type.endswith("ndjson"):
        return item
    if isinstance(item, (bytes, bytearray, memoryview)):
        data = bytes(item)
        return data if output_type == "application/octet-stream" else data.decode("utf-8")
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) + "\n"
    return text.encode("utf-8") if output_type == "application/octet-stream" else text
