"""Runs a deployed function as a sequence: turns any result into an output that every hub's Python runner takes.

A copy of this file travels in each package that `HostClient.deploy` makes. The client does not import it, and it
imports nothing from the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.machinery
import importlib.util
import inspect
import json
import linecache
import os
import random
import sys
import threading
import traceback
import types
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any

import scramjet
from scramjet.streams import Stream

# The framework sets this seed when it is imported: each run would have the same "random" numbers. A seed that the
# program itself sets stays.
if random.getstate() == random.Random("Pyfca").getstate():
    random.seed()

_LINGER = 10.0
"""Seconds that a program stays alive after its output on 0.x, as a Node one does: its end loses unread output."""

_END = object()

_HEAD = "Traceback (most recent call last):"

_FILE = os.path.basename(__file__)
_BENEATH = tuple(os.path.dirname(each.__file__ or "") + os.sep for each in (asyncio, scramjet))
"""Folders of the code that calls this file; its frames are hidden only above the function's first own line."""


class _Output(Stream):  # type: ignore[misc]  # the framework has no types
    """The output. It goes straight to the runner, because the framework's own way collects unread items in memory.

    If a runner adds its own stream after this one, to encode text, the framework's way is used.
    """

    items: AsyncIterator[Any]
    context: Any
    stopped: asyncio.Event
    failure: BaseException | None = None

    @classmethod
    def of(cls, items: AsyncIterator[Any], context: Any) -> _Output:
        """Return an output that yields these items."""

        async def guarded() -> AsyncIterator[Any]:
            # The framework swallows exceptions raised here, so `_write_all` raises them at the end.
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
        """Write everything to the runner's target; if the function raises, end the process accordingly."""
        first = self._origin
        linger = hasattr(target, "write_eof")
        flush = getattr(target, "sync", None)
        if linger:
            # A real hub's runner passes an asyncio.StreamWriter, and exits without sending the rest. With this limit
            # drain() waits until everything is sent.
            target.transport.set_write_buffer_limits(high=0)
            flush = target.drain
        try:
            with _failing(first):
                await self._write_all(target, flush)
        except (asyncio.CancelledError, GeneratorExit):
            if first.failure is None:
                raise  # the runner is already ending
            failure = first.failure
        except BaseException as error:
            failure = error
        else:
            if linger:
                target.write_eof()
                await asyncio.wait([asyncio.ensure_future(first.stopped.wait())], timeout=_LINGER)
            return target
        # Outside the `except`, so that the exception gets no other cause.
        raise _ending(failure, first.context)

    async def _write_all(self, target: Any, flush: Callable[[], Any] | None) -> None:
        first = self._origin
        async for chunk in first.items if first is self else self:
            target.write(chunk)
            if flush is not None:
                await flush()
        if first.failure is not None:
            raise first.failure


def _guarded(stream: Any, context: Any) -> Any:
    """Have an error in a task of the framework end the program while the runner writes this stream."""
    kind: Any = type(stream)

    class Guarded(kind):  # type: ignore[misc]
        """The same stream. What a runner makes of it by `map` is of this class too."""

        async def write_to(self, target: Any) -> Any:
            held = types.SimpleNamespace(failure=None)
            try:
                with _failing(held):
                    return await super().write_to(target)
            except asyncio.CancelledError:
                if held.failure is None:
                    raise
            # Outside the `except`, so that the exception gets no other cause.
            raise _ending(held.failure, context)

    if "write_to" not in vars(stream):
        with contextlib.suppress(TypeError):  # its class has another layout
            stream.__class__ = Guarded
    return stream


