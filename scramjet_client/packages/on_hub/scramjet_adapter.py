"""Runs a deployed function as a sequence: what every hub's Python runner takes, out of what a function gives.

A copy of this file travels in each package that `HostClient.deploy` makes; nothing here imports it, and it imports
nothing of the client.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

import scramjet
from scramjet.streams import Stream

_LINGER = 10.0
"""Seconds that a program lives on after its output on 0.x, as a Node one does: unread output is lost at its end."""

_END = object()

_FILE = os.path.basename(__file__)
_BENEATH = tuple(os.path.dirname(each.__file__ or "") + os.sep for each in (asyncio, scramjet))
"""Folders of what calls this file; left out above the function's first own line alone."""


class _Output(Stream):  # type: ignore[misc]  # the framework has no types
    """The output. It goes straight to the runner, as the framework's own way piles up what is not read yet.

    Where a runner puts a stream of its own after this one, to encode text, the framework's way is taken.
    """

    items: AsyncIterator[Any]
    context: Any
    stopped: asyncio.Event
    failure: BaseException | None = None

    @classmethod
    def of(cls, items: AsyncIterator[Any], context: Any) -> _Output:
        """Return an output that gives these items."""

        async def guarded() -> AsyncIterator[Any]:
            # The framework forgets what is raised here; it is raised again at the end.
            while True:
                try:
                    item = await items.__anext__()
                except StopAsyncIteration:
                    return
                except BaseException as error:
                    output.failure = error
                    return
                yield item

        output: _Output = cls.read_from(guarded(), max_parallel=4)
        output.items, output.context, output.stopped = items, context, asyncio.Event()
        return output

    async def write_to(self, target: Any) -> Any:
        """Write everything to what the runner gives; end the process as the function says if it raises."""
        first = self._origin
        linger = hasattr(target, "write_eof")
        flush = getattr(target, "sync", None)
        if linger:
            # An asyncio.StreamWriter is of a real hub's runner, which exits without sending the rest: drain()
            # shall wait until all is sent.
            target.transport.set_write_buffer_limits(high=0)
            flush = target.drain
        try:
            await self._write_all(target, flush)
        except (asyncio.CancelledError, GeneratorExit):
            raise  # the runner is ending already
        except BaseException as error:
            failure = error
        else:
            if linger:
                target.write_eof()
                await asyncio.wait([asyncio.ensure_future(first.stopped.wait())], timeout=_LINGER)
            return target
        # Outside of the `except`, for what is raised has no other cause.
        raise _ending(failure, first.context)

    async def _write_all(self, target: Any, flush: Callable[[], Any] | None) -> None:
        first = self._origin
        async for chunk in first.items if first is self else self:
            target.write(chunk)
            if flush is not None:
                await flush()
        if first.failure is not None:
            raise first.failure


def _ending(error: BaseException, context: Any) -> BaseException:
    """Return what ends the process as an exception of the function says, having told of it where no runner does."""
    if getattr(context, "tells_failures", False):
        return error
    if isinstance(error, SystemExit):
        # Hubs that run programs as processes lose the code.
        context.logger.info(f"the program called sys.exit({error.code!r})")
        if error.code is None or isinstance(error.code, int):
            return error
        said, code = f"{error.code}\n", 1
    else:
        said, code = _told(error), 130 if isinstance(error, KeyboardInterrupt) else 1
        context.logger.error(said)
        context.logger.info(f"the program failed, with exit code {code}")
    # Python would write it after the end of the loop, which carries stderr. So it has nothing left to say then.
    sys.stderr.write(said)
    return SystemExit(code)


def _told(error: BaseException) -> str:
    """Return the traceback of an exception without the frames of this file, and of what has called it."""
    whole = traceback.TracebackException(type(error), error, error.__traceback__)
    pending = [whole]
    seen: set[int] = set()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        frames = [each for each in part.stack if os.path.basename(each.filename) != _FILE]
        while frames and frames[0].filename.startswith(_BENEATH):
            del frames[0]
        part.stack[:] = frames
        further = [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]
        pending.extend(each for each in further if each is not None)
    return "".join(whole.format())


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
    """The context as a function sees it: `emit` may be called on any thread."""

    def __init__(self, context: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def emit(self, *args: Any) -> None:
        """Emit an event."""
        if asyncio._get_running_loop() is self._loop:
            self._context.emit(*args)
        else:
            self._loop.call_soon_threadsafe(self._context.emit, *args)


def adapted(
    function: Callable[..., Any],
    output_type: str,
    *,
    blocking: bool = False,
    configured: Sequence[str] = (),
) -> Callable[..., Any]:
    """Return the `run` of a sequence that is this function.

    Args:
        function: The function.
        output_type: Type of its output.
        blocking: Whether it goes through its input by a plain loop, and so needs a thread of its own.
        configured: Variables beside it that the configuration of a start gives, or else the environment.
    """

    def run(context: Any, input: Any, *args: Any) -> Any:
        _configure(function, configured, context)
        return _output(_called(function, context, input, args, blocking), output_type, context)

    return run


def program(
    names: dict[str, Any], *, blocking: bool = False, own: bool = False
) -> Callable[..., Any]:
    """Return what a hub is to run in place of the `run` of a module.

    A stream, or None, goes to the hub as it is. Whatever else `run` gives becomes the output, as of a deployed
    function, and the output of a module that does not say its type is bytes then.

    Args:
        names: The names of the module.
        blocking: As for `adapted`.
        own: Whether async generators go to the hub as they are too: not every hub takes them.
    """
    function = names["run"]
    generator = _is_kind(function, inspect.isgeneratorfunction)

    def shaped(result: Any, context: Any, items: AsyncIterator[Any] | None = None) -> Any:
        if result is None or isinstance(result, Stream):
            return result
        if own and inspect.isasyncgen(result) and result is not items:
            return result
        return _output(items or _expanded(result), _type_of(names), context)

    def run(context: Any, input: Any, *args: Any) -> Any:
        if generator or blocking:
            items = _called(function, context, input, args, blocking)
            return shaped(items, context, items)
        return shaped(function(context, input, *args), context)

    async def run_async(context: Any, input: Any, *args: Any) -> Any:
        return shaped(await function(context, input, *args), context)

    return run_async if _is_kind(function, inspect.iscoroutinefunction) else run


def _is_kind(function: Callable[..., Any], kind: Callable[[Any], bool]) -> bool:
    """Return whether a function is of a kind, whatever decorates it, or the call of an object of a class."""
    plain = inspect.unwrap(function)
    return kind(plain) or kind(getattr(type(plain), "__call__", None))  # noqa: B004 - its kind is asked, not whether


def _type_of(names: dict[str, Any]) -> str:
    """Return the type of a module's output, and have each hub find it where it looks for it."""
    provides = names.get("provides")
    declared = provides.get("contentType") if isinstance(provides, dict) else None
    kind = str(names.get("output_type") or declared or "application/octet-stream")
    names["output_type"] = kind
    if declared is None:
        names["provides"] = {"provides": "", **(provides or {}), "contentType": kind}
    return kind


def _configure(function: Callable[..., Any], names: Sequence[str], context: Any) -> None:
    beside = inspect.unwrap(function).__globals__
    for name in names:
        value = (context.config or {}).get(name, os.environ.get(name))
        if value is None:
            raise RuntimeError(f"{name} is not configured: start with app_config={{{name!r}: ...}}")
        beside[name] = value


def _output(items: AsyncIterator[Any], output_type: str, context: Any) -> _Output:
    async def chunks() -> AsyncIterator[Any]:
        async for item in items:
            yield _chunk(item, output_type)

    output = _Output.of(chunks(), context)

    async def stop(timeout: Any = None, can_keep_alive: Any = None) -> None:
        output.stopped.set()

    # Without one, the runner of 0.x can't stop a program at all. A function that sets its own replaces it.
    context.set_stop_handler(stop)
    return output


async def _called(
    function: Callable[..., Any], context: Any, input: Any, args: tuple[Any, ...], blocking: bool
) -> AsyncIterator[Any]:
    loop = asyncio.get_running_loop()
    given = input
    if _is_kind(function, inspect.isgeneratorfunction):
        given = _Input(input, loop)
    elif blocking:

        def call() -> Iterator[Any]:
            yield function(_Context(context, loop), _Input(input, loop), *args)

        async for result in _on_a_thread(call()):
            async for item in _expanded(result):
                yield item
        return
    async for item in _expanded(function(_Context(context, loop), given, *args)):
        yield item


async def _expanded(result: Any) -> AsyncIterator[Any]:
    """Yield the items of what a function has returned."""
    # A Stream has __await__ too, which raises.
    while inspect.isawaitable(result) and not isinstance(result, Stream):
        result = await result
    if result is None:
        return
    if isinstance(result, AsyncIterable):
        async for item in result:
            yield item
    elif isinstance(result, Iterable) and not isinstance(
        result, (str, bytes, bytearray, memoryview, dict)
    ):
        async for item in _on_a_thread(result):
            yield item
    else:
        yield result


async def _on_a_thread(items: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield what a generator, or an iterator, gives, which may block for long; it is a step ahead and no more."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[Any, BaseException | None]] = asyncio.Queue(1)

    def put(item: Any, error: BaseException | None = None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put((item, error)), loop).result()

    def work() -> None:
        try:
            for item in items:
                put(item)
        except BaseException as error:  # sys.exit() too: it is the program's, not this thread's
            put(_END, error)
        else:
            put(_END)

    # A daemon, as a generator that waits for ever must not keep the program from being stopped.
    threading.Thread(target=work, name="generator", daemon=True).start()
    while True:
        item, error = await queue.get()
        if isinstance(error, (GeneratorExit, asyncio.CancelledError)):
            # Here they would mean that the runner is ending.
            raise RuntimeError(f"the function raised {type(error).__name__}") from error
        if error is not None:
            raise error
        if item is _END:
            return
        yield item


def _chunk(item: Any, output_type: str) -> Any:
    """Return an item as the runner takes it for this type: text and bytes as they are, others as a JSON line."""
    if output_type == "application/x-ndjson":
        return item
    if output_type == "text/x-ndjson":  # runners pass that one on as it is
        return json.dumps(item).encode() + b"\n"
    if isinstance(item, (bytes, bytearray, memoryview)):
        data = bytes(item)
        return data if output_type == "application/octet-stream" else data.decode("utf-8")
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) + "\n"
    return text.encode("utf-8") if output_type == "application/octet-stream" else text