@contextlib.contextmanager
def _failing(output: Any) -> Iterator[None]:
    """While the output is written, have an error in a task of the framework end the block, and keep it as its failure.

    The framework runs the functions of `map`, `filter` and so on in tasks that nobody awaits. After an error in one,
    the stream gives nothing more, and the program would wait for ever. asyncio reports an error of a task only if
    nobody has taken it. A program's own tasks stay as they are: the program may go on without them.
    """
    loop = asyncio.get_running_loop()
    writing = asyncio.current_task()
    before = loop.get_exception_handler()

    def take(loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
        error = what.get("exception")
        if writing is not None and _is_of_framework(what) and _is_of_program(error):
            output.failure = output.failure or error
            writing.cancel()
        elif before is not None:
            before(loop, what)
        else:
            loop.default_exception_handler(what)

    loop.set_exception_handler(take)
    try:
        yield
    finally:
        loop.set_exception_handler(before)


def _is_of_framework(what: dict[str, Any]) -> bool:
    """Return whether what asyncio reports is a task whose coroutine is the framework's."""
    task = what.get("task") or what.get("future")
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    code = getattr(coroutine, "cr_code", None)
    return code is not None and code.co_filename.startswith(_BENEATH[1])


def _is_of_program(error: Any) -> bool:
    """Return whether it is an error, and not one of the framework, such as a write to a stream that has ended."""
    return isinstance(error, Exception) and not type(error).__module__.startswith("scramjet.")


def _ending(error: BaseException, context: Any) -> BaseException:
    """Return the exception that ends the process for an error of the function; report it if no runner does."""
    if getattr(context, "tells_failures", False):
        return error
    if isinstance(error, SystemExit):
        # Hubs that run programs as processes lose the exit code.
        context.logger.info(f"the program called sys.exit({error.code!r})")
        if error.code is None or isinstance(error.code, int):
            return error
        said, code = f"{error.code}\n", 1
    else:
        said, code = _told(error), 130 if isinstance(error, KeyboardInterrupt) else 1
        context.logger.error(said)
        context.logger.info(f"the program failed, with exit code {code}")
    # Python would write it after the loop has ended, and the loop carries stderr. So this writes it now.
    sys.stderr.write(said)
    return SystemExit(code)


def _told(error: BaseException) -> str:
    """Return the traceback of an exception without the frames of this file and of its callers."""
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
    said = "".join(whole.format())
    # Python leaves the head out if no frame is left. Readers know an error by it.
    return said if _HEAD in said else f"{_HEAD}\n{said}"


Place = tuple[int, int, str, int]
"""The first and last line of a part in the module, and the file and the first line that it is from."""


def imported(name: str, places: Sequence[Place]) -> types.ModuleType:
    """Import a module beside this file that was put together from parts.

    Tracebacks and debuggers show the files of the parts.
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    loader = _Loader(name, os.path.join(folder, f"{name}.py"))
    loader.places = places
    loader.show_sources()
    spec = importlib.util.spec_from_file_location(name, loader.path, loader=loader)
    if spec is None:
        raise ImportError(f"{name} can't be imported", name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


class _Loader(importlib.machinery.SourceFileLoader):
    """Gives each part of a module the file and the lines that it is from."""

    places: Sequence[Place] = ()

    def source_to_code(  # type: ignore[override]
        self, data: Any, path: Any, *further: Any, **options: Any
    ) -> types.CodeType:
        """Compile; since Python 3.15, the module's name is a further argument."""
        return self._placed(super().source_to_code(data, path, *further, **options))

    def _placed(self, code: types.CodeType) -> types.CodeType:
        inner = tuple(
            self._placed(each) if isinstance(each, types.CodeType) else each
            for each in code.co_consts
        )
        code = code.replace(co_consts=inner)
        for first, last, file, line in self.places:
            if first <= code.co_firstlineno <= last and code.co_name != "<module>":
                at = code.co_firstlineno - first + line
                return code.replace(co_filename=file, co_firstlineno=at)
        return code

    def show_sources(self) -> None:
        """Have tracebacks find the lines: the files are not here."""
        with open(self.path, encoding="utf-8") as file:
            text = file.read().splitlines(keepends=True)
        shown: dict[str, list[str]] = {}
        for first, last, name, line in self.places:
            lines = shown.setdefault(name, [])
            lines.extend(["\n"] * (line + last - first - len(lines)))
            lines[line - 1 : line + last - first] = text[first - 1 : last]
        for name, lines in shown.items():
            # None for its time keeps it: there is no file to compare it with. A debugger asks by the whole path.
            for key in (name, os.path.abspath(name)):
                linecache.cache[key] = (sum(map(len, lines)), None, lines, key)


class _Input:
    """The input for a generator function, in its own thread: an iterable of the chunks that arrive."""

    def __init__(self, stream: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop

    def __iter__(self) -> Iterator[Any]:
        return iter(self.read, None)

    def read(self) -> Any:
        """Return the next chunk, None at the end."""
        return asyncio.run_coroutine_threadsafe(self._stream.read(), self._loop).result()


class _Context:
    """The context for a function: you may call `emit` in any thread."""

    def __init__(self, context: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def emit(self, event_name: str, message: Any = "") -> None:
        """Emit an event; raise here if its message can't be one, because nobody hears of it later."""
        if not isinstance(event_name, str):
            raise TypeError(f"the name of an event must be a str, not {type(event_name).__name__}")
        # The loop may send it later, when the program has changed it.
        message = json.loads(_json(message, f"the message of the event {event_name!r} is"))
        if asyncio._get_running_loop() is self._loop:
            self._context.emit(event_name, message)
        else:
            self._loop.call_soon_threadsafe(self._context.emit, event_name, message)


def adapted(
    function: Callable[..., Any],
    output_type: str,
    *,
    blocking: bool = False,
    configured: Sequence[str] = (),
) -> Callable[..., Any]:
    """Return the `run` of a sequence for this function and this type of its output.

    With `blocking`, the function reads its input in a plain loop, and so needs its own thread. The values of
    `configured` variables beside it come from the configuration of a start, else the environment.
    """

    def run(context: Any, input: Any, *args: Any) -> Any:
        _configure(function, configured, context)
        return _output(_called(function, context, input, args, blocking), output_type, context)

    return run


def program(
    names: dict[str, Any], *, blocking: bool = False, own: bool = False
) -> Callable[..., Any]:
    """Return a function that a hub can run in place of the `run` among a module's names.

    A stream goes to the hub as it is, except that an error in `map` and the like ends the program. None goes
    unchanged, and with `own` async generators too, which not every hub takes. Any other result of `run` becomes the
    output, as with a deployed function. If the module does not declare a type, that output is bytes.
    """
    if "run" not in names:
        raise AttributeError("the main file has no function run(context, input, *args)")
    function = names["run"]
    generator = _is_kind(function, inspect.isgeneratorfunction)

    def shaped(result: Any, context: Any, items: AsyncIterator[Any] | None = None) -> Any:
        if result is None:
            return result
        if isinstance(result, Stream):
            return _guarded(result, context)
        if own and inspect.isasyncgen(result) and result is not items:
            return result
        return _output(items or _expanded(result), _type_of(names), context)

    def run(context: Any, input: Any, *args: Any) -> Any:
        if generator or blocking:
            items = _called(function, context, input, args, blocking)
            return shaped(items, context, items)
        own_context = _Context(context, asyncio.get_running_loop())
        return shaped(function(own_context, input, *args), context)

    async def run_async(context: Any, input: Any, *args: Any) -> Any:
        own_context = _Context(context, asyncio.get_running_loop())
        return shaped(await function(own_context, input, *args), context)

    return run_async if _is_kind(function, inspect.iscoroutinefunction) else run


def _is_kind(function: Callable[..., Any], kind: Callable[[Any], bool]) -> bool:
    """Return whether a function, under its decorators, or the call of an object is of a kind."""
    plain = inspect.unwrap(function)
    return kind(plain) or kind(getattr(type(plain), "__call__", None))  # noqa: B004 - its kind is asked, not whether


def _type_of(names: dict[str, Any]) -> str:
    """Return the type of a module's output, and set it where each kind of hub looks for it."""
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
            if item is not None:
                yield _chunk(item, output_type)

    output = _Output.of(chunks(), context)

    async def stop(timeout: Any = None, can_keep_alive: Any = None) -> None:
        output.stopped.set()

    # Without a handler, the runner of 0.x can't stop a program at all. A function that sets its own replaces it.
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
    """Yield the items of a function's result."""
    # A Stream has __await__ too, but it raises.
    while inspect.isawaitable(result) and not isinstance(result, Stream):
        result = await result
    if result is None:
        return
    if isinstance(result, AsyncIterable):
        async for item in result:
            yield item
    elif isinstance(result, Iterable) and not _is_one(result):
        _check_position(result)
        async for item in _on_a_thread(result):
            yield item
    else:
        yield result


def _is_one(result: Any) -> bool:
    """Return whether a result is one item, though it can be iterated: that gives its keys, columns or characters."""
    kind = type(result)
    return (
        isinstance(result, (str, bytes, bytearray, memoryview, Mapping, type))
        or any(hasattr(kind, name) for name in ("__array__", "__array_interface__", "model_dump"))
        or (hasattr(kind, "keys") and hasattr(kind, "__getitem__"))
    )


def _check_position(result: Any) -> None:
    """Refuse a file that was written and not rewound: nothing would come of it."""
    with contextlib.suppress(OSError, AttributeError):
        here = result.tell() if result.seekable() else 0
        if here and here >= result.seek(0, os.SEEK_END):
            raise ValueError(
                f"the program returned a {type(result).__name__} that stands at its end; call its seek(0) before, or "
                "return what it has"
            )
        if here:
            result.seek(here)


async def _on_a_thread(items: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield the items of a blocking generator or iterator from a thread; it runs at most one step ahead."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[Any, BaseException | None]] = asyncio.Queue(1)

    def put(item: Any, error: BaseException | None = None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put((item, error)), loop).result()

    def work() -> None:
        try:
            for item in items:
                put(item)
        except BaseException as error:  # sys.exit() too: it is for the program, not for this thread
            put(_END, error)
        else:
            put(_END)

    # A daemon, because a generator that waits for ever must not prevent the program from stopping.
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
    """Return an item in the runner's form for this type: text and bytes unchanged, others as a JSON line."""
    if output_type == "application/x-ndjson":
        _json(item)  # the runner would write NaN too
        return dict(item) if isinstance(item, Mapping) else item
    if output_type == "text/x-ndjson":  # runners pass this type on unchanged
        return _json(item).encode() + b"\n"
    if isinstance(item, (bytes, bytearray, memoryview)):
        data = bytes(item)
        return data if output_type == "application/octet-stream" else data.decode("utf-8")
    text = item if isinstance(item, str) else _json(item, in_ascii=False) + "\n"
    return text.encode("utf-8") if output_type == "application/octet-stream" else text


def _json(item: Any, gave: str = "the program gave", *, in_ascii: bool = True) -> str:
    try:
        return _ENCODERS[in_ascii].encode(item)
    except (TypeError, ValueError, RecursionError) as error:
        # The text of this error differs between Pythons.
        nan = isinstance(error, ValueError) and "float" in str(error)
        why = "JSON has no NaN and no infinity" if nan else str(error)
        kind = item.__name__ if isinstance(item, type) else type(item).__name__
        can = "be" if gave.endswith("is") else "give text, bytes, and"
        said = f"{gave} a {kind} ({why}); it can {can} what JSON can say"
        refusal = TypeError if isinstance(error, TypeError) else ValueError
        raise refusal(f"{said}{_cure(item)}") from None


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} can't be JSON")


_ENCODERS = {
    in_ascii: json.JSONEncoder(allow_nan=False, ensure_ascii=in_ascii, default=_mapping)
    for in_ascii in (True, False)
}

_CURES = ("to_csv", "write_csv", "tolist", "to_pylist", "model_dump")


def _cure(item: Any) -> str:
    """Return what to give instead, as the end of a sentence."""
    kind = type(item)
    if not isinstance(item, type):
        for name in _CURES:
            if hasattr(kind, name):
                return f": give its .{name}()"
        if isinstance(item, (set, frozenset)):
            return ": give sorted(...) of it"
        if hasattr(kind, "keys") and hasattr(kind, "__getitem__") and not isinstance(item, dict):
            return ": give dict(...) of it"
    return ""
